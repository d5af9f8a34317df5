/// Frames that stay where a library put them, for the time in which a message is in hand: what decoders read fastest,
/// because they are compiled for it.
///
/// One object serves message after message. The pointers it is given must be valid until the next ``refill(_:of:_:)``.
@safe public final class BorrowedFrames: FrameSource {
    private let pointers: UnsafeMutablePointer<UnsafeRawBufferPointer>
    private let capacity: Int
    private var held = 0

    /// Number of frames that were received; those beyond what this object holds are not read.
    public private(set) var frameCount = 0

    /// Makes an object that holds up to `capacity` frames of a message.
    public init(capacity: Int) {
        precondition(capacity >= 1, "a message has at least one frame")
        self.capacity = capacity
        unsafe pointers = .allocate(capacity: capacity)
        unsafe pointers.initialize(repeating: UnsafeRawBufferPointer(start: nil, count: 0), count: capacity)
    }

    deinit {
        unsafe pointers.deallocate()
    }

    /// Takes the frames of the next message.
    ///
    /// - Parameters:
    ///   - count: Frames that can be read.
    ///   - frameCount: Frames that the message had on the wire.
    ///   - lend: Writes where each frame lies, valid until the next call, in as many places as this object has for them.
    @unsafe public func refill(
        _ count: Int,
        of frameCount: Int,
        _ lend: (UnsafeMutableBufferPointer<UnsafeRawBufferPointer>) -> Void
    ) {
        let held = min(count, capacity)
        self.held = held
        self.frameCount = frameCount
        unsafe lend(UnsafeMutableBufferPointer(start: pointers, count: held))
    }

    @inline(__always)
    public func withFrame<Result, Failure: Error>(
        _ index: Int,
        _ body: (UnsafeRawBufferPointer) throws(Failure) -> Result
    ) throws(Failure) -> Result {
        precondition(index >= 0 && index < held, "the message has no such frame")
        return unsafe try body(pointers[index])
    }
}

// The same as for any frames, but compiled for these.

extension AgentMessage {
    /// What a broker makes of the frames on `agents.sock`, without the routing id that ROUTER put before them.
    public static func receive(_ frames: BorrowedFrames) -> Received<AgentMessage> { received(frames) }
}

extension WorkerMessage {
    /// What a broker makes of the frames on `workers.sock`, without the routing id that ROUTER put before them.
    public static func receive(_ frames: BorrowedFrames) -> Received<WorkerMessage> { received(frames) }
}

extension BrokerMessage {
    /// Reads the message whose F0 is the first frame.
    ///
    /// - Throws: As ``AgentMessage/decode(_:from:)``.
    public static func decode(_ frames: BorrowedFrames) throws(BusError) -> BrokerMessage {
        try decoded(frames, from: 0)
    }
}
