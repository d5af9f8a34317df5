import CLinux
import EventLoop
import Glibc

/// A running child: its process, what it prints and its word that it is ready.
///
/// The child gets a process group of its own, `/dev/null` as standard input, no descriptor but its output (both standard
/// ones in one pipe) and ``readyDescriptor``, and default signal handling. All of it is for the loop's thread.
///
/// The thread must outlive the child: the kernel's signal at the death of the parent is tied to the thread that started
/// the child.
final class ChildProcess {
    /// What to start.
    struct Command {
        /// Path of the program.
        var executable: String
        /// Arguments, the program's name first.
        var arguments: [String]
        /// The whole environment.
        var environment: [String: String]
    }

    /// What a child does.
    enum Report {
        /// It printed a line.
        case line([UInt8])
        /// It wrote its line on ``readyDescriptor``.
        case ready(String)
        /// It is gone; nothing follows.
        case ended(Supervisor.Ending)
    }

    /// The descriptor on which a child says that it is ready.
    static let readyDescriptor: CInt = 3

    /// The process's id.
    let pid: pid_t

    private let loop: EventLoop
    private let processDescriptor: CInt
    private let output: CInt
    private let ready: CInt
    private var outputLines = LineSplitter()
    private var readyLines = LineSplitter()
    private var report: ((Report) -> Void)?

    /// Starts `command`.
    ///
    /// - Parameter report: Called on the loop's thread for what the child does.
    /// - Throws: When the system has no descriptors or processes left, or there is no such program.
    init(
        loop: EventLoop,
        command: Command,
        report: @escaping (Report) -> Void
    ) throws(SystemError) {
        self.loop = loop
        self.report = report
        let outputPipe = try Pipe()
        let readyPipe = try Pipe()
        pid = try Self.spawn(command, output: outputPipe.write, ready: readyPipe.write)
        // From here on the process exists and must be reaped: a failure kills it.
        processDescriptor = pidfd_open(pid, 0)
        output = outputPipe.takeRead()
        ready = readyPipe.takeRead()
        do throws(SystemError) {
            guard processDescriptor >= 0 else { throw .last("pidfd_open", "pid \(pid)") }
            try loop.watch(processDescriptor, .read) { [self] _ in reap() }
            try loop.watch(output, .read) { [self] _ in readOutput() }
            try loop.watch(ready, .read) { [self] _ in readReady() }
        } catch {
            kill(pid, SIGKILL)
            waitpid(pid, nil, 0)
            closeAll()
            throw error
        }
    }

    /// Sends `number` to the process; it is not reaped yet, so that the id is its own.
    func signal(_ number: CInt) {
        guard report != nil else { return }
        kill(pid, number)
    }

    // MARK: Events

    private func readOutput() {
        var isOpen = true
        // Bounded, because a child that prints without end must not keep the others waiting.
        for _ in 0..<16 where isOpen {
            guard let bytes = Self.read(output) else { return }
            isOpen = !bytes.isEmpty
            for line in outputLines.add(bytes) { report?(.line(line)) }
        }
        if !isOpen { loop.unwatch(output) }
    }

    private func readReady() {
        guard let bytes = Self.read(ready) else { return }
        if bytes.isEmpty { loop.unwatch(ready) }
        for line in readyLines.add(bytes) {
            let text = String(decoding: line, as: UTF8.self)
            if text == "ready" || text.hasPrefix("ready ") { report?(.ready(String(text.dropFirst(6)))) }
        }
    }

    private func reap() {
        var status: CInt = 0
        let result = unsafe waitpid(pid, &status, WNOHANG)
        guard result == pid else { return }
        // What it printed last. A grandchild may hold the pipe open and print on: hence bounded too.
        readOutput()
        if let line = outputLines.finish() { report?(.line(line)) }
        closeAll()
        let number = status & 0x7F
        let ending: Supervisor.Ending = number == 0 ? .status((status >> 8) & 0xFF) : .signal(number)
        // Taken first, so that the closure and what it holds go with the process.
        let report = report
        self.report = nil
        report?(.ended(ending))
    }

    private func closeAll() {
        for descriptor in [processDescriptor, output, ready] where descriptor >= 0 {
            loop.unwatch(descriptor)
            close(descriptor)
        }
    }

    /// What can be read now: nil for nothing, empty at the end.
    private static func read(_ descriptor: CInt) -> [UInt8]? {
        var bytes = [UInt8](repeating: 0, count: 4096)
        let count = unsafe Glibc.read(descriptor, &bytes, bytes.count)
        if count < 0 { return errno == EAGAIN || errno == EINTR ? nil : [] }
        bytes.removeLast(bytes.count - count)
        return bytes
    }

    // MARK: Start

    private static func spawn(_ command: Command, output: CInt, ready: CInt) throws(SystemError) -> pid_t {
        var actions = unsafe posix_spawn_file_actions_t()
        var attributes = posix_spawnattr_t()
        unsafe posix_spawn_file_actions_init(&actions)
        unsafe posix_spawnattr_init(&attributes)
        defer {
            unsafe posix_spawn_file_actions_destroy(&actions)
            unsafe posix_spawnattr_destroy(&attributes)
        }
        unsafe posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0)
        unsafe posix_spawn_file_actions_adddup2(&actions, output, STDOUT_FILENO)
        unsafe posix_spawn_file_actions_adddup2(&actions, output, STDERR_FILENO)
        unsafe posix_spawn_file_actions_adddup2(&actions, ready, readyDescriptor)
        // Descriptors of libraries that do not set close-on-exec stay here.
        unsafe posix_spawn_file_actions_addclosefrom_np(&actions, readyDescriptor + 1)

        var none = sigset_t()
        unsafe sigemptyset(&none)
        var all = sigset_t()
        unsafe sigfillset(&all)
        unsafe posix_spawnattr_setsigmask(&attributes, &none)
        unsafe posix_spawnattr_setsigdefault(&attributes, &all)
        unsafe posix_spawnattr_setpgroup(&attributes, 0)
        let flags = POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF
        unsafe posix_spawnattr_setflags(&attributes, Int16(flags))

        let arguments = CStrings(command.arguments)
        let variables = CStrings(command.environment.map { "\($0)=\($1)" }.sorted())
        var pid: pid_t = 0
        let result = unsafe posix_spawn(
            &pid,
            command.executable,
            &actions,
            &attributes,
            arguments.pointers,
            variables.pointers
        )
        guard result == 0 else { throw SystemError(call: "posix_spawn", errno: result, context: command.executable) }
        return pid
    }
}

/// A pipe that is closed with its owner, all of it or what was not taken.
private final class Pipe {
    private(set) var read: CInt
    let write: CInt

    /// The end for reading does not block; both are closed on exec.
    init() throws(SystemError) {
        var ends: [CInt] = [-1, -1]
        guard unsafe pipe2(&ends, O_CLOEXEC) == 0 else { throw .last("pipe2") }
        // Above the numbers that the child's descriptors get, so that none is overwritten before it is copied.
        let moved = ends.map { fcntl($0, F_DUPFD_CLOEXEC, 16) }
        let number = errno
        for end in ends { close(end) }
        read = moved[0]
        write = moved[1]
        guard moved.allSatisfy({ $0 >= 0 }), fcntl(read, F_SETFL, O_NONBLOCK) == 0 else {
            throw SystemError(call: "fcntl", errno: number, context: "pipe of a child")
        }
    }

    /// Gives the end for reading away.
    func takeRead() -> CInt {
        defer { read = -1 }
        return read
    }

    deinit {
        if read >= 0 { close(read) }
        if write >= 0 { close(write) }
    }
}

/// An array of C strings with a null at its end, as `execve` wants it.
@safe final class CStrings {
    let pointers: UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>
    private let count: Int

    init(_ texts: [String]) {
        count = texts.count
        unsafe pointers = .allocate(capacity: texts.count + 1)
        for (index, text) in texts.enumerated() { unsafe (pointers + index).initialize(to: strdup(text)) }
        unsafe (pointers + texts.count).initialize(to: nil)
    }

    deinit {
        for index in 0..<count { unsafe free(pointers[index]) }
        unsafe pointers.deallocate()
    }
}
