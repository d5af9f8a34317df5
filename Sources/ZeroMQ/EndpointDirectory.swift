import Glibc

/// The directory in which a bus has its sockets: who may enter it may use the bus.
public struct EndpointDirectory: Hashable, Sendable {
    /// Longest path of a socket in bytes: `sun_path` of `sockaddr_un` less its closing NUL.
    public static let socketPathBytesMax = 107

    /// Absolute path, without a slash at its end.
    public let path: String

    /// True for the directory in `/tmp` that nobody named. A stranger may have made it before the broker, so who connects
    /// must ``check()`` it first; a ``BrokerConnector`` does.
    public let isFallback: Bool

    /// Names a directory; touches nothing.
    ///
    /// - Throws: ``EndpointError`` `badPath` when the path is not absolute.
    public init(path: String) throws(EndpointError) {
        try self.init(path, isFallback: false)
    }

    private init(_ path: String, isFallback: Bool) throws(EndpointError) {
        var trimmed = path
        while trimmed.hasSuffix("/"), trimmed.utf8.count > 1 { trimmed.removeLast() }
        guard trimmed.hasPrefix("/"), !trimmed.utf8.contains(0) else {
            throw EndpointError(
                code: .badPath,
                message: "the directory of the sockets is \"\(path)\", but must be an absolute path: set UNDERSTUDY_DIR"
            )
        }
        self.path = trimmed
        self.isFallback = isFallback
    }

    /// The directory of this user: `$UNDERSTUDY_DIR`, else `$XDG_RUNTIME_DIR/understudy`, else
    /// `/tmp/understudy-<uid>`. A variable that is set but empty counts as unset.
    ///
    /// - Parameters:
    ///   - variable: Looks up an environment variable; by default in the process's own.
    ///   - temporary: Stands for `/tmp`.
    public static func resolve(
        _ variable: (String) -> String? = Self.environmentVariable,
        temporary: String = "/tmp"
    ) throws(EndpointError) -> EndpointDirectory {
        if let path = variable("UNDERSTUDY_DIR"), !path.isEmpty { return try EndpointDirectory(path: path) }
        if let parent = variable("XDG_RUNTIME_DIR"), !parent.isEmpty {
            return try EndpointDirectory(path: parent + "/understudy")
        }
        return try EndpointDirectory("\(temporary)/understudy-\(geteuid())", isFallback: true)
    }

    /// Looks up a variable of the process's environment.
    public static func environmentVariable(_ name: String) -> String? {
        guard let value = unsafe getenv(name) else { return nil }
        return unsafe String(cString: value)
    }

    /// As ``prepare()``, for sockets of these names: a directory in which one of them cannot lie is not made.
    ///
    /// - Throws: ``EndpointError``, see ``prepare()`` and ``socketPath(_:)``.
    public func prepare(for sockets: [String]) throws(EndpointError) {
        for name in sockets { _ = try socketPath(name) }
        try prepare()
    }

    /// Makes the directory with mode 0700 unless it exists, and checks it.
    ///
    /// - Throws: ``EndpointError``, see ``check()``; `missing` when the directory above does not exist.
    public func prepare() throws(EndpointError) {
        if unsafe mkdir(path, 0o700) == 0 {
            // The umask may have taken bits of the owner's away.
            guard unsafe chmod(path, 0o700) == 0 else { throw failure("chmod 0700", errno) }
        } else if errno == ENOENT {
            throw EndpointError(
                code: .missing,
                message:
                    "cannot make \(path), for the directory above it does not exist: make it, or set UNDERSTUDY_DIR"
            )
        } else if errno != EEXIST {
            throw failure("mkdir", errno)
        }
        try check()
    }

    /// Checks that the directory is one, belongs to this user and lets nobody else in.
    ///
    /// - Throws: ``EndpointError`` `missing`, `notADirectory`, `wrongOwner`, `wrongMode` or `system`.
    public func check() throws(EndpointError) {
        var status = stat()
        // lstat, because a link could be turned to another place after the check.
        guard unsafe lstat(path, &status) == 0 else {
            guard errno == ENOENT else { throw failure("lstat", errno) }
            throw EndpointError(
                code: .missing,
                message: "\(path) does not exist: is a broker running there? Start one, or set UNDERSTUDY_DIR"
            )
        }
        guard status.st_mode & S_IFMT == S_IFDIR else {
            let what = status.st_mode & S_IFMT == S_IFLNK ? "a symbolic link" : "no directory"
            throw EndpointError(
                code: .notADirectory,
                message: "\(path) is \(what), but must be a directory: remove it, or set UNDERSTUDY_DIR"
            )
        }
        guard status.st_uid == geteuid() else {
            throw EndpointError(
                code: .wrongOwner,
                message: "\(path) belongs to uid \(status.st_uid), not to uid \(geteuid()): set UNDERSTUDY_DIR to "
                    + "a directory of your own"
            )
        }
        let mode = status.st_mode & 0o7777
        guard mode & 0o777 == 0o700 else {
            throw EndpointError(
                code: .wrongMode,
                message: "\(path) has mode 0\(String(mode, radix: 8)), but must have 0700: run chmod 700 \(path)"
            )
        }
    }

    /// The path of a file or socket here, for example `agents.sock`.
    ///
    /// - Throws: ``EndpointError`` `pathTooLong` when a socket could not have it.
    public func socketPath(_ name: String) throws(EndpointError) -> String {
        let full = path == "/" ? "/\(name)" : "\(path)/\(name)"
        let count = full.utf8.count
        guard count <= Self.socketPathBytesMax else {
            throw EndpointError(
                code: .pathTooLong,
                message: "the socket path \(full) has \(count) bytes, but the system allows "
                    + "\(Self.socketPathBytesMax): set UNDERSTUDY_DIR to a shorter directory"
            )
        }
        return full
    }

    /// The ZeroMQ endpoint of a socket here: `ipc://` and its path.
    public func endpoint(_ name: String) throws(EndpointError) -> String {
        "ipc://" + (try socketPath(name))
    }

    /// Gives a bound socket its mode 0600, whatever the umask was.
    ///
    /// The directory's mode keeps others out in the moment before; still, set the umask to 0177 early in `main`.
    public func restrict(_ name: String) throws(EndpointError) {
        let file = try socketPath(name)
        guard unsafe chmod(file, 0o600) == 0 else { throw failure("chmod 0600 \(name)", errno) }
    }

    private func failure(_ call: String, _ number: CInt) -> EndpointError {
        EndpointError(code: .system, message: "\(path): \(call): \(systemMessage(number))")
    }
}

/// The system's words for an error number.
func systemMessage(_ number: CInt) -> String {
    guard let text = unsafe strerror(number) else { return "errno \(number)" }
    return unsafe String(cString: text)
}
