import Glibc

/// The right to write to a telemetry database: one collector has it, until it lets go or dies.
///
/// SQLite would let two take turns, and each would store the other's events again. The lock is on a file of its own
/// beside the database, which stays behind.
final class DatabaseLock {
    private let descriptor: CInt

    init(databasePath: String) throws(TelemetryError) {
        try Self.checkKind(databasePath)
        let path = databasePath + ".lock"
        descriptor = unsafe open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0o600)
        guard descriptor >= 0 else {
            throw TelemetryError(
                [ENOENT, ENOTDIR, EACCES, EROFS, ELOOP].contains(errno) ? .place : .store,
                "cannot make \(path): \(unsafe String(cString: strerror(errno))); the directory of the telemetry "
                    + "database must exist and be yours to write to"
            )
        }
        while flock(descriptor, LOCK_EX | LOCK_NB) != 0 {
            let number = errno
            if number == EINTR { continue }
            guard number == EWOULDBLOCK else {
                throw TelemetryError(.store, "cannot lock \(path): \(unsafe String(cString: strerror(number)))")
            }
            throw TelemetryError(
                .inUse,
                "another collector writes to \(databasePath): stop it, or name another file"
            )
        }
    }

    /// Looks at what is there before a lock is made beside it.
    private static func checkKind(_ path: String) throws(TelemetryError) {
        var status = stat()
        guard unsafe stat(path, &status) == 0, status.st_mode & S_IFMT != S_IFREG else { return }
        throw TelemetryError(.place, "\(path) is no regular file; name a file for the telemetry database")
    }

    deinit {
        if descriptor >= 0 { close(descriptor) }
    }
}
