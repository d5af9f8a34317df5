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
        let directory = try TemporaryDirectory()
        let broker = try LiveBus.command("broker", ["--directory", directory.path])
        _ = await broker.line("ready: ")
        let vectors = "\(LiveBus.root)/protocol/vectors.json"
        let outcome = try await conform(["broker", "--directory", directory.path, "--vectors", vectors])
        #expect(outcome.ending == .status(0), "\(outcome.text)")
        #expect(outcome.text.contains("B55  passed"), "\(outcome.text)")
        broker.signal(SIGTERM)
        #expect(await broker.end().ending == .status(0))
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
