import Glibc
import ZeroMQ

/// A directory for the sockets of a run.
final class Place {
    let directory: EndpointDirectory
    private let isOwn: Bool
    private var files: [String] = []

    /// Takes a directory that is there, or makes a new one.
    init(_ given: EndpointDirectory?) throws {
        isOwn = given == nil
        if let given {
            try given.prepare()
            directory = given
            return
        }
        var template = Array("/tmp/understudy-conform-XXXXXX".utf8CString)
        guard unsafe mkdtemp(&template) != nil else {
            throw ConformanceError(.system, "cannot make a directory in /tmp: errno \(errno)")
        }
        directory = try EndpointDirectory(
            path: String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
        )
    }

    /// Writes a file that goes with the run.
    func write(_ name: String, _ text: String) throws {
        let path = "\(directory.path)/\(name)"
        let descriptor = unsafe open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o600)
        let bytes = Array(text.utf8)
        guard descriptor >= 0, unsafe Glibc.write(descriptor, bytes, bytes.count) == bytes.count else {
            throw ConformanceError(.system, "cannot write \(path): errno \(errno)")
        }
        close(descriptor)
        files.append(path)
    }

    /// Removes what the run made; of a directory that is its own, everything.
    func remove() {
        let names = isOwn ? self.names : ["agents.sock", "workers.sock"]
        for path in files + names.map({ "\(directory.path)/\($0)" }) { unsafe unlink(path) }
        if isOwn { unsafe rmdir(directory.path) }
    }

    /// Names of the files in the directory.
    private var names: [String] {
        guard let stream = unsafe opendir(directory.path) else { return [] }
        defer { unsafe closedir(stream) }
        var names: [String] = []
        while let entry = unsafe readdir(stream) {
            names.append(
                unsafe withUnsafePointer(to: &entry.pointee.d_name) { name in
                    unsafe name.withMemoryRebound(to: CChar.self, capacity: 256) { unsafe String(cString: $0) }
                }
            )
        }
        return names
    }
}
