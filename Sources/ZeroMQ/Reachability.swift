import Glibc

/// Why a socket file can or cannot be connected to. libzmq itself never says: it keeps trying in silence.
public enum Reachability: Hashable, Sendable {
    /// Somebody listens.
    case listening
    /// There is no such file.
    case missing
    /// This user may not reach the file, or not write to it.
    case noPermission
    /// The file is there, but its owner is gone.
    case nobodyListens
    /// The file is something else.
    case notASocket
    /// The path does not fit into a socket address.
    case pathTooLong
    /// A system call failed with this error number.
    case failed(errno: CInt)

    /// Looks at a path and tries to connect to it; the connection is closed at once. Does not block.
    public static func check(path: String) -> Reachability {
        guard path.utf8.count <= EndpointDirectory.socketPathBytesMax else { return .pathTooLong }
        var status = stat()
        guard unsafe stat(path, &status) == 0 else { return Reachability(errno) }
        guard status.st_mode & S_IFMT == S_IFSOCK else { return .notASocket }
        let descriptor = socket(
            AF_UNIX,
            CInt(SOCK_STREAM.rawValue) | CInt(SOCK_CLOEXEC.rawValue) | CInt(SOCK_NONBLOCK.rawValue),
            0
        )
        guard descriptor >= 0 else { return .failed(errno: errno) }
        defer { close(descriptor) }
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        unsafe withUnsafeMutableBytes(of: &address.sun_path) { unsafe $0.copyBytes(from: path.utf8) }
        let result = unsafe withUnsafePointer(to: address) { pointer in
            unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                unsafe connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_un>.size))
            }
        }
        // EAGAIN: somebody listens, but has more connections waiting than its backlog holds.
        return result == 0 || errno == EAGAIN ? .listening : Reachability(errno)
    }

    private init(_ number: CInt) {
        switch number {
        case ENOENT, ENOTDIR: self = .missing
        case EACCES, EPERM: self = .noPermission
        case ECONNREFUSED: self = .nobodyListens
        default: self = .failed(errno: number)
        }
    }

    /// One sentence for people: what is wrong with `path` and what to do.
    public func explanation(path: String) -> String {
        switch self {
        case .listening: "somebody listens on \(path), but does not answer: look at its log"
        case .missing: "\(path) does not exist: start a broker, or set UNDERSTUDY_DIR to its directory"
        case .noPermission: "no permission to use \(path): it belongs to another user's broker"
        case .nobodyListens: "nobody listens on \(path): its broker has ended, start it again"
        case .notASocket: "\(path) is no socket: UNDERSTUDY_DIR points to something else"
        case .pathTooLong:
            "the path \(path) has \(path.utf8.count) bytes, but a socket's may have "
                + "\(EndpointDirectory.socketPathBytesMax): set UNDERSTUDY_DIR to a shorter directory"
        case .failed(let number): "\(path) cannot be reached: \(systemMessage(number))"
        }
    }
}
