import CZeroMQ
public import CoreTypes

/// A buffer for received messages, used again for each; its first message allocates nothing and no later one does.
///
/// Frames stay in libzmq's memory until the next receive, ``clear()`` or the end of the buffer. Belongs to one thread
/// at a time, like the socket it is filled from.
@safe public final class Multipart {
    /// From this size on ``takeBytes(at:)`` moves instead of copying: a smaller frame that is kept would pin libzmq's
    /// whole receive buffer of 8 KiB.
    public static let moveBytesMin = 4096

    /// Frames that are kept; surplus ones are dropped as they arrive.
    public let frameCountMax: Int

    /// Frames that are here, at most ``frameCountMax``.
    public internal(set) var count = 0

    /// Frames the message had on the wire.
    public internal(set) var frameCount = 0

    /// Initialized handles, one more than `frameCountMax`: the last takes what is dropped.
    let frames: UnsafeMutablePointer<zmq_msg_t>

    /// Makes an empty buffer for messages of at most `frameCountMax` frames, which is at least 1.
    public init(frameCountMax: Int = 32) {
        precondition(frameCountMax >= 1, "a message has at least one frame")
        self.frameCountMax = frameCountMax
        unsafe frames = .allocate(capacity: frameCountMax + 1)
        for index in 0...frameCountMax { unsafe zmq_msg_init(frames + index) }
    }

    deinit {
        for index in 0...frameCountMax { unsafe zmq_msg_close(frames + index) }
        unsafe frames.deallocate()
    }

    /// The message had more frames than are kept: whatever it was, it must be refused.
    public var wasTruncated: Bool { frameCount > count }

    /// Lets go of all frames.
    public func clear() {
        drop(from: 0, to: count)
        count = 0
        frameCount = 0
    }

    /// Empties the handles of a range.
    func drop(from start: Int, to end: Int) {
        var index = start
        while index < end {
            unsafe zmq_msg_close(frames + index)
            unsafe zmq_msg_init(frames + index)
            index += 1
        }
    }

    @inline(__always)
    func check(_ index: Int) {
        precondition(index >= 0 && index < count, "the message has no such frame")
    }

    /// Size of a frame in bytes.
    public func byteCount(at index: Int) -> Int {
        check(index)
        return unsafe zmq_msg_size(frames + index)
    }

    /// Lends a frame for the time of `body`; the pointer must not leave it.
    @inlinable public func withBytes<Result, Failure: Error>(
        at index: Int,
        _ body: (UnsafeRawBufferPointer) throws(Failure) -> Result
    ) throws(Failure) -> Result {
        unsafe try body(unsafeBytes(at: index))
    }

    /// A frame where it lies: valid until the next receive, ``clear()`` or ``takeBytes(at:)`` of it.
    @unsafe public func unsafeBytes(at index: Int) -> UnsafeRawBufferPointer {
        check(index)
        let frame = unsafe frames + index
        return unsafe UnsafeRawBufferPointer(start: zmq_msg_data(frame), count: zmq_msg_size(frame))
    }

    /// Writes where the frames from `start` on lie, as many as there are places; valid as those of
    /// ``unsafeBytes(at:)``.
    @unsafe public func lendFrames(from start: Int, to places: UnsafeMutableBufferPointer<UnsafeRawBufferPointer>) {
        precondition(start >= 0 && start + places.count <= count, "the message has not so many frames")
        for index in places.indices {
            let frame = unsafe frames + (start + index)
            unsafe places[index] = UnsafeRawBufferPointer(start: zmq_msg_data(frame), count: zmq_msg_size(frame))
        }
    }

    /// A frame, copied.
    public func array(at index: Int) -> [UInt8] {
        unsafe withBytes(at: index) { unsafe [UInt8]($0) }
    }

    /// A frame to keep. Large ones are moved out without a copy, and the frame here is empty afterwards; sent again by
    /// ``Socket/send(_:more:)`` they are not copied either.
    public func takeBytes(at index: Int) -> Bytes {
        guard byteCount(at: index) >= Self.moveBytesMin else { return Bytes(array(at: index)) }
        return unsafe Bytes(sharing: MessageBytes(moving: frames + index))
    }

    /// A property of the connection that the message came by, for example `User-Id`; nil when it has none.
    public func property(_ name: String) -> String? {
        guard count > 0, let text = unsafe zmq_msg_gets(frames + (count - 1), name) else { return nil }
        return unsafe String(cString: text)
    }

    /// Who sent the message; nil unless it came by `ipc`.
    public var peerAddress: PeerAddress? {
        property("Peer-Address").flatMap { PeerAddress(property: $0) }
    }

    /// The descriptor that the message came by, as the monitor names it; nil for `inproc`.
    ///
    /// Descriptors are used again: an `accepted` event ends what was known about its number.
    public var sourceDescriptor: CInt? {
        guard count > 0 else { return nil }
        let descriptor = unsafe zmq_msg_get(frames + (count - 1), ZMQ_SRCFD)
        return descriptor >= 0 ? descriptor : nil
    }
}
