import Glibc
import JSON

extension MockRecording {
    /// Most bytes of all files of a recording together.
    static let bytesMax = 256 << 20

    /// Deepest folder within a recording that is read.
    static let depthMax = 16

    /// Reads a recording: a file, or a directory with all files ending in `.json` in it and its folders, by name.
    ///
    /// The form of files is told by ``help``.
    ///
    /// - Throws: ``MockError`` of code `recording` that names the file, the path in it, what was found and what was
    ///   expected.
    public init(path: String) throws(MockError) {
        let directory = path.count > 1 && path.hasSuffix("/") ? String(path.dropLast()) : path
        var exchanges: [MockExchange] = []
        var bytesLeft = Self.bytesMax
        for file in try Self.files(at: directory) {
            let bytes = try Self.read(file, bytesMax: min(bytesLeft, MockExchange.fileBytesMax))
            bytesLeft -= bytes.count
            let name = file == directory ? file.afterLastSlash : String(file.dropFirst(directory.count + 1))
            do throws(JSONError) {
                exchanges += try MockExchange.list(parsing: bytes, name: name.withoutJSONSuffix, source: file)
            } catch {
                throw MockError(code: .recording, message: error.description)
            }
            guard exchanges.count <= Self.exchangesMax else { break }
        }
        do throws(MockError) {
            try self.init(exchanges)
        } catch {
            throw MockError(code: .recording, message: "\(path): \(error.message)")
        }
    }

    /// The file itself, or all that end in `.json` in the directory, sorted.
    private static func files(at path: String) throws(MockError) -> [String] {
        guard let kind = kind(of: path) else {
            throw MockError(code: .recording, message: "\(path): there is no such file or directory")
        }
        guard kind == S_IFDIR else { return [path] }
        var files: [String] = []
        try collect(path, depth: 0, into: &files)
        return files.sorted()
    }

    private static func collect(_ directory: String, depth: Int, into files: inout [String]) throws(MockError) {
        guard let stream = unsafe opendir(directory) else {
            throw failure("opened", directory, errno)
        }
        defer { unsafe closedir(stream) }
        while let entry = unsafe readdir(stream) {
            let name = unsafe withUnsafePointer(to: &entry.pointee.d_name) { pointer in
                unsafe pointer.withMemoryRebound(to: CChar.self, capacity: 256) { unsafe String(cString: $0) }
            }
            guard !name.hasPrefix(".") else { continue }
            let path = "\(directory)/\(name)"
            switch kind(of: path) {
            case S_IFDIR:
                guard depth < depthMax else {
                    let message = "\(path): expected folders at most \(depthMax) deep"
                    throw MockError(code: .recording, message: message)
                }
                try collect(path, depth: depth + 1, into: &files)
            case S_IFREG where name.hasSuffix(".json"):
                guard files.count < exchangesMax else {
                    throw MockError(code: .recording, message: "\(path): expected at most \(exchangesMax) files")
                }
                files.append(path)
            default:
                break
            }
        }
    }

    /// `S_IFDIR`, `S_IFREG` and so on; nil when there is nothing at `path`, or it may not be looked at.
    private static func kind(of path: String) -> mode_t? {
        var status = stat()
        return unsafe stat(path, &status) == 0 ? status.st_mode & S_IFMT : nil
    }

    private static func read(_ path: String, bytesMax: Int) throws(MockError) -> [UInt8] {
        // Not blocking, because the path may be a pipe that nobody writes to.
        let descriptor = unsafe open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
        guard descriptor >= 0 else { throw failure("opened", path, errno) }
        defer { close(descriptor) }
        var status = stat()
        guard unsafe fstat(descriptor, &status) == 0, status.st_mode & S_IFMT == S_IFREG else {
            throw MockError(code: .recording, message: "\(path): expected a regular file or a directory")
        }
        var bytes: [UInt8] = []
        var piece = [UInt8](repeating: 0, count: 64 * 1024)
        while bytes.count <= bytesMax {
            let count = unsafe Glibc.read(descriptor, &piece, piece.count)
            if count == 0 { return bytes }
            if count < 0 {
                if errno == EINTR { continue }
                throw failure("read", path, errno)
            }
            bytes.append(contentsOf: piece[..<count])
        }
        throw MockError(
            code: .recording,
            message: "\(path): expected at most \(MockExchange.fileBytesMax) bytes, and \(Self.bytesMax) in all files"
        )
    }

    private static func failure(_ verb: String, _ path: String, _ number: CInt) -> MockError {
        let reason = unsafe String(cString: strerror(number))
        return MockError(code: .recording, message: "\(path): cannot be \(verb): \(reason)")
    }
}

extension String {
    fileprivate var withoutJSONSuffix: String { hasSuffix(".json") ? String(dropLast(5)) : self }
}
