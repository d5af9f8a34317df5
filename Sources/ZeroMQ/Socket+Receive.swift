import CZeroMQ

extension Socket {
    /// Receives the next message if there is one, in place of what `message` held.
    ///
    /// Frames beyond `message.frameCountMax` are dropped as they are received. The first frame of what a ROUTER
    /// receives is the sender's routing id. libzmq hands out whole messages only, taken from all peers in turn.
    ///
    /// - Returns: False when no message waits.
    /// - Throws: ``ZeroMQError``; ``ZeroMQError/isShutdown`` when the context is shut down.
    public func receive(into message: Multipart) throws(ZeroMQError) -> Bool {
        let before = message.count
        let capacity = message.frameCountMax
        let frames = unsafe message.frames
        isTouched = true
        var received = 0
        var hasMore = true
        while hasMore {
            let frame = unsafe frames + min(received, capacity)
            guard unsafe zmq_msg_recv(frame, handle, ZMQ_DONTWAIT) >= 0 else {
                let number = zmq_errno()
                if number == EINTR { continue }
                // What was overwritten so far belongs to no message.
                message.drop(from: 0, to: max(before, min(received, capacity)))
                message.count = 0
                message.frameCount = 0
                if number == EAGAIN, received == 0 {
                    // All commands are processed now, and what comes next will raise the descriptor's edge.
                    isTouched = false
                    return false
                }
                throw ZeroMQError(call: "zmq_msg_recv", errno: number, context: "frame \(received)")
            }
            received += 1
            unsafe hasMore = zmq_msg_more(frame) != 0
        }
        message.count = min(received, capacity)
        message.frameCount = received
        message.drop(from: message.count, to: before)
        if received > capacity { message.drop(from: capacity, to: capacity + 1) }
        return true
    }
}
