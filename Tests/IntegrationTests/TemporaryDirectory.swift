import FoundationEssentials
import Glibc
import Testing

/// A new directory that goes with its owner, and with what is in it.
final class TemporaryDirectory: Sendable {
    let path: String

    init() throws {
        var template = Array("/tmp/understudy-test-XXXXXX".utf8CString)
        path = try unsafe template.withUnsafeMutableBufferPointer { buffer in
            let name = unsafe try #require(buffer.baseAddress.flatMap { unsafe mkdtemp($0) })
            return unsafe String(cString: name)
        }
    }

    deinit {
        try? FileManager.default.removeItem(atPath: path)
    }

    /// Names of what is in it.
    var names: Set<String> {
        get throws { Set(try FileManager.default.contentsOfDirectory(atPath: path)) }
    }

    /// Writes a file and gives its path.
    func write(_ name: String, _ text: String) throws -> String {
        try text.write(toFile: "\(path)/\(name)", atomically: false, encoding: .utf8)
        return "\(path)/\(name)"
    }
}
