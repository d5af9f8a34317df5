/// How far a call came, and when.
///
/// The times count from the moment the call left the transport's queue; nil means that the call did
/// not get there. On a reused connection the first three are close to zero.
public struct HTTPPhases: Sendable, Equatable {
    /// Time in the transport's own queue, before everything else.
    public var queued: Duration = .zero

    /// The name was looked up.
    public var nameLookup: Duration?

    /// The connection stood.
    public var connect: Duration?

    /// TLS was agreed; nil without TLS.
    public var tls: Duration?

    /// The request was about to leave.
    public var requestStart: Duration?

    /// The first byte of the response came.
    public var firstByte: Duration?

    /// The whole call, without ``queued``.
    public var total: Duration = .zero

    /// True when the call used a connection that an earlier one had opened.
    public var reusedConnection = false

    /// True as soon as a byte of the request may have left. While it is false the server cannot have acted on it.
    public var requestSent = false

    /// Nothing happened yet.
    public init() {}
}
