public import BusProtocol

/// What the shell has to do, in order. Bodies and terminals are named by their job and fetched from the job store.
public enum DispatchEffect: Sendable {
    /// Send a control message to an agent.
    case answer(AgentPath, AgentReply)
    /// Send a document about the broker itself.
    case answerSystem(AgentPath, SystemSnapshot)
    /// Send the stored terminal of a job, under the agent's id.
    case sendTerminal(AgentPath, JobNumber, RequestID)
    /// Send a control message to a worker.
    case order(ConnectionID, BrokerMessage)
    /// Send `JOB` with the stored body.
    case deliver(ConnectionID, DeliveryKey, JobHeader)

    /// Store the body of the `REQUEST` in hand.
    case keepRequest(JobNumber, RequestKey)
    /// Store the terminal in hand, a `REPLY` or `FAILURE` of a worker, and forget the body.
    case keepTerminal(JobNumber)
    /// Make and store a `FAILURE` of the broker's own, and forget the body.
    case composeTerminal(JobNumber, BrokerFailure)
    /// Forget the job altogether.
    case forget(JobNumber)

    /// Write a mark to the journal; ``DispatchEvent/committed(through:)`` tells when it is on disk.
    case write(JournalTicket, JournalMark)

    /// Receive what this dead worker had still sent, then report ``DispatchEvent/workerDrained(_:)``.
    case drain(ConnectionID)
    /// Publish telemetry.
    case publish(BusEvent)
}

/// What the broker knows of a request that it ends itself.
public struct BrokerFailure: Hashable, Sendable {
    /// Why.
    public var reason: FailureClass
    /// The sentence for people.
    public var message: String
    /// Deliveries there were.
    public var deliveries: UInt32
    /// Attempts that got a `GO`.
    public var attempts: UInt32
    /// Acceptance to the first delivery, or to the end if there was none.
    public var waited: Duration
    /// Acceptance to the end.
    public var duration: Duration
    /// The lost deliveries, oldest first.
    public var lost: [LostDelivery]

    /// Makes an account.
    public init(
        reason: FailureClass,
        message: String,
        deliveries: UInt32,
        attempts: UInt32,
        waited: Duration,
        duration: Duration,
        lost: [LostDelivery]
    ) {
        self.reason = reason
        self.message = message
        self.deliveries = deliveries
        self.attempts = attempts
        self.waited = waited
        self.duration = duration
        self.lost = lost
    }
}
