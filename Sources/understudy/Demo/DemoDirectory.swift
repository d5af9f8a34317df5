import Configuration
import Glibc
import ZeroMQ

/// A private directory that is removed with all files in it.
struct DemoDirectory: Sendable {
    /// The directory; mode 0700.
    let endpoints: EndpointDirectory

    /// The path.
    var path: String { endpoints.path }

    private static let suffix = "-XXXXXX"
    private static let lockName = "owner.lock"

    /// Makes a directory in `parent`, or in `/tmp` when sockets would not fit there.
    ///
    /// - Parameter name: What its name begins with.
    init(parent: String?, name: String = "understudy-demo") throws(CommandFailure) {
        let parent = Self.place(parent, name: name)
        let name = name + Self.suffix
        var template = Array("\(parent)/\(name)".utf8CString)
        guard unsafe mkdtemp(&template) != nil else {
            throw CommandFailure.system("cannot make a directory in \(parent)")
        }
        do {
            endpoints = try EndpointDirectory(
                path: String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
            )
        } catch {
            throw CommandFailure(error)
        }
    }

    /// Where directories whose names begin with `name` are made: `parent`, or `/tmp` when sockets would not fit there.
    private static func place(_ parent: String?, name: String) -> String {
        let fallback = "/tmp"
        guard let parent, parent.hasPrefix("/") else { return fallback }
        // The longest socket's name and the slashes.
        let byteCount = parent.utf8.count + name.utf8.count + suffix.utf8.count + 20
        return byteCount > EndpointDirectory.socketPathBytesMax ? fallback : parent
    }

    /// Marks the directory as this process's, until the process lets go of what this gives or dies, however it dies.
    func claim() throws(CommandFailure) -> EndpointLock {
        do {
            return try EndpointLock(endpoints, name: Self.lockName)
        } catch {
            throw CommandFailure(error)
        }
    }

    /// Removes what processes that were killed have left in `parent`: directories of this user's that were claimed, by a
    /// process that is gone.
    static func removeOrphans(in parent: String?, name: String = "understudy-demo") {
        let parent = place(parent, name: name)
        for entry in names(in: parent) where entry.hasPrefix("\(name)-") && entry.utf8.count == name.utf8.count + 7 {
            guard let endpoints = try? EndpointDirectory(path: "\(parent)/\(entry)"), (try? endpoints.check()) != nil
            else {
                continue
            }
            let directory = DemoDirectory(endpoints: endpoints)
            // Not one that was never claimed, as the directory of a demo that starts right now.
            guard directory.isOfDeadProcess, let lock = try? EndpointLock(endpoints, name: lockName) else { continue }
            withExtendedLifetime(lock) { directory.remove() }
        }
    }

    /// One that exists.
    init(endpoints: EndpointDirectory) { self.endpoints = endpoints }

    /// Whether a claim is left of a process that does not run any more. The lock says so, too; but a process that has made
    /// its file may not have locked it yet, and has not written its id then.
    private var isOfDeadProcess: Bool {
        guard let bytes = try? SmallFile.read("\(path)/\(Self.lockName)", bytesMax: 32),
            let pid = pid_t(String(decoding: bytes, as: UTF8.self).prefix { $0.isNumber }), pid > 0
        else { return false }
        return kill(pid, 0) != 0 && errno == ESRCH
    }

    /// Writes a file.
    func write(_ bytes: [UInt8], to name: String) throws(CommandFailure) -> String {
        let file = "\(path)/\(name)"
        let descriptor = unsafe open(file, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else { throw CommandFailure.system("cannot make \(file)") }
        defer { close(descriptor) }
        guard unsafe Glibc.write(descriptor, bytes, bytes.count) == bytes.count else {
            throw CommandFailure.system("cannot write \(file)")
        }
        return file
    }

    /// Removes the directory and the files in it. There are no directories in it.
    func remove() {
        // The claim last: what is left of a directory that could not be removed whole keeps its mark.
        let names = Self.names(in: path)
        for name in names where name != Self.lockName { unsafe unlink("\(path)/\(name)") }
        unsafe unlink("\(path)/\(Self.lockName)")
        unsafe rmdir(path)
    }

    /// Names of what is in the directory `path`.
    private static func names(in path: String) -> [String] {
        guard let stream = unsafe opendir(path) else { return [] }
        defer { unsafe closedir(stream) }
        var names: [String] = []
        while let entry = unsafe readdir(stream) {
            let name = unsafe withUnsafeBytes(of: entry.pointee.d_name) { bytes in
                unsafe String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
            }
            if name != ".", name != ".." { names.append(name) }
        }
        return names
    }
}
