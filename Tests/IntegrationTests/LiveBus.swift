import Configuration
import Glibc
import Testing

@testable import understudy

/// A bus of real processes, as `understudy up` makes it, in a directory of its own.
struct LiveBus {
    /// The root of the package.
    static let root = String(#filePath.split(separator: "/").dropLast(3).reduce("") { "\($0)/\($1)" })

    /// The binary that the build put beside the tests.
    static let program: String = {
        guard let text = unsafe realpath("/proc/self/exe", nil) else { return "" }
        defer { unsafe free(text) }
        let tests = unsafe String(cString: text)
        return "\(tests[..<(tests.lastIndex(of: "/") ?? tests.startIndex)])/understudy"
    }()

    /// Waits between attempts that are too short to be waited for.
    static let fastRetries = #"{"policy": {"backoff_base": "5ms", "backoff_cap": "20ms"}}"#

    let directory: TemporaryDirectory
    let up: Program

    /// Starts a bus and waits until agents can connect.
    ///
    /// - Parameter configuration: Text of an `understudy.json`.
    init(_ arguments: [String], configuration: String = fastRetries) async throws {
        directory = try TemporaryDirectory()
        let file = try directory.write("understudy.json", configuration)
        up = try Self.command("up", ["--directory", directory.path, "--config", file] + arguments)
        guard await up.line("ready: ") == "ready: agents connect to ipc://\(directory.path)/agents.sock" else {
            up.signal(SIGKILL)
            Issue.record("the bus did not start:\n\(await up.end().text)")
            throw Trouble()
        }
    }

    /// Starts a command of `understudy`.
    static func command(_ name: String, _ arguments: [String] = []) throws -> Program {
        try Program(program, [name] + arguments)
    }

    /// Runs a script of `python/` against the bus; a failure shows all it printed.
    func run(
        _ script: String,
        environment: [String: String] = [:],
        _ location: SourceLocation = #_sourceLocation
    ) async throws {
        // Debian's interpreter, for which Debian's pyzmq is installed.
        let process = try Program(
            "/usr/bin/python3",
            ["-B", "\(Self.root)/Tests/IntegrationTests/python/\(script)"],
            environment: [
                "UNDERSTUDY_DIR": directory.path,
                "UNDERSTUDY_PROGRAM": Self.program,
                "UNDERSTUDY_ROOT": Self.root,
                "UNDERSTUDY_UP_PID": "\(await up.pid)",
                // Only by name is a language left out, never because it is missing.
                "UNDERSTUDY_SKIP_LANGUAGES": ProcessEnvironment.current()["UNDERSTUDY_SKIP_LANGUAGES"] ?? "",
            ].merging(environment) { _, new in new }
        )
        let outcome = await process.end()
        #expect(outcome.ending == .status(0), "\(script):\n\(outcome.text)", sourceLocation: location)
        if outcome.ending != .status(0) {
            up.signal(SIGINT)
            Issue.record("the bus said:\n\(await up.end().text)", sourceLocation: location)
        }
    }

    /// Ends the bus as Ctrl-C does, and checks that it ends well and leaves nothing behind.
    func stop(_ location: SourceLocation = #_sourceLocation) async throws {
        up.signal(SIGINT)
        try await end(location)
    }

    /// Waits for the end of a bus that was told to stop.
    func end(_ location: SourceLocation = #_sourceLocation) async throws {
        let outcome = await up.end()
        #expect(outcome.ending == .status(0), "\(outcome.text)", sourceLocation: location)
        let kept: Set = [
            "broker.lock", "telemetry.sqlite", "telemetry.sqlite.lock", "understudy.json", "journal.sqlite",
            "journal.sqlite.reserve",
        ]
        #expect(try directory.names.subtracting(kept) == [], sourceLocation: location)
        #expect(Self.processes(naming: directory.path) == [], sourceLocation: location)
    }

    /// Command lines of the processes that have `text` in theirs.
    static func processes(naming text: String) -> [String] {
        ProcessTable.commandLines.filter { $0.contains(text) }
    }

    /// The reason was recorded.
    struct Trouble: Error {}
}
