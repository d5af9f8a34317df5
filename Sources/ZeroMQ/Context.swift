import CZeroMQ

/// The I/O thread that a group of sockets shares. Thread-safe.
///
/// Sockets keep their context alive. Letting go of the last reference blocks until the messages of closed sockets
/// are sent or their linger has passed; every socket of this module has a bounded linger.
/// A process that made a context must not fork without exec: the child has no I/O thread.
@safe public final class Context: @unchecked Sendable {
    // Why `@unchecked` holds: the handle is constant, and libzmq's contexts are thread-safe.
    let handle: UnsafeMutableRawPointer

    /// Makes a context with one I/O thread, which serves about 1 GB/s.
    ///
    /// - Parameter socketsMax: How many sockets may exist at once, in `1...65535`.
    /// - Throws: ``ZeroMQError`` when the system has no descriptors or threads left.
    public init(socketsMax: Int = 4096) throws(ZeroMQError) {
        precondition((1...65535).contains(socketsMax), "socketsMax is \(socketsMax), must be in 1...65535")
        guard let handle = unsafe zmq_ctx_new() else { throw .last("zmq_ctx_new") }
        unsafe self.handle = handle
        for (option, value, name) in [
            (ZMQ_MAX_SOCKETS, CInt(socketsMax), "ZMQ_MAX_SOCKETS"),
            (ZMQ_IO_THREADS, 1, "ZMQ_IO_THREADS"),
            // Sockets start with a linger of 0, so that one that was never configured cannot block the end.
            (ZMQ_BLOCKY, 0, "ZMQ_BLOCKY"),
        ] {
            guard unsafe zmq_ctx_set(handle, option, value) == 0 else { throw .last("zmq_ctx_set", "\(name) \(value)") }
        }
    }

    /// Makes the calls on sockets of this context fail with ``ZeroMQError/isShutdown``: a receive that finds nothing at
    /// once, a send within a millisecond. Does not block.
    public func shutDown() {
        unsafe zmq_ctx_shutdown(handle)
    }

    /// Whether libzmq was built with a feature: `"ipc"`, `"curve"`, `"draft"`.
    public static func has(_ capability: String) -> Bool {
        unsafe zmq_has(capability) == 1
    }

    /// libzmq's version at run time.
    public static var version: (major: Int, minor: Int, patch: Int) {
        var (major, minor, patch): (CInt, CInt, CInt) = (0, 0, 0)
        unsafe zmq_version(&major, &minor, &patch)
        return (Int(major), Int(minor), Int(patch))
    }

    deinit {
        // Sockets hold the context, so all are closed by now and only their linger is waited for.
        while unsafe zmq_ctx_term(handle) != 0, zmq_errno() == EINTR {}
    }
}
