import CLinux
import Glibc

/// A process that takes part in a case, in a process group of its own that ends with it.
final class Child {
    /// What to start.
    struct Command {
        /// The program, looked up in `PATH` unless it has a slash, and its arguments.
        var words: [String]
        /// Variables beside those that this process has.
        var environment: [String: String] = [:]
        /// What the program reads on its standard input.
        var input: [UInt8] = []

        /// `words` with each `{name}` replaced by its value, also within a word.
        static func filled(_ words: [String], _ values: KeyValuePairs<String, String>) -> [String] {
            words.map { word in
                values.reduce(word) { text, entry in
                    let parts = text.split(separator: "{\(entry.key)}", omittingEmptySubsequences: false)
                    return parts.joined(separator: entry.value)
                }
            }
        }
    }

    /// Most bytes of its output that are kept.
    private static let outputBytesMax = 4 << 20

    let pid: pid_t
    /// What it printed on its standard output.
    private(set) var output: [UInt8] = []
    /// Its exit status, or 128 and the number of the signal that ended it; nil while it runs.
    private(set) var status: CInt?
    private var reader: CInt
    private var writer: CInt
    private var input: ArraySlice<UInt8>

    /// Starts the program; its errors go where this process's go.
    init(_ command: Command) throws(ConformanceError) {
        var inputs: [CInt] = [-1, -1]
        var outputs: [CInt] = [-1, -1]
        guard unsafe pipe2(&inputs, O_CLOEXEC) == 0, unsafe pipe2(&outputs, O_CLOEXEC) == 0 else {
            throw ConformanceError(.system, "no pipe for \(command.words[0]): errno \(errno)")
        }
        reader = outputs[0]
        writer = inputs[1]
        input = command.input[...]
        var variables = Self.environment()
        variables.merge(command.environment) { _, mine in mine }
        do throws(ConformanceError) {
            pid = try Self.spawn(command.words, variables, input: inputs[0], output: outputs[1])
        } catch {
            for descriptor in inputs + outputs { close(descriptor) }
            throw error
        }
        close(inputs[0])
        close(outputs[1])
        _ = fcntl(reader, F_SETFL, O_NONBLOCK)
        _ = fcntl(writer, F_SETFL, O_NONBLOCK)
    }

    /// The lines it printed; the last one only when it is complete.
    var lines: [String] {
        let text = output.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false).dropLast()
        return text.map { String(decoding: $0, as: UTF8.self) }
    }

    /// The descriptor to wait on for output; nil when that is closed.
    var openOutput: CInt? { reader >= 0 ? reader : nil }

    /// Takes in what it printed, gives it what it reads, notices its end.
    func pump() {
        feed()
        drain()
        guard status == nil else { return }
        var word: CInt = 0
        guard unsafe waitpid(pid, &word, WNOHANG) == pid else { return }
        let signal = word & 0x7F
        status = signal == 0 ? (word >> 8) & 0xFF : 128 + signal
        drain()
    }

    /// Sends a signal to the process.
    func signal(_ number: CInt) {
        if status == nil { kill(pid, number) }
    }

    /// Kills the process and all that it started, and takes the process off the table.
    func end() {
        if status == nil {
            kill(-pid, SIGKILL)
            while waitpid(pid, nil, 0) < 0, errno == EINTR {}
            status = 128 + SIGKILL
        } else {
            // What it left behind.
            kill(-pid, SIGKILL)
        }
        closeBoth()
    }

    deinit { end() }

    private func feed() {
        while writer >= 0, !input.isEmpty {
            let count = unsafe input.withUnsafeBytes { unsafe write(writer, $0.baseAddress, $0.count) }
            if count < 0 {
                if errno == EAGAIN { return }
                if errno == EINTR { continue }
                input = []
            } else {
                input = input.dropFirst(count)
            }
        }
        if writer >= 0 {
            close(writer)
            writer = -1
        }
    }

    private func drain() {
        var piece = [UInt8](repeating: 0, count: 64 << 10)
        while reader >= 0 {
            let count = unsafe read(reader, &piece, piece.count)
            if count < 0 {
                if errno == EINTR { continue }
                if errno == EAGAIN { return }
            }
            guard count > 0 else {
                close(reader)
                reader = -1
                return
            }
            if output.count < Self.outputBytesMax { output += piece[..<count] }
        }
    }

    private func closeBoth() {
        if reader >= 0 { close(reader) }
        if writer >= 0 { close(writer) }
        reader = -1
        writer = -1
    }

    private static func environment() -> [String: String] {
        var variables: [String: String] = [:]
        var entry = unsafe environ
        while let text = unsafe entry.pointee {
            let parts = unsafe String(cString: text).split(
                separator: "=",
                maxSplits: 1,
                omittingEmptySubsequences: false
            )
            if parts.count == 2 { variables[String(parts[0])] = String(parts[1]) }
            unsafe entry += 1
        }
        return variables
    }

    private static func spawn(
        _ words: [String],
        _ variables: [String: String],
        input: CInt,
        output: CInt
    ) throws(ConformanceError) -> pid_t {
        var actions = unsafe posix_spawn_file_actions_t()
        var attributes = posix_spawnattr_t()
        unsafe posix_spawn_file_actions_init(&actions)
        unsafe posix_spawnattr_init(&attributes)
        defer {
            unsafe posix_spawn_file_actions_destroy(&actions)
            unsafe posix_spawnattr_destroy(&attributes)
        }
        unsafe posix_spawn_file_actions_adddup2(&actions, input, STDIN_FILENO)
        unsafe posix_spawn_file_actions_adddup2(&actions, output, STDOUT_FILENO)
        unsafe posix_spawn_file_actions_addclosefrom_np(&actions, STDERR_FILENO + 1)
        var none = sigset_t()
        unsafe sigemptyset(&none)
        var all = sigset_t()
        unsafe sigfillset(&all)
        unsafe posix_spawnattr_setsigmask(&attributes, &none)
        unsafe posix_spawnattr_setsigdefault(&attributes, &all)
        unsafe posix_spawnattr_setpgroup(&attributes, 0)
        let flags = POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF
        unsafe posix_spawnattr_setflags(&attributes, Int16(flags))
        var arguments: [UnsafeMutablePointer<CChar>?] = unsafe words.map { unsafe strdup($0) } + [nil]
        var pairs: [UnsafeMutablePointer<CChar>?] = unsafe variables.map { unsafe strdup("\($0)=\($1)") } + [nil]
        defer {
            for index in unsafe arguments.indices { unsafe free(arguments[index]) }
            for index in unsafe pairs.indices { unsafe free(pairs[index]) }
        }
        var pid: pid_t = 0
        let result = unsafe posix_spawnp(&pid, words[0], &actions, &attributes, &arguments, &pairs)
        guard result == 0 else {
            throw ConformanceError(.unsuitable, "cannot start \(words[0]): errno \(result)")
        }
        return pid
    }
}
