public import BusProtocol
import CoreTypes

/// One connection to one of the broker's sockets, for as long as it lasts; never used again after it closed.
public struct ConnectionID: Hashable, Sendable, CustomStringConvertible {
    /// The number libzmq gave the connection.
    public let value: UInt32

    /// Wraps `value`.
    public init(_ value: UInt32) { self.value = value }

    /// libzmq chooses the numbers, and they are looked up for every message.
    public func _rawHashValue(seed: Int) -> Int { mixedHash(UInt64(value), seed: seed) }

    public var description: String { "c\(value)" }
}

/// Where an answer to an agent goes: a connection, and for a lock-step agent the envelope of its message.
public struct AgentPath: Hashable, Sendable {
    /// The connection.
    public var connection: ConnectionID
    /// The envelope to send back; ``Envelope/none`` for an attached agent.
    public var envelope: Envelope

    /// Makes a path.
    public init(connection: ConnectionID, envelope: Envelope = .none) {
        self.connection = connection
        self.envelope = envelope
    }

    /// True for an agent that gets exactly one answer to each message.
    public var isLockStep: Bool { envelope.isLockStep }
}

/// What the broker must know of a request's body without reading it.
public struct BodyFacts: Hashable, Sendable {
    /// Hash over the body frames.
    public var hash: BodyHash
    /// Bytes of the body frames.
    public var byteCount: Int

    /// Makes the facts.
    public init(hash: BodyHash, byteCount: Int) {
        self.hash = hash
        self.byteCount = byteCount
    }
}
