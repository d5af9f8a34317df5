import BusProtocol
import Configuration
import CoreTypes
import EventLoop
import JSON
import Telemetry
import UnderstudyClient

/// Plays the day on real processes: a bus for each phase, one after another, with one database.
///
/// Lives on the loop of its host, as the buses do.
actor DemoStage {
    /// Lines of children that are kept for the case that something goes wrong.
    private static let linesMax = 20

    private nonisolated let loop: EventLoop
    private let environment: [String: String]
    private let executable: String
    private let day = DemoDay()
    private var bus: Bus?
    private var agents: Task<DemoAgents.Progress, any Error>?
    private var lines: [String] = []
    private var isInterrupted = false

    /// Runs on the loop's thread.
    nonisolated var unownedExecutor: UnownedSerialExecutor { unsafe loop.asUnownedSerialExecutor() }

    /// Makes a stage; nothing runs yet.
    ///
    /// - Parameters:
    ///   - environment: That of this process; children get of it what they need.
    ///   - executable: The program that plays the roles; by default this one.
    init(loop: EventLoop, environment: [String: String], executable: String = "/proc/self/exe") {
        self.loop = loop
        self.executable = executable
        // The mock provider is on this machine, and nothing of the user's own bus is used.
        self.environment = environment.filter { name, _ in
            !ChildEnvironment.transport.contains(name) && !name.hasPrefix("UNDERSTUDY_")
        }
    }

    /// Plays all phases and reads the report from the database; leaves nothing behind.
    func play(_ phases: [DemoPhase]) async throws -> Report {
        DemoDirectory.removeOrphans(in: environment["TMPDIR"])
        let directory = try DemoDirectory(parent: environment["TMPDIR"])
        defer { directory.remove() }
        let claim = try directory.claim()
        defer { withExtendedLifetime(claim) {} }
        let script = try directory.write(day.script.serialized(), to: "script.json")
        var columns: [Report.EpochColumn] = []
        for phase in phases {
            let epoch = try await play(phase, directory, script: script)
            columns.append(Report.EpochColumn(title: phase.title, epochs: [epoch]))
        }
        let database = try TelemetryDatabase(path: Settings().telemetry.databasePath(inDirectory: directory.path))
        return try Report(reading: database, by: .epochs(columns))
    }

    /// Ends the play; the second call kills what still runs.
    nonisolated func stop() {
        loop.execute { self.assumeIsolated { $0.interrupt() } }
    }

    private func interrupt() {
        isInterrupted = true
        agents?.cancel()
        bus?.stop()
    }

    // MARK: One phase

    /// Gives the start of the phase's broker, under which its events are kept.
    private func play(_ phase: DemoPhase, _ directory: DemoDirectory, script: String) async throws -> UInt64 {
        if isInterrupted { throw interrupted }
        let begun = loop.now()
        let progress = DemoProgress(phase.title, total: day.tasks.count)
        let (reports, reporter) = AsyncStream.makeStream(of: Bus.Report.self)
        var life = reports.makeAsyncIterator()
        start(phase, directory, script: script, reporter)
        do {
            guard case .ready = await life.next() else { throw failure("the bus did not start") }
            let (epoch, tally) = try await work(directory, progress)
            bus?.stop()
            _ = await life.next()
            bus = nil
            if isInterrupted { throw interrupted }
            progress.finish(tally, took: begun.duration(to: loop.now()))
            return epoch
        } catch {
            progress.abandon()
            if bus != nil, !isInterrupted { bus?.stop() }
            while await life.next() != nil {}
            bus = nil
            throw isInterrupted ? interrupted : error
        }
    }

    private func start(
        _ phase: DemoPhase,
        _ directory: DemoDirectory,
        script: String,
        _ reporter: AsyncStream<Bus.Report>.Continuation
    ) {
        var settings = phase.settings
        // The phases play the same requests, under the same ids: what one has answered the other must not know.
        settings.bus.journal = "\(directory.path)/journal-\(phase.title.filter(\.isLetter)).sqlite"
        let configuration = Bus.Configuration(
            settings: settings,
            directory: directory.endpoints,
            workers: 2,
            isMocked: true,
            script: script,
            environment: environment,
            executable: executable
        )
        let bus = Bus(loop: loop, configuration: configuration) { report in
            switch report {
            case .line(let source, let text):
                self.keep("\(source) | \(text)")
            case .ready:
                reporter.yield(report)
            case .finished:
                reporter.yield(report)
                reporter.finish()
            }
        }
        self.bus = bus
        bus.start()
    }

    private func work(
        _ directory: DemoDirectory,
        _ progress: DemoProgress
    ) async throws -> (epoch: UInt64, tally: DemoAgents.Progress) {
        let client = try await UnderstudyClient.connect(to: directory.endpoints)
        do {
            let epoch = try await client.hello(name: "demo").epoch
            let crew = DemoAgents(client: client, day: day)
            let agents = Task { () throws -> DemoAgents.Progress in
                var last = DemoAgents.Progress()
                try await crew.work { now in
                    last = now
                    progress.show(now)
                }
                return last
            }
            self.agents = agents
            if isInterrupted { agents.cancel() }
            let tally = try await agents.value
            await client.close()
            return (UInt64(clamping: epoch), tally)
        } catch {
            await client.close()
            throw failure("\(error)")
        }
    }

    // MARK: Trouble

    private func keep(_ line: String) {
        lines.append(line)
        if lines.count > Self.linesMax { lines.removeFirst() }
    }

    private func failure(_ text: String) -> CommandFailure {
        CommandFailure(.failed, ([text] + lines).joined(separator: "\n  "))
    }

    private var interrupted: CommandFailure {
        CommandFailure(.failed, "stopped before the end; nothing was left behind")
    }
}
