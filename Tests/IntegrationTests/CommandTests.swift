import Glibc
import Testing

@testable import understudy

/// Commands as processes of their own, where they meet each other.
@Suite(.serialized, .timeLimit(.minutes(10))) struct CommandTests {
    @Test func aSecondBrokerIsRefusedAndTheFirstGoesOn() async throws {
        let bus = try await LiveBus(["--mock", "--workers", "1"])
        for command in ["broker", "up"] {
            let outcome = await (try LiveBus.command(command, ["--directory", bus.directory.path])).end()
            #expect(outcome.ending == .status(4), "\(outcome.text)")
            #expect(outcome.text.contains(bus.directory.path), "\(outcome.text)")
        }
        try await bus.run("test_requests.py")
        try await bus.stop()
    }

    @Test func theTimeIsLoggedForThoseWhoAskForIt() async throws {
        let directory = try TemporaryDirectory()
        let arguments = ["--mock", "--workers", "1", "--directory", directory.path]
        let bus = try LiveBus.command("up", arguments + ["--log-time"])
        #expect(await bus.line("ready: ") != nil)
        bus.signal(SIGTERM)
        let outcome = await bus.end()
        #expect(outcome.ending == .status(0))
        let lines = outcome.text.split(separator: "\n").filter { !$0.hasPrefix("ready: ") }
        #expect(lines.contains { $0.contains(" broker    | worker worker.1 joined") }, "\(outcome.text)")
        for line in lines {
            #expect(
                line.firstMatch(
                    of: /^20[0-9]{2}-[01][0-9]-[0-3][0-9]T[0-2][0-9]:[0-5][0-9]:[0-6][0-9]\.[0-9]{3}Z [a-z]/
                ) != nil,
                "\(line)"
            )
        }
    }

    @Test func aPortInUseIsNamed() async throws {
        let first = try LiveBus.command("mock")
        let line = try #require(await first.line("ready: "))
        let port = try #require(line.firstMatch(of: /:([0-9]+)/)?.output.1)
        let second = await (try LiveBus.command("mock", ["--port", "\(port)"])).end()
        #expect(second.ending == .status(4))
        #expect(second.text.contains("\(port)") && second.text.contains("already in use"), "\(second.text)")
        first.signal(SIGTERM)
        #expect(await first.end().ending == .status(0))
    }

    @Test(arguments: [
        (#"{"policy": {"attempts_per_model": 0}}"#, "$.policy.attempts_per_model"),
        (#"{"polycy": {}}"#, "polycy"),
        (#"{"routing": {"default_chat_model": "nosuch/model"}, "providers": {"openai": {}}}"#, "nosuch"),
        ("{", "understudy.json"),
    ])
    func aWrongConfigurationEndsWithStatus2(text: String, place: String) async throws {
        let directory = try TemporaryDirectory()
        let file = try directory.write("understudy.json", text)
        for command in ["up", "broker", "worker", "collect"] {
            let arguments = ["--directory", directory.path, "--config", file]
            let outcome = await (try LiveBus.command(command, arguments)).end()
            #expect(outcome.ending == .status(2), "\(command): \(outcome.text)")
            #expect(outcome.text.contains(file) && outcome.text.contains(place), "\(command): \(outcome.text)")
        }
        #expect(try directory.names == ["understudy.json"])
    }

    @Test func aMissingConfigurationEndsWithStatus2() async throws {
        let directory = try TemporaryDirectory()
        let file = "\(directory.path)/nosuch.json"
        let arguments = ["--directory", directory.path, "--config", file]
        let outcome = await (try LiveBus.command("up", arguments)).end()
        #expect(outcome.ending == .status(2))
        #expect(outcome.text.contains(file), "\(outcome.text)")
    }

    @Test func aDirectoryThatOthersMayEnterIsRefused() async throws {
        let directory = try TemporaryDirectory()
        unsafe chmod(directory.path, 0o755)
        let outcome = await (try LiveBus.command("broker", ["--directory", directory.path])).end()
        #expect(outcome.ending == .status(2), "\(outcome.text)")
        #expect(outcome.text.contains("700"), "\(outcome.text)")
    }

    /// As a user of its own, whose directory in `/tmp` is free for the test.
    @Test(.enabled(if: geteuid() == 0, "takes a second user"))
    func nobodyUsesAFallbackThatAStrangerMadeForHim() async throws {
        let user = "\(Int.random(in: 1_000_000...1_000_000_000))"
        let fallback = "/tmp/understudy-\(user)"
        let identity = ["--reuid", user, "--regid", user, "--clear-groups"]
        let readable = await (try Program("/usr/bin/setpriv", identity + ["test", "-x", LiveBus.program])).end()
        guard readable.ending == .status(0) else { return }
        #expect(unsafe mkdir(fallback, 0o700) == 0)
        defer { unsafe rmdir(fallback) }
        for command in [["ask", "Hello?"], ["status"], ["tail"], ["worker"], ["collect"], ["conform", "broker"]] {
            let run = identity + ["env", "-C", "/", LiveBus.program] + command
            let outcome = await (try Program("/usr/bin/setpriv", run)).end()
            // No socket is there, and the examination looks for one first.
            #expect(outcome.ending == .status(command[0] == "conform" ? 3 : 2), "\(command): \(outcome.text)")
            #expect(outcome.text.contains(fallback), "\(command): \(outcome.text)")
        }
    }

    @Test func askSaysWhatItWaitsFor() async throws {
        let directory = try TemporaryDirectory()
        let broker = try LiveBus.command("broker", ["--directory", directory.path])
        #expect(await broker.line("ready: ") != nil)
        // People are told, programs are not.
        let command = "exec \(LiveBus.program) ask --directory \(directory.path) --id w1 Hello"
        let ask = try Program("/usr/bin/script", ["-qec", command, "/dev/null"])
        #expect(await ask.line("waiting: no workers, so requests wait; start one") != nil)
        let cancel = try LiveBus.command("cancel", ["--directory", directory.path, "w1"])
        #expect(await cancel.end().ending == .status(0))
        let outcome = await ask.end()
        #expect(outcome.ending == .status(1) && outcome.text.contains("cancelled"), "\(outcome.text)")
        broker.signal(SIGTERM)
        #expect(await broker.end().ending == .status(0))
    }

    @Test func upSaysOnceWhichKeysAreMissing() async throws {
        let directory = try TemporaryDirectory()
        let up = try LiveBus.command("up", ["--directory", directory.path, "--workers", "2"])
        #expect(await up.line("ready: ") != nil)
        up.signal(SIGTERM)
        let outcome = await up.end()
        #expect(outcome.ending == .status(0), "\(outcome.text)")
        let found = outcome.lines.filter { $0.contains("no model of the chain can be called") }
        #expect(found.count == 1 && found.first?.hasPrefix("up ") == true, "\(outcome.text)")
    }

    @Test func aWorkerOfItsOwnSaysWhichKeysAreMissing() async throws {
        let directory = try TemporaryDirectory()
        let worker = try LiveBus.command("worker", ["--directory", directory.path])
        #expect(await worker.line("problem: no model of the chain can be called") != nil)
        worker.signal(SIGTERM)
        #expect(await worker.end().ending == .status(0))
    }

    @Test func anAnswerThatCannotBeWrittenStaysAtTheBroker() async throws {
        let bus = try await LiveBus(["--mock", "--workers", "1"])
        func ask(_ rest: String) async throws -> Program.Outcome {
            let script = "exec \"$0\" ask --directory \"$1\" --model mock/ok --id full-1 Hello \(rest)"
            return await (try Program("/bin/sh", ["-c", script, LiveBus.program, bus.directory.path])).end()
        }
        for _ in 0..<2 {
            let lost = try await ask("> /dev/full")
            #expect(lost.ending == .status(70), "\(lost.text)")
            #expect(lost.text.contains("No space left on device"), "\(lost.text)")
            #expect(lost.text.contains("understudy get full-1"), "\(lost.text)")
        }
        #expect(try await ask("--json > /dev/full").ending == .status(70))
        let printed = try await request("get", "full-1", bus)
        #expect(printed.ending == .status(0) && printed.text.contains("Mock answer"), "\(printed.text)")
        let found = try await ask("")
        #expect(found.ending == .status(0), "\(found.text)")
        // Now it is acknowledged.
        #expect(try await ask("").ending == .status(1))
        for command in ["status", "status --json", "status --watch 1", "tail --json"] {
            let script = "exec \"$0\" \(command) --directory \"$1\" > /dev/full"
            let full = try Program("/bin/sh", ["-c", script, LiveBus.program, bus.directory.path])
            #expect(await full.end().ending == .status(70), "\(command)")
        }
        let script = "{ \"$0\" status --directory \"$1\"; echo \"ended with $?\" >&2; } | :"
        let early = await (try Program("/bin/sh", ["-c", script, LiveBus.program, bus.directory.path])).end()
        #expect(early.lines == ["ended with 0"])
        try await bus.stop()
    }

    private func request(_ command: String, _ id: String, _ bus: LiveBus) async throws -> Program.Outcome {
        await (try LiveBus.command(command, ["--directory", bus.directory.path, id])).end()
    }

    @Test func aRequestIsFetchedAndCancelledByItsID() async throws {
        let bus = try await LiveBus(["--mock", "--workers", "1"])
        func ask(_ id: String, _ model: String) throws -> Program {
            try LiveBus.command("ask", ["--directory", bus.directory.path, "--id", id, "--model", model, "Hello"])
        }
        let asking = try ask("slow-1", "mock/ok+60000")
        // Known once it is accepted; until then there is nothing to cancel.
        var cancelled = try await request("cancel", "slow-1", bus)
        while cancelled.text.contains("unknown") { cancelled = try await request("cancel", "slow-1", bus) }
        #expect(cancelled.ending == .status(0), "\(cancelled.text)")
        #expect(cancelled.text.contains("the request slow-1 is cancelled"), "\(cancelled.text)")
        #expect(await asking.end().ending == .status(1))

        #expect(await (try ask("quick-1", "mock/ok")).end().ending == .status(0))
        let gone = try await request("get", "quick-1", bus)
        #expect(gone.ending == .status(1) && gone.text.contains("gone"), "\(gone.text)")
        let over = try await request("cancel", "quick-1", bus)
        #expect(over.ending == .status(1), "\(over.text)")
        for command in ["get", "cancel"] {
            let wrong = try await request(command, "sys.health", bus)
            #expect(wrong.ending == .status(2) && wrong.text.contains("expected 1 to 128"), "\(wrong.text)")
        }
        try await bus.stop()
    }

    /// Ctrl-C reaches `up` alone, a service manager's signal everybody.
    @Test(arguments: ["up", "everybody"]) func aStopWithWorkInHandWaitsForTheWorkers(signalled: String) async throws {
        let bus = try await LiveBus(["--mock"])
        try await bus.run("stop_with_work.py", environment: ["SIGNALLED": signalled])
        try await bus.end()
    }
}
