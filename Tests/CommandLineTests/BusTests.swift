import Configuration
import CoreTypes
import EventLoop
import Glibc
import JSON
import Synchronization
import Testing
import ZeroMQ

@testable import understudy

/// A bus whose roles are played by a shell script, and what it reports.
private final class Rehearsal: Sendable {
    private struct State {
        var lines: [String] = []
        var processes: [String: pid_t] = [:]
    }

    let directory: TemporaryDirectory
    private let loop: EventLoop
    private let reports: AsyncStream<Bus.Report>
    // Touched on the loop's thread only.
    nonisolated(unsafe) private var bus: Bus?

    /// - Parameter script: What each role does; `$role` is the first argument, descriptor 3 takes the word "ready".
    init(
        script: String,
        isMocked: Bool = false,
        workers: Int = 2,
        environment: [String: String] = ["PATH": "/usr/bin:/bin"],
        executable: String? = nil
    ) throws {
        directory = try TemporaryDirectory()
        let program = try directory.write("program", "#!/bin/sh\nrole=$1\n" + script, mode: 0o700)
        loop = try EventLoop(name: "rehearsal")
        let (stream, continuation) = AsyncStream.makeStream(of: Bus.Report.self)
        reports = stream
        var settings = Settings()
        settings.bus.drain = .seconds(50)
        let configuration = Bus.Configuration(
            settings: settings,
            directory: try EndpointDirectory(path: directory.path),
            workers: workers,
            isMocked: isMocked,
            environment: environment,
            executable: executable ?? program
        )
        loop.execute { [self] in
            let bus = Bus(loop: loop, configuration: configuration) { continuation.yield($0) }
            unsafe self.bus = bus
            bus.start()
        }
    }

    func stop() {
        loop.execute { [self] in unsafe bus?.stop() }
    }

    func renew() {
        loop.execute { [self] in unsafe bus?.renew() }
    }

    func kill(_ child: String) {
        loop.execute { [self] in
            if let pid = unsafe bus?.processes[child] { Glibc.kill(pid, SIGKILL) }
        }
    }

    /// Waits for the end; calls `each` with every report on the way.
    func end(_ each: (Bus.Report) -> Void) async -> CommandStatus? {
        var status: CommandStatus?
        for await report in reports {
            each(report)
            if case .finished(let found) = report {
                status = found
                break
            }
        }
        loop.execute { [self] in unsafe bus = nil }
        loop.shutDown()
        await loop.ended()
        return status
    }
}

/// Plays a role well: says what it was given, is ready, and waits for SIGTERM.
private let player = """
    trap 'echo "$role stops"; exit 0' TERM
    trap '' USR1
    echo "$role runs: $*"
    if [ "$role" = mock ]; then echo "ready port=4711" >&3; else echo "ready" >&3; fi
    exec 3>&-
    while :; do sleep 0.05; done
    """

@Suite(.timeLimit(.minutes(10))) struct BusTests {
    @Test func aBusStartsAndStopsInOrderAndLeavesNothing() async throws {
        let rehearsal = try Rehearsal(script: player)
        var lines: [String] = []
        var isReady = false
        let status = await rehearsal.end { report in
            switch report {
            case .ready:
                isReady = true
                rehearsal.stop()
            case .line(let source, let text): lines.append("\(source): \(text.prefix { $0 != ":" })")
            case .finished: break
            }
        }
        #expect(status == .ok)
        #expect(isReady)
        #expect(lines.prefix(2) == ["broker: broker runs", "collector: collect runs"])
        #expect(Set(lines[2...3]) == ["worker.1: worker runs", "worker.2: worker runs"])
        #expect(lines[4] == "up: stopping; once more to kill")
        #expect(Set(lines[5...6]) == ["worker.1: worker stops", "worker.2: worker stops"])
        #expect(lines[7...] == ["broker: broker stops", "collector: collect stops"])
        #expect(rehearsal.directory.names == ["broker.lock", "program"])
    }

    @Test func aMockProviderAnswersForAllProvidersOfTheGeneratedConfiguration() async throws {
        let rehearsal = try Rehearsal(script: player, isMocked: true, workers: 1)
        var generated: [String] = []
        var text = ""
        let status = await rehearsal.end { report in
            guard case .ready = report else { return }
            generated = rehearsal.directory.names.filter { $0.hasPrefix("up-") }
            text = (try? rehearsal.directory.read(generated.first ?? "")) ?? ""
            rehearsal.stop()
        }
        #expect(status == .ok)
        #expect(generated == ["up-\(getpid()).json"])
        var settings = try SettingsLoader.parse(Array(text.utf8), file: "generated", directory: "/")
        #expect(settings.providers["openai"]?.baseURL.text == "http://127.0.0.1:4711/openai/v1")
        settings.bus.drain = Settings().bus.drain
        #expect(settings == Settings().answeredByMock(port: 4711))
        #expect(rehearsal.directory.names == ["broker.lock", "program"])
    }

    @Test func aKilledWorkerIsReplaced() async throws {
        let rehearsal = try Rehearsal(script: player, workers: 1)
        var said: [String] = []
        let status = await rehearsal.end { report in
            switch report {
            case .ready: rehearsal.kill("worker.1")
            case .line("up", let text):
                said.append(text)
                if text == "worker.1 is back" { rehearsal.stop() }
            case .line, .finished: break
            }
        }
        #expect(status == .ok)
        #expect(
            said == [
                "worker.1 was ended by signal 9; starting it again in 0.2 s", "worker.1 is back",
                "stopping; once more to kill",
            ]
        )
    }

    @Test func aWorkerRetiresWhenItsSuccessorIsReady() async throws {
        let rehearsal = try Rehearsal(
            script: """
                trap 'echo "retires"; while [ ! -e "$0.go" ]; do sleep 0.05; done; echo "is done"; exit 0' HUP
                """ + "\n" + player,
            workers: 1
        )
        var lines: [String] = []
        let status = await rehearsal.end { report in
            switch report {
            case .ready: rehearsal.renew()
            case .line(let source, let text):
                lines.append("\(source): \(text.prefix { $0 != ":" })")
                // Everything else was replaced while the old worker works on.
                if text == "all processes are new" { _ = try? rehearsal.directory.write("program.go", "") }
                if text == "old worker.1 ended with status 0" { rehearsal.stop() }
            case .finished: break
            }
        }
        #expect(status == .ok)
        let begin = try #require(lines.firstIndex(of: "up: renewing 3 processes one after another"))
        let workers = lines[begin...].filter { $0.contains("worker") }
        #expect(
            workers == [
                "worker.1: worker runs", "up: worker.1 is back", "old worker.1: retires", "old worker.1: is done",
                "up: old worker.1 ended with status 0", "worker.1: worker stops",
            ]
        )
    }

    @Test func aSecondStopKillsWhatIgnoresTheFirst() async throws {
        let rehearsal = try Rehearsal(
            script: """
                trap 'echo "ignored"' TERM
                echo ready >&3
                while :; do sleep 0.05; done
                """,
            workers: 1
        )
        let status = await rehearsal.end { report in
            switch report {
            case .ready: rehearsal.stop()
            case .line("worker.1", "ignored"): rehearsal.stop()
            case .line, .finished: break
            }
        }
        #expect(status == .ok)
    }

    @Test func aDirectoryInUseEndsTheBusWithItsStatus() async throws {
        let rehearsal = try Rehearsal(script: "echo 'in use' >&2; exit 4")
        var lines: [String] = []
        let status = await rehearsal.end { report in
            if case .line(let source, let text) = report { lines.append("\(source): \(text)") }
        }
        #expect(status == .alreadyRunning)
        #expect(lines == ["broker: in use", "up: broker ended with status 4; stopping"])
    }

    @Test func childrenGetTheirEnvironmentAndNothingElse() async throws {
        let rehearsal = try Rehearsal(
            script: """
                for file in /proc/$$/fd/*; do open="$open ${file##*/}"; done
                echo "key ${OPENAI_API_KEY-none} other ${SECRET-none} fds$open"
                echo "group $(ps -o pgid= -p $$ | tr -d ' ') is $$"
                trap 'exit 0' TERM
                echo ready >&3
                while :; do sleep 0.05; done
                """,
            workers: 1,
            environment: ["PATH": "/usr/bin:/bin", "OPENAI_API_KEY": "k", "SECRET": "s"]
        )
        var keys: [String: String] = [:]
        var groups: [Bool] = []
        let status = await rehearsal.end { report in
            switch report {
            case .ready: rehearsal.stop()
            case .line(let source, let text):
                let words = text.split(separator: " ")
                if words.first == "key" { keys[source] = text }
                if words.first == "group" { groups.append(words[1] == words[3]) }
            case .finished: break
            }
        }
        #expect(status == .ok)
        #expect(keys["broker"]?.hasPrefix("key none other none fds ") == true, "\(keys)")
        #expect(keys["worker.1"]?.hasPrefix("key k other none fds ") == true, "\(keys)")
        for text in keys.values {
            // 4 and 10 are the shell's own: the listing and the script.
            let descriptors = Set(text.split(separator: " ").dropFirst(5))
            #expect(descriptors.subtracting(["4", "10"]) == ["0", "1", "2", "3"])
        }
        #expect(groups == [true, true, true])
    }

    @Test func aRoleThatEndsAtOnceIsGivenUp() async throws {
        let rehearsal = try Rehearsal(script: "exit 0")
        var said: [String] = []
        let status = await rehearsal.end { report in
            if case .line("up", let text) = report { said.append(text) }
        }
        #expect(status == .trouble)
        #expect(said.count == Supervisor.startFailuresMax)
    }

    @Test func aProgramThatDoesNotExistIsGivenUp() async throws {
        let rehearsal = try Rehearsal(script: "", executable: "/nowhere/understudy")
        var said: [String] = []
        let status = await rehearsal.end { report in
            if case .line("up", let text) = report { said.append(text) }
        }
        #expect(status == .trouble)
        #expect(said.last?.contains("could not be started (posix_spawn failed: No such file") == true, "\(said)")
    }
}
