import BusProtocol
public import CoreTypes

/// A piece of a streamed answer.
///
/// When the attempt rises, another call has begun, and what the earlier attempts gave is void. Pieces may be missing; the
/// reply has all of the answer.
public struct StreamChunk: Hashable, Sendable {
    /// Which call, from 1.
    public var attempt: UInt32
    /// Which piece of it, from 0.
    public var sequence: UInt32
    /// What the piece holds.
    public var body: Bytes
}

/// Hands pieces on in their order, each once.
struct ChunkOrder {
    private let deliver: @Sendable (StreamChunk) -> Void
    private var attempt: UInt32 = 0
    private var next: UInt32 = 0

    init(deliver: @escaping @Sendable (StreamChunk) -> Void) {
        self.deliver = deliver
    }

    /// Takes a piece in; one of an earlier attempt or place comes too late.
    mutating func take(_ header: ChunkHeader, _ body: [Bytes]) {
        guard header.attempt > attempt || (header.attempt == attempt && header.sequence >= next) else { return }
        attempt = header.attempt
        // The last number there is has no next one.
        next = header.sequence == .max ? .max : header.sequence + 1
        let whole = body.count == 1 ? body[0] : Bytes(body.flatMap(\.array))
        deliver(StreamChunk(attempt: header.attempt, sequence: header.sequence, body: whole))
    }
}
