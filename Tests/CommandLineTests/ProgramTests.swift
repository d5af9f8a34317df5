import CLinux
import Configuration
import CoreTypes
import EventLoop
import Glibc
import Synchronization
import Testing

@testable import understudy

/// The program itself, as a process. It is killed with its owner, and when the task that waits for its end is cancelled;
/// and it is reaped in any case, for a zombie keeps the testing library from seeing the ends of its own children.
final class Program: Sendable {
    /// The binary that the build put beside the tests.
    static let path: String = {
        guard let text = unsafe realpath("/proc/self/exe", nil) else { return "" }
        defer { unsafe free(text) }
        let tests = unsafe String(cString: text)
        return "\(tests[..<(tests.lastIndex(of: "/") ?? tests.startIndex)])/understudy"
    }()

    private let loop: EventLoop
    private let reports: AsyncStream<ChildProcess.Report>
    // Touched on the loop's thread only.
    nonisolated(unsafe) private var process: ChildProcess?

    convenience init(_ arguments: [String], environment: [String: String] = [:]) throws {
        try self.init(executable: Self.path, ["understudy"] + arguments, environment: environment)
    }

    init(executable: String, _ arguments: [String], environment: [String: String] = [:]) throws {
        loop = try EventLoop(name: "program")
        let (stream, continuation) = AsyncStream.makeStream(of: ChildProcess.Report.self)
        reports = stream
        loop.execute { [self] in
            // What a dynamically linked program needs to find its libraries.
            let inherited = ProcessEnvironment.current().filter { $0.key == "PATH" || $0.key == "LD_LIBRARY_PATH" }
            let command = ChildProcess.Command(
                executable: executable,
                arguments: arguments,
                environment: environment.merging(inherited) { mine, _ in mine }
            )
            do {
                unsafe process = try ChildProcess(loop: loop, command: command) { [loop] report in
                    continuation.yield(report)
                    if case .ended = report { loop.shutDown() }
                }
            } catch {
                continuation.yield(.line(Array("\(error)".utf8)))
                continuation.yield(.ended(.notStarted("\(error)")))
                loop.shutDown()
            }
        }
    }

    deinit {
        nonisolated(unsafe) let process = unsafe process
        loop.execute { unsafe process?.signal(SIGKILL) }
    }

    func signal(_ number: CInt) {
        loop.execute { [self] in unsafe process?.signal(number) }
    }

    /// Waits for the end and gives what was printed; calls `ready` when the program says that it is.
    func end(_ ready: (String) async -> Void = { _ in }) async -> (lines: [String], ending: Supervisor.Ending?) {
        var lines: [String] = []
        var ending: Supervisor.Ending?
        for await report in reports {
            switch report {
            case .line(let bytes): lines.append(String(decoding: bytes, as: UTF8.self))
            case .ready(let detail): await ready(detail)
            case .ended(let found): ending = found
            }
            if ending != nil { break }
        }
        // Cancelled, and nobody waits for it any more.
        if ending == nil { signal(SIGKILL) }
        await loop.ended()
        return (lines, ending)
    }
}

@Suite(.timeLimit(.minutes(10))) struct ProgramTests {
    @Test func helpGoesToStandardOutputAndIsNoError() async throws {
        let (lines, ending) = await (try Program(["--help"])).end()
        #expect(ending == .status(0))
        #expect(lines.first?.hasPrefix("OVERVIEW: A message bus for LLM calls") == true)
    }

    @Test(arguments: [["--bogus"], ["nosuchcommand"], ["mock", "--port", "70000"], ["check", "extra"]])
    func wrongArgumentsEndWithStatus2(arguments: [String]) async throws {
        let (lines, ending) = await (try Program(arguments)).end()
        #expect(ending == .status(2))
        #expect(lines.first?.hasPrefix("Error: ") == true, "\(lines)")
    }

    @Test func aWrongConfigurationEndsWithStatus2AndNamesThePlace() async throws {
        let directory = try TemporaryDirectory()
        let file = try directory.write("bad.json", #"{"policy": {"jitter": 2}}"#)
        let (lines, ending) = await (try Program(["check", "--config", file])).end()
        #expect(ending == .status(2))
        #expect(lines == ["understudy: \(file): $.policy.jitter: expected a number in 0.0...1.0, found 2"])
    }

    @Test(arguments: ["broker", "up", "collect"])
    func aDirectoryTooLongForItsSocketsIsNotMade(command: String) async throws {
        let place = try TemporaryDirectory()
        // agents.sock has room in it, telemetry.sock has none.
        let name = String(repeating: "x", count: 107 - "/agents.sock".utf8.count - place.path.utf8.count - 1)
        let (lines, ending) = await (try Program([command, "--directory", "\(place.path)/\(name)"])).end()
        #expect(ending == .status(2))
        #expect(lines.joined().contains("bytes, but the system allows 107"), "\(lines)")
        #expect(place.names == [])
    }

    @Test(arguments: ["", "/no/such/directory/telemetry.sqlite"])
    func aDatabaseInNoPlaceIsAWrongArgument(path: String) async throws {
        let directory = try TemporaryDirectory()
        let place = path.isEmpty ? directory.path : path
        let arguments = ["collect", "--directory", "\(directory.path)/bus", "--database", place]
        let (lines, ending) = await (try Program(arguments)).end()
        #expect(ending == .status(2), "\(lines)")
        #expect(directory.names.allSatisfy { $0 == "bus" })
        #expect(unsafe access("\(directory.path).lock", F_OK) != 0)
        unsafe rmdir("\(directory.path)/bus")
    }

    @Test(arguments: [
        ["broker", "--directory"], ["broker", "--journal"], ["broker", "--config"], ["worker", "--directory"],
        ["status", "--directory"], ["collect", "--database"], ["report", "--database"], ["mock", "--script"],
        ["mock", "--replay"], ["up", "--script"], ["ask", "--body"], ["conform", "broker", "--vectors"],
        ["conform", "worker", "--directory"], ["bench", "journal", "--directory"],
    ])
    func anEmptyPathIsNotTheCurrentDirectory(arguments: [String]) async throws {
        let (lines, ending) = await (try Program(arguments + [""])).end()
        #expect(ending == .status(2))
        let option = arguments[arguments.count - 1]
        #expect(lines.first?.contains("The value '' is invalid for '\(option) <") == true, "\(lines)")
        #expect(lines.first?.hasSuffix("it is empty; expected a path") == true, "\(lines)")
    }

    @Test(arguments: ["check --json", "simulate --seeds 1", "--help", "--version"])
    func whatCannotBeWrittenIsNoSuccess(arguments: String) async throws {
        let script = "exec \"$0\" \(arguments) > /dev/full"
        let environment = ["OPENAI_API_KEY": "k"]
        let program = try Program(executable: "/bin/sh", ["sh", "-c", script, Program.path], environment: environment)
        let (lines, ending) = await program.end()
        #expect(ending == .status(70))
        #expect(lines == ["understudy: cannot write to standard output: No space left on device"])
    }

    @Test func aFileOfCertificatesThatIsNotThereEndsWithStatus2() async throws {
        let directory = try TemporaryDirectory()
        let file = "\(directory.path)/nosuch.pem"
        let program = try Program(["worker", "--directory", directory.path], environment: ["SSL_CERT_FILE": file])
        let (lines, ending) = await program.end()
        #expect(ending == .status(2))
        let problem = "understudy: SSL_CERT_FILE is \(file), which cannot be read (No such file"
        #expect(lines.first?.hasPrefix(problem) == true, "\(lines)")
    }

    @Test func certificatesComeFromTheEnvironment() throws {
        let directory = try TemporaryDirectory()
        let file = try directory.write("ca.pem", "-----BEGIN CERTIFICATE-----")
        let empty = try directory.write("empty.pem", "")
        #expect(try WorkerCommand.caFile([:]) == nil)
        #expect(try WorkerCommand.caFile(["SSL_CERT_FILE": ""]) == nil)
        #expect(try WorkerCommand.caFile(["SSL_CERT_FILE": file]) == file)
        for path in [empty, directory.path] {
            let failure = #expect(throws: CommandFailure.self) { try WorkerCommand.caFile(["SSL_CERT_FILE": path]) }
            #expect(failure?.status == .usage)
            #expect(failure?.message.contains(path) == true)
        }
    }

    @Test func checkWithoutKeysEndsWithStatus1() async throws {
        let directory = try TemporaryDirectory()
        let file = try directory.write("routing.json", #"{"default_chat_model": "openai/gpt-4o"}"#)
        let arguments = ["check", "--config", file, "--directory", directory.path]
        let without = await (try Program(arguments)).end()
        #expect(without.ending == .status(1))
        let with = await (try Program(arguments, environment: ["OPENAI_API_KEY": "k"])).end()
        #expect(with.ending == .status(0), "\(with.lines)")
    }

    @Test func theMockSaysItsPortAndEndsWhenAsked() async throws {
        let program = try Program(["mock", "--ready-fd", "3", "--parent", "\(getpid())"])
        var said: [String] = []
        let (lines, ending) = await program.end { detail in
            said.append(detail)
            program.signal(SIGTERM)
        }
        #expect(ending == .status(0), "\(lines)")
        #expect(said.count == 1)
        #expect(said.first?.wholeMatch(of: /port=[0-9]+/) != nil, "\(said)")
    }

    @Test func aPortInUseEndsWithStatus4() async throws {
        let first = try Program(["mock", "--ready-fd", "3"])
        var second: (lines: [String], ending: Supervisor.Ending?) = ([], nil)
        _ = await first.end { detail in
            second = await ((try? Program(["mock", "--port", String(detail.dropFirst(5))]))?.end() ?? ([], nil))
            first.signal(SIGINT)
        }
        #expect(second.ending == .status(4))
        #expect(second.lines.first?.contains("already in use") == true, "\(second.lines)")
    }

    @Test func aScriptWithAnErrorEndsWithStatus2() async throws {
        let directory = try TemporaryDirectory()
        let script = try directory.write("script.json", #"{"rules": 5}"#)
        let (lines, ending) = await (try Program(["mock", "--script", script])).end()
        #expect(ending == .status(2))
        #expect(lines.first?.contains("script.json: $.rules") == true, "\(lines)")
    }

    @Test func theCollectorMakesItsDatabaseAndTheReportReadsIt() async throws {
        let directory = try TemporaryDirectory()
        let report = ["report", "--directory", directory.path]
        let before = await (try Program(report)).end()
        #expect(before.ending == .status(2))
        #expect(before.lines.first?.contains("telemetry.sqlite") == true, "\(before.lines)")

        let collector = try Program(["collect", "--directory", directory.path, "--ready-fd", "3"])
        let (lines, ending) = await collector.end { _ in collector.signal(SIGTERM) }
        #expect(ending == .status(0), "\(lines)")
        let after = await (try Program(report + ["--json"])).end()
        #expect(after.ending == .status(0), "\(after.lines)")
        #expect(after.lines.first?.hasPrefix(#"{"by":"day","columns":[]"#) == true, "\(after.lines)")
    }

    @Test func aDayThatDoesNotExistEndsWithStatus2() async throws {
        let (lines, ending) = await (try Program(["report", "--since", "2026-02-30"])).end()
        #expect(ending == .status(2))
        #expect(lines == ["understudy: --since is \"2026-02-30\"; expected a day such as 2026-02-15"])
    }

    /// Two processes hash differently: what depended on the order of a set or a dictionary would show.
    @Test func theSimulationRepeatsItselfInAnotherProcess() async throws {
        let arguments = ["simulate", "--seeds", "60", "--from", "7", "--trace"]
        let first = await (try Program(arguments)).end()
        let second = await (try Program(arguments)).end()
        #expect(first.ending == .status(0), "\(first.lines.suffix(5))")
        #expect(first.lines.contains { $0.hasPrefix("violations") })
        // The first line of the summary has the speed in it.
        #expect(first.lines.filter { !$0.hasPrefix("seeds ") } == second.lines.filter { !$0.hasPrefix("seeds ") })
    }

    @Test(arguments: [["--seeds", "0"], ["--from", "18446744073709551615"], ["--seeds", "x"], ["--tail", "-1"]])
    func theSimulationRefusesSeedsThatAreNone(arguments: [String]) async throws {
        #expect(await (try Program(["simulate"] + arguments)).end().ending == .status(2))
    }

    @Test func aChildOfAnotherParentRefusesToLive() async throws {
        let (lines, ending) = await (try Program(["mock", "--parent", "1"])).end()
        #expect(ending == .status(70))
        #expect(lines.first?.contains("not the parent") == true, "\(lines)")
    }

    @Test func aChildDiesWithItsParent() async throws {
        // A shell in the place of the supervisor; it is killed as soon as its child is ready.
        let script = "\"$0\" mock --parent $$ --ready-fd 3 & echo \"ready pid=$!\" >&3; wait"
        let parent = try Program(executable: "/bin/sh", ["sh", "-c", script, Program.path])
        let death = AsyncStream.makeStream(of: Void.self)
        let loop = try EventLoop(name: "death")
        var said: [String] = []
        let (_, ending) = await parent.end { detail in
            // The port by the child, its id by the shell, in either order.
            said.append(detail)
            let id = said.first { $0.hasPrefix("pid=") }
            guard said.count == 2, let pid = id.flatMap({ pid_t($0.dropFirst(4)) }) else { return }
            loop.execute {
                let descriptor = pidfd_open(pid, 0)
                // Gone already: then there is nothing to wait for.
                guard descriptor >= 0 else { return death.continuation.finish() }
                try? loop.watch(descriptor, .read) { _ in
                    loop.unwatch(descriptor)
                    close(descriptor)
                    death.continuation.finish()
                }
            }
            parent.signal(SIGKILL)
        }
        #expect(ending == .signal(SIGKILL))
        for await _ in death.stream {}
        loop.shutDown()
        await loop.ended()
    }
}
