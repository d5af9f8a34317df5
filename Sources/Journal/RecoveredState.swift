public import BusProtocol
public import CoreTypes

/// What a journal knew when its broker ended. Times are Unix milliseconds.
public struct RecoveredState: Hashable, Sendable {
    /// The epoch of the last broker that wrote here; 0 when there was none.
    public var epochLast: Int64
    /// Whether that broker closed the journal; true for a new one.
    public var wasClosed: Bool
    /// The greatest number in `jobs` and `tombstones`, and of tombstones that are out of date but not yet gone; nil when
    /// there is none. New numbers must lie above it.
    public var numberLast: JobNumber?
    /// The jobs that are not forgotten, in the order of their numbers.
    public var jobs: [RecoveredJob]
    /// What is forgotten and still remembered, in the order of forgetting.
    public var tombstones: [RecoveredTombstone]

    /// Makes a state of its parts.
    public init(
        epochLast: Int64 = 0,
        wasClosed: Bool = true,
        numberLast: JobNumber? = nil,
        jobs: [RecoveredJob] = [],
        tombstones: [RecoveredTombstone] = []
    ) {
        self.epochLast = epochLast
        self.wasClosed = wasClosed
        self.numberLast = numberLast
        self.jobs = jobs
        self.tombstones = tombstones
    }
}

/// A request that was accepted and not forgotten. Times are Unix milliseconds.
public struct RecoveredJob: Hashable, Sendable {
    /// How a job ended.
    public struct Ending: Hashable, Sendable {
        /// The terminal, which may still wait for its `ACK`.
        public var terminal: StoredTerminal
        /// The class that the broker gave; nil when the terminal is a worker's own.
        public var failureClass: FailureClass?
        /// When it ended.
        public var endedAt: Int64

        /// Makes an ending of its parts.
        public init(terminal: StoredTerminal, failureClass: FailureClass?, endedAt: Int64) {
            self.terminal = terminal
            self.failureClass = failureClass
            self.endedAt = endedAt
        }

        /// Whether the terminal is a `REPLY`.
        public var isReply: Bool { terminal.outcome == .reply }
    }

    /// The broker's number.
    public var number: JobNumber
    /// Tenant and id.
    public var key: RequestKey
    /// F3.
    public var header: RequestHeader
    /// SHA-256 over the body.
    public var bodyHash: BodyHash
    /// Bytes of the body frames together, also when the body is gone.
    public var bodyByteCount: Int
    /// When it was accepted.
    public var acceptedAt: Int64
    /// When its deadline passes.
    public var expiresAt: Int64
    /// How long the terminal waits for its `ACK`.
    public var ttl: Duration
    /// The deliveries for which a `GO` was asked for, oldest first, with the last attempt of each.
    public var started: [DeliveryKey]
    /// Workers that died while they held it.
    public var deaths: Int
    /// How it ended; nil while it is open.
    public var ending: Ending?
    /// F4.. of an open job; empty once it has ended, and when it is damaged.
    public var body: [Bytes]
    /// Why it cannot be given back as it was accepted, in words; nil when it can. It must then not be dispatched: without an
    /// ending, it is to be ended in a `FAILURE`. With one, the terminal is whole.
    public var damage: String?

    /// A job that was just accepted.
    public init(_ request: AcceptedRequest) {
        number = request.number
        key = request.key
        header = request.header
        bodyHash = request.bodyHash
        bodyByteCount = request.bodyByteCount
        acceptedAt = request.acceptedAt
        expiresAt = request.expiresAt
        ttl = .milliseconds(request.ttl.wholeMilliseconds)
        started = []
        deaths = 0
        ending = nil
        body = request.body
        damage = nil
    }
}

/// An id whose terminal is gone: the same id is answered 410, with another body 409.
public struct RecoveredTombstone: Hashable, Sendable {
    /// The number that the job had.
    public var number: JobNumber
    /// Tenant and id.
    public var key: RequestKey
    /// SHA-256 over the body.
    public var bodyHash: BodyHash
    /// Until when the id is remembered, in Unix milliseconds.
    public var rememberedUntil: Int64

    /// Makes a tombstone of its parts.
    public init(number: JobNumber, key: RequestKey, bodyHash: BodyHash, rememberedUntil: Int64) {
        self.number = number
        self.key = key
        self.bodyHash = bodyHash
        self.rememberedUntil = rememberedUntil
    }
}
