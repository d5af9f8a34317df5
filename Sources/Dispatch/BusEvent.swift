public import BusProtocol

/// Something worth telling the operator; the shell turns it into a telemetry message.
public enum BusEvent: Hashable, Sendable {
    /// How a request ended and who said so.
    public struct Ending: Hashable, Sendable {
        /// Whose and which request.
        public var key: RequestKey
        /// Its number.
        public var job: JobNumber
        /// Its task.
        public var task: String?
        /// `REPLY` or `FAILURE`.
        public var isReply: Bool
        /// The class when the broker ended it; nil when the record of the worker in hand tells.
        public var brokerClass: FailureClass?
        /// Deliveries there were.
        public var deliveries: UInt32
        /// Deliveries that got a `GO`.
        public var paidDeliveries: UInt32
        /// Acceptance to the first delivery.
        public var waited: Duration
        /// Acceptance to the end.
        public var duration: Duration

        /// Makes an ending.
        public init(
            key: RequestKey,
            job: JobNumber,
            task: String?,
            isReply: Bool,
            brokerClass: FailureClass?,
            deliveries: UInt32,
            paidDeliveries: UInt32,
            waited: Duration,
            duration: Duration
        ) {
            self.key = key
            self.job = job
            self.task = task
            self.isReply = isReply
            self.brokerClass = brokerClass
            self.deliveries = deliveries
            self.paidDeliveries = paidDeliveries
            self.waited = waited
            self.duration = duration
        }
    }

    /// Why a worker was given up.
    public enum LossReason: String, Sendable, Hashable {
        /// Its process is gone.
        case died
        /// It was silent for longer than the lease.
        case lease
    }

    case requestAccepted(RequestKey, JobNumber, task: String?, priority: Int, durability: RequestHeader.Durability)
    case requestRejected(RequestKey, task: String?, ErrorCode)
    case requestEnded(Ending)
    /// A terminal that came too late to win; it may have been paid for. The worker's record is in hand.
    case requestLate(RequestKey?, DeliveryKey, isReply: Bool)
    case workerJoined(name: String, pid: Int32?, capacity: Int)
    case workerLeft(name: String, pid: Int32?)
    case workerLost(name: String, pid: Int32?, reason: LossReason, requeued: Int, failed: Int)
    case deliveryLost(RequestKey, DeliveryKey, worker: String)
    case taskEnded(Tenant, TaskReport)
}
