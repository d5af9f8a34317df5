import Benchmarks
import CoreTypes
import Glibc

/// A program that is measured beside the broker, in turns with it.
struct Rival: Sendable {
    /// What is asked of it.
    struct Trial: Sendable {
        /// Bytes of a message's last frame.
        var bytes: Int
        /// Round trips that are open at a time; 1 for one after another.
        var window: Int
        /// Round trips to make.
        var count: Int
    }

    private enum Kind: Sendable {
        /// `zlimit`, a benchmark of libzmq in C, as a program.
        case zlimit(String)
        /// Any command, for the shell.
        case command(String)
    }

    /// How long a trial may take.
    private static let patience: Duration = .seconds(120)
    /// Frames of the rival's messages: like the bus's, several small ones and the body.
    private static let zlimitFrames = 4
    /// Round trips that `zlimit client` makes before it measures.
    private static let zlimitWarmUp = 200
    /// Messages that `zlimit broker` receives or sends in a round trip: in and out, there and back.
    private static let zlimitMessages = 4

    /// What `--against` takes, for `--help`.
    static let help = """
        COMMAND is run by the shell for each trial, with UNDERSTUDY_BENCH_BYTES (of a message), \
        UNDERSTUDY_BENCH_WINDOW (round trips open at a time; 1 for lock-step) and UNDERSTUDY_BENCH_COUNT (round trips \
        to make) in its environment, and prints lines of the form "name value unit": \
        "\(ForeignFigures.Name.roundTrips) 190000 1/s", "\(ForeignFigures.Name.p50) 86 us", \
        "\(ForeignFigures.Name.p99) 140 us", "\(ForeignFigures.Name.cpuPerMessage) 1.1 us" (processor time of the \
        program in the middle for each message that it receives or sends). What it does not print is not compared. \
        COMMAND may also be zlimit, or a directory with zlimit.c, which is compiled: then its ROUTER-ROUTER broker is \
        the rival, with 4 frames to a message.
        """

    private let kind: Kind

    /// Finds out what kind of rival `command` is; compiles what must be compiled.
    init(_ command: String, on stage: BenchStage) async throws {
        let source = command + "/zlimit.c"
        if command.split(separator: "/").last == "zlimit", unsafe access(command, X_OK) == 0, !Self.isDirectory(command)
        {
            kind = .zlimit(command)
        } else if unsafe access(source, R_OK) == 0 {
            let program = stage.directory.path + "/zlimit"
            let compile = "cc -O2 -w -o '\(program)' '\(source)' -lzmq"
            let meter = try await stage.run("cc", "/bin/sh", ["-c", compile])
            _ = try await stage.output(of: meter, within: Self.patience)
            kind = .zlimit(program)
        } else {
            kind = .command(command)
        }
    }

    /// Measures the rival once.
    func measure(_ trial: Trial, on stage: BenchStage) async throws -> ForeignFigures {
        switch kind {
        case .command(let command):
            let meter = try await stage.run(
                "rival",
                "/bin/sh",
                ["-c", command],
                variables: [
                    "UNDERSTUDY_BENCH_BYTES": "\(trial.bytes)", "UNDERSTUDY_BENCH_WINDOW": "\(trial.window)",
                    "UNDERSTUDY_BENCH_COUNT": "\(trial.count)",
                ]
            )
            let figures = ForeignFigures(lines: try await stage.output(of: meter, within: Self.patience))
            guard !figures.values.isEmpty else {
                throw CommandFailure(.failed, "the command of --against printed no figures")
            }
            return figures
        case .zlimit(let program):
            return try await measure(trial, program, on: stage)
        }
    }

    private func measure(_ trial: Trial, _ program: String, on stage: BenchStage) async throws -> ForeignFigures {
        let (front, back) = ("ipc://\(stage.directory.path)/front.sock", "ipc://\(stage.directory.path)/back.sock")
        let broker = try await stage.run("zlimit", program, ["broker", front, back])
        let worker = try await stage.run("zlimit", program, ["worker", back, "1000"])
        let shape = ["client", front, "\(trial.bytes)", "\(Self.zlimitFrames)"]
        let pace = trial.window == 1 ? ["lock", "\(trial.count)"] : ["pipe", "\(trial.count)", "\(trial.window)"]
        let client = try await stage.run("zlimit", program, shape + pace)
        var figures = ForeignFigures(lines: try await stage.output(of: client, within: Self.patience))
        if let cpu = broker.cpuNanoseconds {
            let messages = (trial.count + Self.zlimitWarmUp) * Self.zlimitMessages
            figures.add(line: "\(ForeignFigures.Name.cpuPerMessage) \(Double(cpu) / 1000 / Double(messages)) us")
        }
        try await stage.stop(worker)
        try await stage.stop(broker)
        return figures
    }

    private static func isDirectory(_ path: String) -> Bool {
        var status = stat()
        return unsafe stat(path, &status) == 0 && status.st_mode & S_IFMT == S_IFDIR
    }
}
