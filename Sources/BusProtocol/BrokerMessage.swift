/// A message from the broker to a worker.
public enum BrokerMessage: Hashable, Sendable {
    /// Opens the session that `READY` asked for.
    case welcome(WorkerWelcome)
    /// A delivery; the request's body is F4.. of the same message.
    case job(DeliveryKey, JobHeader)
    /// The attempt may begin.
    case go(DeliveryKey, session: SessionToken)
    /// The attempt may not begin.
    case noGo(DeliveryKey, session: SessionToken, reason: NoGoReason, wait: Duration?)
    /// End the delivery now; the worker answers with its terminal.
    case cancel(DeliveryKey, session: SessionToken)
    /// The terminal of this delivery is kept; the worker may forget it.
    case acknowledge(DeliveryKey)
    /// Still alive, and what the broker wants of the worker.
    case beat(BeatOrder)
    /// The message could not be understood or served.
    case error(id: [UInt8], BusError)
}

/// Why an attempt may not begin.
public enum NoGoReason: String, Sendable, Hashable, CaseIterable {
    /// Another delivery of the request is the current one, or the broker does not know this one.
    case superseded
    /// The agent cancelled the request.
    case cancelled
    /// The request's deadline has passed.
    case expired
    /// The request has its terminal already.
    case ended
    /// Not now: ask again after `wait_ms`.
    case wait
}

/// What the broker wants of a worker, said with each `BEAT`.
public enum BeatOrder: String, Sendable, Hashable, CaseIterable {
    /// Carry on.
    case run
    /// Take no new work and finish what runs.
    case quiet
    /// This broker has no session with the worker: send `READY`.
    case rejoin
}

/// The header of a worker's `WELCOME`.
public struct WorkerWelcome: Hashable, Sendable {
    /// The session that begins here.
    public var session: SessionToken
    /// Start of the broker in Unix milliseconds.
    public var epoch: Int64
    /// Of what the worker holds, what it is to keep.
    public var keep: [DeliveryKey]
    /// Of what the worker holds, what it is to drop: another has it, or nobody waits for it.
    public var drop: [DeliveryKey]
    /// How often to send `BEAT`.
    public var beatInterval: Duration
    /// Silence after which the broker takes the worker for lost.
    public var lease: Duration

    /// Makes a welcome.
    public init(
        session: SessionToken,
        epoch: Int64,
        keep: [DeliveryKey] = [],
        drop: [DeliveryKey] = [],
        beatInterval: Duration,
        lease: Duration
    ) {
        self.session = session
        self.epoch = epoch
        self.keep = keep
        self.drop = drop
        self.beatInterval = beatInterval
        self.lease = lease
    }
}

/// The header of `JOB`.
public struct JobHeader: Hashable, Sendable {
    /// The worker's session.
    public var session: SessionToken
    /// Whose request it is.
    public var tenant: Tenant
    /// The agent's id.
    public var id: RequestID
    /// The agent's task.
    public var task: String?
    /// The first attempt number this delivery may use.
    public var firstAttempt: UInt32
    /// Time left until the deadline when the broker sent this.
    public var remaining: Duration
    /// Time from acceptance to this delivery.
    public var waited: Duration
    /// Whether the agent wants `CHUNK`s.
    public var stream: Bool
    /// Deliveries that were lost before this one, oldest first.
    public var lost: [LostDelivery]

    /// Makes a header.
    public init(
        session: SessionToken,
        tenant: Tenant,
        id: RequestID,
        task: String? = nil,
        firstAttempt: UInt32,
        remaining: Duration,
        waited: Duration,
        stream: Bool = false,
        lost: [LostDelivery] = []
    ) {
        self.session = session
        self.tenant = tenant
        self.id = id
        self.task = task
        self.firstAttempt = firstAttempt
        self.remaining = remaining
        self.waited = waited
        self.stream = stream
        self.lost = lost
    }
}

/// What became of a delivery whose worker was lost: a line of the trail.
public struct LostDelivery: Hashable, Sendable {
    /// Which delivery.
    public var delivery: UInt32
    /// The last attempt that was given a `GO` in it; 0 when none was.
    public var attempt: UInt32
    /// How long the worker had it.
    public var held: Duration

    /// Makes an entry.
    public init(delivery: UInt32, attempt: UInt32, held: Duration) {
        self.delivery = delivery
        self.attempt = attempt
        self.held = held
    }
}
