import CZeroMQ
public import CoreTypes

/// What became of a message that was sent.
public enum SendResult: Sendable {
    /// libzmq has it. It may still be lost with the connection: only an answer proves arrival.
    case sent
    /// The queue of the peer is full, or nobody is connected. Nothing was sent; later it may be.
    case wouldBlock
    /// No connection has this routing id (ROUTER). Nothing was sent, and the id never comes back.
    case unreachable
}

// Sending, frame by frame or whole.
//
// The result of a message is decided at its first frame: unless that gives `sent`, the other frames must not be sent.
// Later frames always give `sent`, for libzmq counts a message when it is complete, so that a queue cannot fill up in
// its middle; if the connection dies between two frames, libzmq drops the whole message, as it does with messages in
// flight.
extension Socket {
    /// Sends one frame, copied.
    ///
    /// - Parameter more: Another frame of the same message follows.
    /// - Throws: ``ZeroMQError``, except where ``SendResult`` has a word for it.
    @discardableResult
    public func send(_ bytes: UnsafeRawBufferPointer, more: Bool = false) throws(ZeroMQError) -> SendResult {
        isTouched = true
        while unsafe zmq_send(handle, bytes.baseAddress, bytes.count, more ? ZMQ_DONTWAIT | ZMQ_SNDMORE : ZMQ_DONTWAIT)
            < 0
        {
            let number = zmq_errno()
            if number != EINTR { return try failed("zmq_send", number, more, bytes.count) }
        }
        isMidMessage = more
        return .sent
    }

    /// Sends one frame, copied.
    @discardableResult
    public func send(_ bytes: [UInt8], more: Bool = false) throws(ZeroMQError) -> SendResult {
        try unsafe bytes.withUnsafeBufferPointer { (buffer) throws(ZeroMQError) in
            unsafe try send(UnsafeRawBufferPointer(buffer), more: more)
        }
    }

    /// Sends one constant frame.
    @discardableResult
    public func send(_ text: StaticString, more: Bool = false) throws(ZeroMQError) -> SendResult {
        precondition(text.hasPointerRepresentation, "a frame is text, not a single scalar")
        return unsafe try send(UnsafeRawBufferPointer(start: text.utf8Start, count: text.utf8CodeUnitCount), more: more)
    }

    /// Sends one frame: without a copy when the bytes are a received frame (``Multipart/takeBytes(at:)``).
    @discardableResult
    public func send(_ bytes: Bytes, more: Bool = false) throws(ZeroMQError) -> SendResult {
        if let owner = bytes.owner as? MessageBytes {
            var message = owner.share()
            return unsafe try send(&message.raw, more)
        }
        return unsafe try bytes.withUnsafeBytes { buffer throws(ZeroMQError) in
            unsafe try send(buffer, more: more)
        }
    }

    /// Sends one frame and with it its memory.
    @discardableResult
    public func send(_ message: consuming Message, more: Bool = false) throws(ZeroMQError) -> SendResult {
        unsafe try send(&message.raw, more)
    }

    /// Sends a received frame on, without a copy. The frame in `message` is empty afterwards if it was sent.
    @discardableResult
    public func send(frame index: Int, of message: Multipart, more: Bool = false) throws(ZeroMQError) -> SendResult {
        message.check(index)
        return unsafe try send(message.frames + index, more)
    }

    /// Sends a whole message, all of it or nothing.
    ///
    /// - Parameter frames: At least one; the first is the routing id when this is a ROUTER.
    @discardableResult
    public func send(_ frames: [Bytes]) throws(ZeroMQError) -> SendResult {
        precondition(!frames.isEmpty, "a message has at least one frame")
        precondition(!isMidMessage, "another message was begun and not ended")
        let last = frames.count - 1
        for index in 0...last {
            let result = try send(frames[index], more: index < last)
            guard result == .sent else { return result }
        }
        return .sent
    }

    private func send(_ message: UnsafeMutablePointer<zmq_msg_t>, _ more: Bool) throws(ZeroMQError) -> SendResult {
        isTouched = true
        while unsafe zmq_msg_send(message, handle, more ? ZMQ_DONTWAIT | ZMQ_SNDMORE : ZMQ_DONTWAIT) < 0 {
            let number = zmq_errno()
            if number != EINTR { return unsafe try failed("zmq_msg_send", number, more, zmq_msg_size(message)) }
        }
        isMidMessage = more
        return .sent
    }

    private func failed(
        _ call: String,
        _ number: CInt,
        _ more: Bool,
        _ byteCount: Int
    ) throws(ZeroMQError) -> SendResult {
        guard number == EAGAIN || number == EHOSTUNREACH else {
            isMidMessage = false
            throw ZeroMQError(call: call, errno: number, context: "\(kind) socket, frame of \(byteCount) bytes")
        }
        if isMidMessage {
            // The connection died after the first frame. libzmq drops the frames up to the last one.
            isMidMessage = more
            return .sent
        }
        return number == EAGAIN ? .wouldBlock : .unreachable
    }
}
