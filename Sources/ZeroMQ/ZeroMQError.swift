import CZeroMQ

/// A libzmq call that failed.
public struct ZeroMQError: Error, Equatable, Sendable, CustomStringConvertible {
    /// Name of the call, for example `zmq_bind`.
    public var call: String

    /// The error number, of the system or of libzmq.
    public var errno: CInt

    /// libzmq's words for ``errno``.
    public var message: String

    /// What was being done, for example the endpoint; empty when the call says it all.
    public var context: String

    /// Describes a failed call.
    public init(call: String, errno: CInt, context: String = "") {
        self.call = call
        self.errno = errno
        self.context = context
        if let text = unsafe zmq_strerror(errno) {
            message = unsafe String(cString: text)
        } else {
            message = "unknown error"
        }
    }

    /// The error of a call that just failed on this thread.
    static func last(_ call: String, _ context: String = "") -> ZeroMQError {
        ZeroMQError(call: call, errno: zmq_errno(), context: context)
    }

    /// The context was shut down: the part that gets this should close its sockets and end.
    public var isShutdown: Bool { errno == ETERM }

    /// Nothing was wrong with the call itself; it may succeed later (address in use, no descriptors or memory left).
    public var isRetryable: Bool {
        errno == EADDRINUSE || errno == EMFILE || errno == ENFILE || errno == ENOMEM || errno == ENOBUFS
    }

    public var description: String {
        let place = context.isEmpty ? "" : " (\(context))"
        return "\(call) failed: \(message) [errno \(errno)]\(place)"
    }
}
