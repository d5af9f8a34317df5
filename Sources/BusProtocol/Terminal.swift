public import CoreTypes

/// How a request ended, as an agent gets it: `REPLY` or `FAILURE`.
public struct Terminal: Hashable, Sendable {
    /// Which of the two.
    public enum Outcome: Hashable, Sendable {
        /// A model answered; the body is an OpenAI chat completion.
        case reply
        /// None did; the header says why, see ``FailureHeader``.
        case failure
    }

    /// Which of the two.
    public var outcome: Outcome
    /// The agent's id.
    public var id: RequestID
    /// F3 as JSON text.
    public var header: Bytes
    /// F4..; empty for a failure.
    public var body: [Bytes]

    /// Makes a terminal.
    public init(_ outcome: Outcome, id: RequestID, header: Bytes, body: [Bytes] = []) {
        self.outcome = outcome
        self.id = id
        self.header = header
        self.body = body
    }

    /// The verb of `outcome`.
    public var verb: Verb { outcome == .reply ? .reply : .failure }

    /// The message as frames.
    public func encoded() -> OutgoingMessage {
        OutgoingMessage(verb, id: id.bytes, header: header.array, body: body)
    }
}

/// A piece of a streamed answer: the header of `CHUNK`.
///
/// A reader that sees `attempt` rise drops what it had: another attempt has begun, and `sequence` starts at 0 again.
public struct ChunkHeader: Hashable, Sendable {
    /// The attempt that the piece belongs to.
    public var attempt: UInt32
    /// Which piece of the attempt, from 0.
    public var sequence: UInt32

    /// Makes a header.
    public init(attempt: UInt32, sequence: UInt32) {
        self.attempt = attempt
        self.sequence = sequence
    }
}

/// Everything that an agent receives.
public enum AgentInbound: Hashable, Sendable {
    /// An answer of the broker.
    case answer(AgentReply)
    /// The end of a request.
    case terminal(Terminal)
    /// A piece of a streamed answer; `body` is its F4...
    case chunk(RequestID, ChunkHeader, body: [Bytes])
}
