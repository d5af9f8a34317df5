/// The header (F3) of a `REQUEST`, with defaults filled in.
public struct RequestHeader: Hashable, Sendable {
    /// What `ACCEPTED` promises to survive.
    public enum Durability: String, Sendable, Hashable, CaseIterable {
        /// The death of agents and workers.
        case memory
        /// The death of the broker and of the machine too.
        case disk
    }

    /// What to do when a worker that was given a `GO` is lost.
    public enum LossPolicy: String, Sendable, Hashable, CaseIterable {
        /// Deliver once more; at most two deliveries get a `GO`.
        case retry
        /// End in `FAILURE worker_lost`: no call may be paid twice.
        case fail
    }

    /// One budget for all waits, retries and fallbacks, counted from acceptance. 1 s to 24 h.
    public var deadline: Duration
    /// 0 to 9, higher is sooner.
    public var priority: Int
    /// Whether the agent wants `CHUNK`s.
    public var stream: Bool
    /// The durability asked for; nil leaves it to the broker.
    public var durability: Durability?
    /// What to do when a worker is lost after a `GO`.
    public var onLoss: LossPolicy
    /// The agent's task this request belongs to; at most 256 bytes.
    public var task: String?
    /// How long a terminal waits for its `ACK`; nil for the default of the durability in force.
    public var ttl: Duration?
    /// Whether the request is cancelled when the connection that sent it closes.
    public var cancelOnDisconnect: Bool

    /// Makes a header; every argument left out has the protocol's default.
    public init(
        deadline: Duration = Limits.deadlineDefault,
        priority: Int = Limits.priorityDefault,
        stream: Bool = false,
        durability: Durability? = nil,
        onLoss: LossPolicy = .retry,
        task: String? = nil,
        ttl: Duration? = nil,
        cancelOnDisconnect: Bool = false
    ) {
        self.deadline = deadline
        self.priority = priority
        self.stream = stream
        self.durability = durability
        self.onLoss = onLoss
        self.task = task
        self.ttl = ttl
        self.cancelOnDisconnect = cancelOnDisconnect
    }
}
