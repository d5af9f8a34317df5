public import BusProtocol
public import CoreTypes

/// What the broker must not forget of a request: its body until the terminal, then the terminal until its `ACK`.
///
/// The dispatcher decides what is kept and for how long; a store only keeps. One that survives a restart writes before it
/// says so, and the broker holds back what depends on it; the one in memory has nothing to wait for.
public protocol JobStore: ~Copyable {
    /// The durability that `ACCEPTED` may promise.
    var durability: RequestHeader.Durability { get }

    /// Keeps a request that was accepted.
    mutating func keepRequest(_ job: JobNumber, _ key: RequestKey, body: [Bytes])

    /// Keeps the terminal of a job and lets go of its body. The first terminal of a job is its last.
    mutating func keepTerminal(_ job: JobNumber, _ terminal: StoredTerminal)

    /// Lets go of a job altogether; one that is not there is no error.
    mutating func forget(_ job: JobNumber)

    /// The body of a job that has no terminal yet, else nil.
    func body(of job: JobNumber) -> [Bytes]?

    /// The terminal of a job that has one, else nil.
    func terminal(of job: JobNumber) -> StoredTerminal?
}

/// A terminal as it is kept: without the agent's id, which the dispatcher names when it is sent.
public struct StoredTerminal: Hashable, Sendable {
    /// `REPLY` or `FAILURE`.
    public var outcome: Terminal.Outcome
    /// F3 as JSON text.
    public var header: Bytes
    /// F4..; empty for a failure.
    public var body: [Bytes]

    /// Makes a terminal.
    public init(_ outcome: Terminal.Outcome, header: Bytes, body: [Bytes] = []) {
        self.outcome = outcome
        self.header = header
        self.body = body
    }

    /// Bytes of header and body.
    public var byteCount: Int { body.reduce(header.count) { $0 + $1.count } }
}
