/// One HTTP call that the engine wants made.
public struct AttemptPlan: Sendable, Hashable {
    /// Number of the attempt within the request; rises across deliveries.
    public let attempt: UInt32
    /// The model to call.
    public let model: ModelName
    /// Number of the attempt at this model within this delivery, from 1.
    public let modelAttempt: Int
    /// The limits of the attempt, none beyond the request's deadline.
    public var timers: CallTimers
    /// Whether the attempt before broke with its connection: others that were kept since then are as likely dead.
    public let needsFreshConnection: Bool

    /// Makes a plan.
    public init(
        attempt: UInt32,
        model: ModelName,
        modelAttempt: Int,
        timers: CallTimers,
        needsFreshConnection: Bool = false
    ) {
        self.attempt = attempt
        self.model = model
        self.modelAttempt = modelAttempt
        self.timers = timers
        self.needsFreshConnection = needsFreshConnection
    }
}
