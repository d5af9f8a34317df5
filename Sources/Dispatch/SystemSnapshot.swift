public import BusProtocol

/// What the broker knows of itself at one moment; the shell writes it as the document of a ``SystemSubject``.
public enum SystemSnapshot: Hashable, Sendable {
    case health(SystemHealth)
    /// In the order of their names.
    case workers([SystemWorker])
    /// Newest first; `isTruncated` when there may be more than these.
    case requests([SystemRequest], isTruncated: Bool)

    /// What was asked for.
    public var subject: SystemSubject {
        switch self {
        case .health: .health
        case .workers: .workers
        case .requests: .requests
        }
    }
}

/// Sizes, totals and limits of a broker.
public struct SystemHealth: Hashable, Sendable {
    /// A limit whose reach makes the broker reject new requests. The raw values are the names in the document.
    public enum Limit: String, Sendable, Hashable, CaseIterable {
        /// Requests without a terminal.
        case open
        /// Body bytes of these.
        case openBytes = "open_bytes"
        /// Terminals that wait for their `ACK`.
        case kept
        /// Bytes of these.
        case keptBytes = "kept_bytes"
        /// Ids remembered after their terminal went.
        case remembered
    }

    /// A limit and what there is under it.
    public struct Gauge: Hashable, Sendable {
        /// Which one.
        public var limit: Limit
        /// How much there is now.
        public var used: Int
        /// How much there may be.
        public var most: Int
    }

    /// How many requests were rejected for one reason.
    public struct Rejection: Hashable, Sendable {
        /// The reason.
        public var code: ErrorCode
        /// How many since the broker's start.
        public var count: UInt64
    }

    /// Start of the broker in Unix milliseconds.
    public var epoch: Int64
    /// Time since then.
    public var uptime: Duration
    /// True when no new requests are taken.
    public var isStopping: Bool
    /// Workers with a session.
    public var workers: Int
    /// Totals, and the sizes of the moment.
    public var counters: Counters
    /// Requests that wait for a worker, by priority: element 0 is the lowest.
    public var queuedByPriority: [Int]
    /// Every limit.
    public var gauges: [Gauge]
    /// Why requests that are to be journalled are rejected now; nil when they are not.
    public var journalRefusal: BusError?
    /// Rejections by reason, in rising order of the reason's number.
    public var rejections: [Rejection]
}

/// A worker with a session.
public struct SystemWorker: Hashable, Sendable {
    /// Whether it gets work. The raw values are the words in the document.
    public enum State: String, Sendable, Hashable, CaseIterable {
        /// It gets work as far as its credit reaches.
        case joined
        /// It gave work back for want of room, and gets none until its next `CREDIT` or a beat.
        case full
        /// It takes no new work, and ends what it has.
        case quiet
        /// Its connection broke; it may come back until its lease is over.
        case disconnected
        /// It is dead; what it had still sent is being read.
        case lost
    }

    /// The name it gave itself; need not be unique.
    public var name: String
    /// Its process; nil when the socket does not tell.
    public var pid: Int32?
    /// Whether it gets work.
    public var state: State
    /// Most requests it has at once.
    public var capacity: Int
    /// Requests it has.
    public var held: Int
    /// How many more it would get.
    public var credit: Int
    /// Time until it is taken for lost if it stays silent.
    public var leaseRemaining: Duration
    /// Time since its session began.
    public var sessionAge: Duration
    /// `JOB`s it was sent in this session.
    public var deliveries: UInt64
}

/// A request that the broker knows.
public struct SystemRequest: Hashable, Sendable {
    /// Where it stands. The raw values are the words in the document; the first three are those of `STATE`.
    public enum State: String, Sendable, Hashable, CaseIterable {
        /// Waits for a worker.
        case queued
        /// A worker has it; no call was allowed yet.
        case leased
        /// A worker has it and was given a `GO`; or had it under a broker before this one, and is waited for.
        case running
        /// Ended in `REPLY`, which waits for its `ACK`.
        case replied
        /// Ended in `FAILURE`, which waits for its `ACK`.
        case failed
    }

    /// The agent's id.
    public var id: RequestID
    /// Its task.
    public var task: String?
    /// Where it stands.
    public var state: State
    /// Its priority.
    public var priority: Int
    /// Time since acceptance.
    public var age: Duration
    /// Time left until the deadline; nil when it has ended.
    public var remaining: Duration?
    /// Deliveries so far.
    public var deliveries: UInt32
    /// Attempts that were given a `GO` so far.
    public var attempts: UInt32
    /// Name of the worker that has it; nil when none has.
    public var worker: String?
}
