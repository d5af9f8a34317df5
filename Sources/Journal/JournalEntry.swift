public import BusProtocol
public import CoreTypes

/// A decision of the broker that must outlive it. Times are Unix milliseconds.
///
/// Entries stand in the order of the decisions. One about a job that the journal does not know changes nothing, and one
/// that is written twice is as if it were written once.
public enum JournalEntry: Hashable, Sendable {
    /// A request was accepted. The first acceptance of a number stands.
    case accepted(AcceptedRequest)
    /// A `GO` was asked for; the key names job, delivery and attempt. Of each delivery the last attempt is kept.
    case started(DeliveryKey)
    /// So many workers died while they held it. The greatest number stands.
    case died(JobNumber, deaths: Int)
    /// A request got its terminal, which takes the place of its body. The first terminal stands.
    ///
    /// The class is nil where the terminal is a worker's own and tells.
    case ended(JobNumber, StoredTerminal, class: FailureClass?, at: Int64)
    /// The terminal is gone; id and body hash stay as a tombstone until `rememberedUntil`.
    case forgotten(JobNumber, rememberedUntil: Int64)

    /// Which job it is about.
    public var job: JobNumber {
        switch self {
        case .accepted(let request): request.number
        case .started(let delivery): delivery.job
        case .died(let job, deaths: _): job
        case .ended(let job, _, class: _, at: _): job
        case .forgotten(let job, rememberedUntil: _): job
        }
    }

    /// Bytes that it keeps in memory, about.
    public var byteCount: Int {
        switch self {
        case .accepted(let request): 512 + request.bodyByteCount
        case .ended(_, let terminal, class: _, at: _): 256 + terminal.byteCount
        case .started, .died, .forgotten: 64
        }
    }
}

/// A request as it is journalled. Times are Unix milliseconds.
public struct AcceptedRequest: Hashable, Sendable {
    /// The broker's number.
    public var number: JobNumber
    /// Tenant and id.
    public var key: RequestKey
    /// F3.
    public var header: RequestHeader
    /// SHA-256 over the body.
    public var bodyHash: BodyHash
    /// F4...
    public var body: [Bytes]
    /// When it was accepted.
    public var acceptedAt: Int64
    /// When its deadline passes.
    public var expiresAt: Int64
    /// How long the terminal waits for its `ACK`; kept in whole milliseconds.
    public var ttl: Duration

    /// Makes a record of its parts.
    public init(
        number: JobNumber,
        key: RequestKey,
        header: RequestHeader,
        bodyHash: BodyHash,
        body: [Bytes],
        acceptedAt: Int64,
        expiresAt: Int64,
        ttl: Duration
    ) {
        self.number = number
        self.key = key
        self.header = header
        self.bodyHash = bodyHash
        self.body = body
        self.acceptedAt = acceptedAt
        self.expiresAt = expiresAt
        self.ttl = ttl
    }

    /// What was accepted when `job` was; its body is there only while it is open and whole.
    init(_ job: RecoveredJob) {
        number = job.number
        key = job.key
        header = job.header
        bodyHash = job.bodyHash
        body = job.body
        acceptedAt = job.acceptedAt
        expiresAt = job.expiresAt
        ttl = job.ttl
    }

    /// Bytes of the body frames together.
    public var bodyByteCount: Int { body.reduce(0) { $0 + $1.count } }
}
