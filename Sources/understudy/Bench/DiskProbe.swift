import Benchmarks
import Glibc

/// What the disk under a directory can do at best: an append of a page and a sync of it.
struct DiskProbe: Sendable {
    /// Bytes of each append: a page of the journal.
    private static let pageByteCount = 4096

    private let directory: String

    /// Looks at the disk of `directory`.
    init(_ directory: String) { self.directory = directory }

    /// Name of the file system, for people.
    var fileSystem: String {
        guard let resolved = unsafe realpath(directory, nil) else { return "unknown file system" }
        defer { unsafe free(resolved) }
        let path = unsafe String(cString: resolved)
        var found = (mount: "", type: "unknown file system")
        // "device mount type …", later mounts over earlier ones; see proc(5).
        for line in Self.mounts.split(separator: "\n") {
            let words = line.split(separator: " ")
            guard words.count > 2, words[1].utf8.count >= found.mount.utf8.count else { continue }
            let mount = String(words[1])
            guard mount == "/" || path == mount || path.hasPrefix(mount + "/") else { continue }
            found = (mount, String(words[2]))
        }
        return ["tmpfs", "ramfs"].contains(found.type) ? "\(found.type), which is memory" : found.type
    }

    private static var mounts: String {
        let descriptor = unsafe open("/proc/self/mounts", O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { return "" }
        defer { close(descriptor) }
        var text: [UInt8] = []
        var part = [UInt8](repeating: 0, count: 4096)
        while text.count < 1 << 20 {
            let count = unsafe read(descriptor, &part, part.count)
            guard count > 0 else { break }
            text += part.prefix(count)
        }
        return String(decoding: text, as: UTF8.self)
    }

    /// Times of `count` appends of 4 KiB, each with its `fdatasync`.
    func syncTimes(count: Int) throws(CommandFailure) -> Latencies {
        let path = "\(directory)/probe"
        let descriptor = unsafe open(path, O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else { throw CommandFailure.system("cannot make \(path)") }
        defer {
            close(descriptor)
            unsafe unlink(path)
        }
        let page = [UInt8](repeating: 0x55, count: Self.pageByteCount)
        var times = Latencies()
        for _ in 0..<count {
            let begun = Machine.nanoseconds
            guard unsafe write(descriptor, page, page.count) == page.count, fdatasync(descriptor) == 0 else {
                throw CommandFailure.system("cannot write \(path)")
            }
            times.add(nanoseconds: Machine.nanoseconds - begun)
        }
        return times
    }
}
