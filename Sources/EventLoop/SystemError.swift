import Glibc

/// A system call that failed.
public struct SystemError: Error, Equatable, CustomStringConvertible {
    /// Name of the call, for example `epoll_ctl`.
    public var call: String

    /// The error number the call left, for example `EMFILE`.
    public var errno: CInt

    /// What was being done, with the values that mattered; empty when the call says it all.
    public var context: String

    /// Describes a failed call.
    public init(call: String, errno: CInt, context: String = "") {
        self.call = call
        self.errno = errno
        self.context = context
    }

    /// The error of a call that just failed on this thread.
    public static func last(_ call: String, _ context: String = "") -> SystemError {
        SystemError(call: call, errno: Glibc.errno, context: context)
    }

    /// The system's words for `errno`.
    public var reason: String {
        guard let text = unsafe strerror(errno) else { return "unknown error" }
        return unsafe String(cString: text)
    }

    public var description: String {
        let place = context.isEmpty ? "" : " (\(context))"
        return "\(call) failed: \(reason) [errno \(errno)]\(place)"
    }
}
