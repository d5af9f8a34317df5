import Configuration
import Glibc
import JSON
import Testing

/// Reads `text` as a configuration in `/etc/understudy`.
func settings(_ text: String) throws(SettingsError) -> Settings {
    try SettingsLoader.parse(Array(text.utf8), file: "understudy.json", directory: "/etc/understudy")
}

/// The error that `text` is refused with.
func refusal(_ text: String, _ location: SourceLocation = #_sourceLocation) -> SettingsError {
    do throws(SettingsError) {
        _ = try settings(text)
    } catch {
        return error
    }
    Issue.record("accepted: \(text)", sourceLocation: location)
    return SettingsError(code: .invalid, message: "")
}

/// A new directory that goes with its owner.
final class TemporaryDirectory {
    let path: String

    init() throws {
        var template = Array("/tmp/understudy-test-XXXXXX".utf8CString)
        path = try unsafe template.withUnsafeMutableBufferPointer { buffer in
            let name = unsafe try #require(buffer.baseAddress.flatMap { unsafe mkdtemp($0) })
            return unsafe String(cString: name)
        }
    }

    deinit {
        for name in names.reversed() { unsafe remove("\(path)/\(name)") }
        unsafe rmdir(path)
    }

    private var names: [String] = []

    @discardableResult
    func write(_ name: String, _ text: String) throws -> String {
        let file = unsafe try #require(fopen("\(path)/\(name)", "w"))
        defer { unsafe fclose(file) }
        try #require(unsafe fputs(text, file) >= 0)
        names.append(name)
        return "\(path)/\(name)"
    }

    func makeDirectory(_ name: String) throws {
        let result = unsafe mkdir("\(path)/\(name)", 0o700)
        try #require(result == 0)
        names.append(name)
    }
}

/// The repository's `config` directory.
let shippedDirectory: String = {
    let parts = #filePath.split(separator: "/").dropLast(3)
    return "/" + parts.joined(separator: "/") + "/config"
}()
