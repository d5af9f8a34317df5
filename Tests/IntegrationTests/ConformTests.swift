import Glibc
import Testing

@testable import understudy

/// `understudy conform`: our own peers keep the protocol, and wrong ones are told what they break.
@Suite(.serialized, .timeLimit(.minutes(15))) struct ConformTests {
    private static let scripts = "\(LiveBus.root)/Tests/IntegrationTests/python/conform"
    private static let environment = [
        "UNDERSTUDY_ROOT": LiveBus.root,
        "UNDERSTUDY_PROGRAM": LiveBus.program,
        "PYTHONDONTWRITEBYTECODE": "1",
    ]

    /// Examines a peer, with time for a busy machine.
    private func conform(
        _ arguments: [String],
        command: [String] = [],
        timeout: Int = 300
    ) async throws -> Program.Outcome {
        let tail = command.isEmpty ? [] : ["--"] + command
        let options = ["--timeout", "\(timeout)"]
        let program = try Program(
            LiveBus.program,
            ["conform"] + arguments + options + tail,
            environment: Self.environment
        )
        return await program.end()
    }

    private func only(_ cases: [String]) -> [String] { cases.flatMap { ["--only", $0] } }

    @Test func ourBrokerConforms() async throws {
        let vectors = "\(LiveBus.root)/protocol/vectors.json"
        let outcome = try await conform(
            ["broker", "--orphan", "3000", "--vectors", vectors],
            command: [LiveBus.program, "broker", "--directory", "{directory}", "--config", "{config}"]
        )
        #expect(outcome.ending == .status(0), "\(outcome.text)")
        for number in ["B47", "B48", "B49", "B50", "B51", "B55"] {
            #expect(outcome.text.contains("\(number)  passed"), "\(outcome.text)")
        }
    }

    @Test func aBrokerThatRunsIsNotStopped() async throws {
        let directory = try TemporaryDirectory()
        let broker = try LiveBus.command("broker", ["--directory", directory.path])
        _ = await broker.line("ready: ")
        let outcome = try await conform(["broker", "--directory", directory.path] + only(["B7", "B47", "B51"]))
        #expect(outcome.ending == .status(0), "\(outcome.text)")
        #expect(outcome.lines.last == "1 passed, 0 failed, 2 skipped", "\(outcome.text)")
        broker.signal(SIGTERM)
        #expect(await broker.end().ending == .status(0))
    }

    /// Without a journal, and one that loses it: what only the next broker shows.
    @Test(arguments: [("--no-journal", "skipped"), ("--journal=/dev/null/nowhere", "")])
    func aBrokerThatKeepsNothingIsNotHeldToRestarts(option: String, verdict: String) async throws {
        let outcome = try await conform(
            ["broker"] + only(["B47", "B48", "B51"]),
            command: [LiveBus.program, "broker", "--directory", "{directory}", "--config", "{config}", option]
        )
        guard !verdict.isEmpty else {
            #expect(outcome.ending == .status(3), "\(outcome.text)")
            #expect(outcome.text.contains("the broker does not start"), "\(outcome.text)")
            return
        }
        #expect(outcome.ending == .status(0), "\(outcome.text)")
        #expect(outcome.text.contains("B48  \(verdict)"), "\(outcome.text)")
        #expect(outcome.lines.last == "2 passed, 0 failed, 1 skipped", "\(outcome.text)")
    }

    @Test func ourWorkerConforms() async throws {
        let worker = [
            LiveBus.program, "worker", "--capacity", "4", "--directory", "{directory}", "--config", "{config}",
        ]
        let outcome = try await conform(["worker"], command: worker)
        #expect(outcome.ending == .status(0), "\(outcome.text)")
        #expect(outcome.text.contains("W33  passed"), "\(outcome.text)")
    }

    @Test(arguments: [("lock_step.py", false), ("blocking_client.py", true), ("swift_client.py", true)])
    func ourAgentsConform(script: String, isFull: Bool) async throws {
        let outcome = try await conform(
            ["agent", "--patience", "120"] + (isFull ? ["--full"] : []),
            command: ["/usr/bin/python3", "\(Self.scripts)/\(script)"]
        )
        #expect(outcome.ending == .status(0), "\(outcome.text)")
        #expect(!outcome.text.contains("not as advised"), "\(outcome.text)")
    }

    @Test func aWrongBrokerIsToldWhatItBreaks() async throws {
        let directory = try TemporaryDirectory()
        let broker = try Program("/usr/bin/python3", ["-B", "\(Self.scripts)/wrong_broker.py", directory.path])
        _ = await broker.line("ready")
        let cases = only(["B4", "B10", "B23", "B25", "B26"])
        let outcome = try await conform(["broker", "--directory", directory.path] + cases, timeout: 30)
        #expect(outcome.ending == .status(1), "\(outcome.text)")
        #expect(outcome.text.contains("broken: B10, B23, B26"), "\(outcome.text)")
        broker.signal(SIGKILL)
        _ = await broker.end()
    }

    /// Its journal is gone at each start: what it said `ACCEPTED` of, it does not know.
    @Test func aForgetfulBrokerIsToldWhatItBreaks() async throws {
        let start = "rm -f {directory}/journal.sqlite*; exec \(LiveBus.program) broker --directory {directory}"
        let outcome = try await conform(
            ["broker"] + only(["B47", "B48", "B49", "B50", "B51"]),
            command: ["/bin/sh", "-c", start],
            timeout: 60
        )
        #expect(outcome.ending == .status(1), "\(outcome.text)")
        #expect(outcome.text.contains("broken: B47, B48, B49, B50"), "\(outcome.text)")
    }

    @Test(arguments: [("call", ["W1", "W7", "W14"], "W7, W14"), ("grant", ["W1", "W4"], "W4")])
    func aWrongWorkerIsToldWhatItBreaks(wrong: String, cases: [String], broken: String) async throws {
        let outcome = try await conform(
            ["worker"] + only(cases),
            command: ["/usr/bin/python3", "\(Self.scripts)/wrong_worker.py", wrong]
        )
        #expect(outcome.ending == .status(1), "\(outcome.text)")
        #expect(
            outcome.text.contains("broken: \(broken)\n") || outcome.text.hasSuffix("broken: \(broken)"),
            "\(outcome.text)"
        )
    }

    @Test func aWrongAgentIsToldWhatItBreaks() async throws {
        let outcome = try await conform(
            ["agent"] + only(["L1", "L4", "L13", "L14"]),
            command: ["/usr/bin/python3", "\(Self.scripts)/wrong_agent.py"]
        )
        #expect(outcome.ending == .status(1), "\(outcome.text)")
        #expect(outcome.text.contains("broken: L13, L14"), "\(outcome.text)")
    }

    @Test func thereIsNoExaminationOfABrokerThatIsNotThereOrHasWorkers() async throws {
        let directory = try TemporaryDirectory()
        let absent = try await conform(["broker", "--directory", directory.path])
        #expect(absent.ending == .status(3), "\(absent.text)")
        let bus = try await LiveBus(["--mock", "--workers", "1"])
        let busy = try await conform(["broker", "--directory", bus.directory.path])
        #expect(busy.ending == .status(2), "\(busy.text)")
        #expect(busy.text.contains("worker"), "\(busy.text)")
        try await bus.stop()
    }

    @Test(arguments: ["broker", "worker", "agent"])
    func casesCanBeListedAndUnknownOnesAreRefused(role: String) async throws {
        let list = try await conform([role, "--list"])
        #expect(list.ending == .status(0) && list.lines.count > 15, "\(list.text)")
        let unknown = try await conform([role, "--only", "X99"], command: role == "broker" ? [] : ["true"])
        #expect(unknown.ending == .status(2), "\(unknown.text)")
    }
}
