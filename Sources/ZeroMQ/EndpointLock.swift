import Glibc

/// The right to bind the sockets of a directory: one process has it, until it lets go or dies.
///
/// libzmq's bind takes over a path that another process listens on without a word, hence a lock beside it. The file
/// stays behind; it means nothing without the lock on it.
public final class EndpointLock: Sendable {
    private let descriptor: CInt

    /// The file that is locked; it holds the pid of the process that has the lock.
    public let path: String

    /// Takes the lock; does not wait for it.
    ///
    /// - Throws: ``EndpointError`` `alreadyRunning`, naming the process that has it, or `system`.
    public init(_ directory: EndpointDirectory, name: String = "broker.lock") throws(EndpointError) {
        path = "\(directory.path)/\(name)"
        // Closed on exec, or children would hold the lock after the death of this process.
        descriptor = unsafe open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0o600)
        guard descriptor >= 0 else {
            throw EndpointError(code: .system, message: "\(path): open: \(systemMessage(errno))")
        }
        while flock(descriptor, LOCK_EX | LOCK_NB) != 0 {
            let number = errno
            if number == EINTR { continue }
            guard number == EWOULDBLOCK else {
                throw EndpointError(code: .system, message: "\(path): flock: \(systemMessage(number))")
            }
            let holder = Self.holder(descriptor).map { "the process with pid \($0)" } ?? "another process"
            throw EndpointError(
                code: .alreadyRunning,
                message: "\(directory.path) is in use by \(holder): stop it, or set UNDERSTUDY_DIR to another directory"
            )
        }
        let text = Array("\(getpid())\n".utf8)
        guard ftruncate(descriptor, 0) == 0, unsafe pwrite(descriptor, text, text.count, 0) == text.count else {
            throw EndpointError(code: .system, message: "\(path): writing the pid: \(systemMessage(errno))")
        }
    }

    deinit {
        if descriptor >= 0 { close(descriptor) }
    }

    /// The pid in the file; nil when its holder has not written it yet.
    private static func holder(_ descriptor: CInt) -> Int32? {
        let bytes = unsafe [UInt8](unsafeUninitializedCapacity: 16) { buffer, count in
            unsafe count = max(0, pread(descriptor, buffer.baseAddress, buffer.count, 0))
        }
        return Int32(String(decoding: bytes.prefix { $0 != 0x0A }, as: UTF8.self))
    }
}
