import Glibc

/// A path in a directory of its own that goes away, with all that was put there, when the value does.
struct TemporaryFile: ~Copyable {
    /// Where the file may be made.
    let path: String
    private let directory: String

    init(_ name: String = "test.db") {
        var template = Array("/tmp/understudy-test-XXXXXX".utf8CString)
        guard let made = unsafe mkdtemp(&template) else { preconditionFailure("mkdtemp failed: \(errno)") }
        directory = unsafe String(cString: made)
        path = "\(directory)/\(name)"
    }

    deinit {
        guard let stream = unsafe opendir(directory) else { return }
        while let entry = unsafe readdir(stream) {
            let name = unsafe withUnsafePointer(to: &entry.pointee.d_name.0) { unsafe String(cString: $0) }
            if name != ".", name != ".." { unsafe unlink("\(directory)/\(name)") }
        }
        unsafe closedir(stream)
        unsafe rmdir(directory)
    }
}
