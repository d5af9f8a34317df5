public import CoreTypes

/// A message from the broker to an agent, other than a terminal or a chunk.
public enum AgentReply: Hashable, Sendable {
    /// Answer to `HELLO`.
    case welcome(AgentWelcome)
    /// The request is kept from here on, as `durability` promises. `duplicate`: the id was known with the same body.
    case accepted(RequestID, durability: RequestHeader.Durability, duplicate: Bool)
    /// The request was not taken and is not remembered.
    case rejected(RequestID, BusError)
    /// Where an open request stands.
    case state(RequestID, RequestState)
    /// What the broker tells about itself under a name of its own, see ``SystemSubject``: one JSON document.
    case document(RequestID, Bytes)
    /// Done. F2 is that of the message answered.
    case ok(id: [UInt8])
    /// Answer to `PING` with its F2.
    case pong(token: [UInt8])
    /// The message could not be understood or served. F2 is that of the message answered, as far as it was readable.
    case error(id: [UInt8], BusError)
}

/// The header of an agent's `WELCOME`.
public struct AgentWelcome: Hashable, Sendable {
    /// Start of the broker in Unix milliseconds; a higher one tells of a restart.
    public var epoch: Int64
    /// How long an id is remembered after its terminal went.
    public var dedup: Duration
    /// The durabilities on offer.
    public var durabilities: [RequestHeader.Durability]

    /// Makes a welcome.
    public init(epoch: Int64, dedup: Duration, durabilities: [RequestHeader.Durability]) {
        self.epoch = epoch
        self.dedup = dedup
        self.durabilities = durabilities
    }
}

/// The header of `STATE`.
public struct RequestState: Hashable, Sendable {
    /// Where a request stands.
    public enum Phase: String, Sendable, Hashable, CaseIterable {
        /// Waits for a worker.
        case queued
        /// A worker has it; no call was allowed yet.
        case leased
        /// A worker has it and was given a `GO`.
        case running
    }

    /// Where it stands.
    public var phase: Phase
    /// Deliveries so far.
    public var deliveries: UInt32
    /// Attempts that were given a `GO` so far.
    public var attempts: UInt32
    /// Time since acceptance.
    public var age: Duration
    /// Time left until the deadline.
    public var remaining: Duration

    /// Makes a state.
    public init(phase: Phase, deliveries: UInt32, attempts: UInt32, age: Duration, remaining: Duration) {
        self.phase = phase
        self.deliveries = deliveries
        self.attempts = attempts
        self.age = age
        self.remaining = remaining
    }
}
