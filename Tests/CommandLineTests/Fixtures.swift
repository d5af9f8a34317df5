import CoreTypes
import EventLoop
import Glibc
import Synchronization
import Testing

@testable import understudy

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
        for name in names { unsafe unlink("\(path)/\(name)") }
        unsafe rmdir(path)
    }

    /// Names of what is in it.
    var names: [String] {
        guard let stream = unsafe opendir(path) else { return [] }
        defer { unsafe closedir(stream) }
        var names: [String] = []
        while let entry = unsafe readdir(stream) {
            let name = unsafe withUnsafePointer(to: &entry.pointee.d_name) { pointer in
                unsafe pointer.withMemoryRebound(to: CChar.self, capacity: 256) { unsafe String(cString: $0) }
            }
            if name != ".", name != ".." { names.append(name) }
        }
        return names.sorted()
    }

    @discardableResult
    func write(_ name: String, _ text: String, mode: mode_t = 0o600) throws -> String {
        let descriptor = unsafe open("\(path)/\(name)", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode)
        try #require(descriptor >= 0)
        let bytes = Array(text.utf8)
        let count = unsafe Glibc.write(descriptor, bytes, bytes.count)
        close(descriptor)
        try #require(count == bytes.count)
        return "\(path)/\(name)"
    }

    func read(_ name: String) throws -> String {
        let descriptor = unsafe open("\(path)/\(name)", O_RDONLY | O_CLOEXEC)
        try #require(descriptor >= 0)
        defer { close(descriptor) }
        var bytes = [UInt8](repeating: 0, count: 1 << 20)
        let count = unsafe Glibc.read(descriptor, &bytes, bytes.count)
        return String(decoding: bytes.prefix(max(0, count)), as: UTF8.self)
    }
}

/// An event loop that ends with its owner.
final class TestLoop: Sendable {
    let loop: EventLoop

    init() throws { loop = try EventLoop(name: "test") }

    deinit { loop.shutDown() }
}

/// The command line's exit status; Swift Testing has a type of the same name.
typealias CommandStatus = understudy.ExitStatus
