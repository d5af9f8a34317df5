import Glibc

/// Reads files that are small by nature: configuration, keys.
package enum SmallFile {
    /// The bytes of the regular file at `path`.
    ///
    /// - Throws: `absent`; `unreadable` when it is no regular file, may not be read or has more than `bytesMax` bytes. The
    ///   message names the path.
    package static func read(_ path: String, bytesMax: Int) throws(SettingsError) -> [UInt8] {
        let descriptor = try openForReading(path)
        defer { close(descriptor) }
        var status = stat()
        guard unsafe fstat(descriptor, &status) == 0, status.st_mode & S_IFMT == S_IFREG else {
            throw refused("\(path) is no regular file")
        }
        return try readAll(descriptor, path: path, bytesMax: bytesMax)
    }

    /// The bytes of the file at `path`, also of one whose size the system does not know, as in `/proc`.
    package static func readStream(_ path: String, bytesMax: Int) throws(SettingsError) -> [UInt8] {
        let descriptor = try openForReading(path)
        defer { close(descriptor) }
        return try readAll(descriptor, path: path, bytesMax: bytesMax)
    }

    private static func openForReading(_ path: String) throws(SettingsError) -> CInt {
        // Not blocking, because the path may be a pipe that nobody writes to.
        let descriptor = unsafe open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
        guard descriptor < 0 else { return descriptor }
        switch errno {
        case ENOENT, ENOTDIR: throw SettingsError(code: .absent, message: "there is no file \(path)")
        case EACCES: throw refused("the file \(path) may not be read by this user")
        case let number: throw refused("the file \(path) cannot be opened (errno \(number))")
        }
    }

    private static func readAll(_ descriptor: CInt, path: String, bytesMax: Int) throws(SettingsError) -> [UInt8] {
        var bytes: [UInt8] = []
        var piece = [UInt8](repeating: 0, count: 16 * 1024)
        while bytes.count <= bytesMax {
            let count = unsafe Glibc.read(descriptor, &piece, piece.count)
            if count == 0 { return bytes }
            if count < 0 {
                if errno == EINTR { continue }
                throw refused("the file \(path) cannot be read (errno \(errno))")
            }
            bytes.append(contentsOf: piece[..<count])
        }
        throw refused("the file \(path) has more than \(bytesMax) bytes")
    }

    private static func refused(_ message: String) -> SettingsError {
        SettingsError(code: .unreadable, message: message)
    }
}
