public import BusProtocol

/// One line of a request's history. Holds no text of a provider: that may quote the request.
public enum TrailEntry: Sendable, Hashable {
    /// A call that had the broker's `GO`.
    case attempt(AttemptRecord)
    /// A model that was passed over without a call.
    case skipped(model: ModelName, reason: SkipReason)
    /// A delivery that was lost with its worker, as the `JOB` header told.
    case lostDelivery(LostDelivery)
}

/// How one attempt went.
public struct AttemptRecord: Sendable, Hashable {
    /// What the engine did next. The raw value stands in the trail.
    public enum Next: String, Sendable, Hashable, CaseIterable {
        /// Another attempt at the same model.
        case retry
        /// The next model.
        case fallback
        /// The request ended here, well or badly.
        case end
    }

    /// Number of the attempt within the request.
    public var attempt: UInt32
    /// The model that was called.
    public var model: ModelName
    /// Why it failed; nil when it was answered.
    public var failureClass: FailureClass?
    /// The HTTP status; nil when no answer came.
    public var httpStatus: Int?
    /// What was done next.
    public var next: Next
    /// The wait that was begun after the attempt.
    public var wait: Duration
    /// Start of the call, counted from the start of the delivery at the worker.
    public var started: Duration
    /// Length of the call.
    public var duration: Duration
    /// Whether the provider may have charged for it. Not in the trail that is sent, only in what it adds up to.
    public var mayBeBilled: Bool

    /// Makes a record.
    public init(
        attempt: UInt32,
        model: ModelName,
        failureClass: FailureClass? = nil,
        httpStatus: Int? = nil,
        next: Next = .end,
        wait: Duration = .zero,
        started: Duration = .zero,
        duration: Duration = .zero,
        mayBeBilled: Bool = true
    ) {
        self.attempt = attempt
        self.model = model
        self.failureClass = failureClass
        self.httpStatus = httpStatus
        self.next = next
        self.wait = wait
        self.started = started
        self.duration = duration
        self.mayBeBilled = mayBeBilled
    }
}
