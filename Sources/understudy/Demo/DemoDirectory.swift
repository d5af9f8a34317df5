import Glibc
import ZeroMQ

/// A private directory that is removed with all files in it.
struct DemoDirectory: Sendable {
    /// The directory; mode 0700.
    let endpoints: EndpointDirectory

    /// The path.
    var path: String { endpoints.path }

    /// Makes a directory in `parent`, or in `/tmp` when sockets would not fit there.
    ///
    /// - Parameter name: What its name begins with.
    init(parent: String?, name: String = "understudy-demo") throws(CommandFailure) {
        let name = "\(name)-XXXXXX"
        let fallback = "/tmp"
        var parent = parent ?? fallback
        // The longest socket's name and the slashes.
        if !parent.hasPrefix("/") || parent.utf8.count + name.utf8.count + 20 > EndpointDirectory.socketPathBytesMax {
            parent = fallback
        }
        var template = Array("\(parent)/\(name)".utf8CString)
        guard unsafe mkdtemp(&template) != nil else {
            throw CommandFailure(.trouble, "cannot make a directory in \(parent) (errno \(errno))")
        }
        do {
            endpoints = try EndpointDirectory(
                path: String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
            )
        } catch {
            throw CommandFailure(error)
        }
    }

    /// Writes a file.
    func write(_ bytes: [UInt8], to name: String) throws(CommandFailure) -> String {
        let file = "\(path)/\(name)"
        let descriptor = unsafe open(file, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else { throw CommandFailure(.trouble, "cannot make \(file) (errno \(errno))") }
        defer { close(descriptor) }
        guard unsafe Glibc.write(descriptor, bytes, bytes.count) == bytes.count else {
            throw CommandFailure(.trouble, "cannot write \(file) (errno \(errno))")
        }
        return file
    }

    /// Removes the directory and the files in it. There are no directories in it.
    func remove() {
        guard let stream = unsafe opendir(path) else { return }
        var files: [String] = []
        while let entry = unsafe readdir(stream) {
            let name = unsafe withUnsafePointer(to: &entry.pointee.d_name) { pointer in
                unsafe pointer.withMemoryRebound(to: CChar.self, capacity: 256) { unsafe String(cString: $0) }
            }
            if name != ".", name != ".." { files.append("\(path)/\(name)") }
        }
        unsafe closedir(stream)
        for file in files { unsafe unlink(file) }
        unsafe rmdir(path)
    }
}
