public import EventLoop
import Glibc

/// Raises the process's limit of open descriptors to what the system allows it, and returns the new limit.
///
/// Call it before the first ``Context``: libzmq 4.3.4 aborts the process when it runs out of descriptors while
/// accepting an `ipc` connection, unless the program keeps that from it.
@discardableResult
public func raiseFileLimit() throws(SystemError) -> Int {
    var limit = rlimit()
    guard unsafe getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0 else { throw .last("getrlimit") }
    if limit.rlim_cur < limit.rlim_max {
        limit.rlim_cur = limit.rlim_max
        guard unsafe setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0 else {
            throw .last("setrlimit", "RLIMIT_NOFILE \(limit.rlim_max)")
        }
    }
    return Int(clamping: limit.rlim_cur)
}

/// The limit to which ``raiseFileLimit()`` raises; nil when the system does not tell.
public func highestFileLimit() -> Int? {
    var limit = rlimit()
    guard unsafe getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0 else { return nil }
    return Int(clamping: limit.rlim_max)
}
