public import BusProtocol

/// The place of a write in the order of all writes to the journal; commits apply prefixes of that order.
///
/// 0 stands for nothing to wait for.
public typealias JournalTicket = UInt64

/// What the journal must not forget of a `disk` request. The bytes are fetched from the job store.
public enum JournalMark: Sendable, Hashable {
    /// It was accepted; it is in the job store by now.
    case accepted(JobNumber, AcceptedFacts)
    /// A worker asked to begin this attempt: from here on a provider may have been called.
    case started(DeliveryKey)
    /// So many workers died while they held it, which did not end it.
    case died(JobNumber, deaths: Int)
    /// It has its terminal, which is in the job store by now. The class when the broker ended it.
    case ended(JobNumber, FailureClass?)
    /// Its terminal is gone; its id and the hash of its body stay known for so long.
    case forgotten(JobNumber, remember: Duration)
}

/// What an accepted request is, but for its body.
public struct AcceptedFacts: Sendable, Hashable {
    /// Whose and which.
    public var key: RequestKey
    /// Its header, the durability in force filled in.
    public var header: RequestHeader
    /// Hash and size of its body.
    public var body: BodyFacts
    /// How long its terminal waits for the `ACK`.
    public var ttl: Duration

    /// Makes the facts.
    public init(key: RequestKey, header: RequestHeader, body: BodyFacts, ttl: Duration) {
        self.key = key
        self.header = header
        self.body = body
        self.ttl = ttl
    }
}
