import Benchmarks
import CoreTypes
import EventLoop
import Glibc
import ZeroMQ

/// `bench journal`: what it costs that accepted requests are kept on disk.
struct JournalBench: Sendable {
    private static let submitterCount = 64
    private static let agentCount = 8
    private static let workerCount = 4
    private static let window = 256
    private static let bodyBytes = 1024
    /// Requests a second while the time from `REQUEST` to `JOB` is measured.
    private static let dispatchRate = 500.0

    /// How often everything is measured.
    var repetitions: Int
    /// Whether a look is enough.
    var isQuick: Bool
    /// Where the journal's directory is made.
    var parent: String

    private var syncCount: Int { isQuick ? 20 : 300 }
    private var openCount: Int { isQuick ? 200 : 10_000 }
    private var requestCount: Int { isQuick ? 300 : 20_000 }
    /// How often the durabilities take turns within a repetition, and how long each turn lasts.
    private var turns: (count: Int, span: Duration) { isQuick ? (1, .milliseconds(200)) : (4, .seconds(1)) }

    /// Measures on `stage`.
    func run(_ stage: BenchStage, _ progress: BenchProgress) async throws -> BenchReport {
        var report = BenchReport("journal", processorCount: Machine.processorCount)
        for repetition in 1...repetitions {
            if let load = Machine.load { report.loads.append(load) }
            progress.show("repetition \(repetition) of \(repetitions): ACCEPTED and restart")
            try await measureRestart(repetition, stage, into: &report)
            progress.show("repetition \(repetition) of \(repetitions): complete requests")
            try await measureRequests(repetition, stage, into: &report)
        }
        if let load = Machine.load { report.loads.append(load) }
        return report
    }

    // MARK: ACCEPTED, death and return

    private func measureRestart(_ repetition: Int, _ stage: BenchStage, into report: inout BenchReport) async throws {
        let disk = try await stage.makeDirectory(in: parent)
        let probe = DiskProbe(disk.path)
        let arguments = [
            "--directory", stage.directory.path, "--journal", "\(disk.path)/restart-\(repetition).sqlite",
        ]
        let broker = try await stage.start("broker", arguments).meter
        let loop = try EventLoop(name: "agents")
        let agents = SubmitterLoad(
            on: loop,
            name: "restart-\(repetition)",
            count: Self.submitterCount,
            body: BenchMessages.requestBody(byteCount: Self.bodyBytes)
        )
        try await agents.connect(stage.directory.endpoints, context: try Context())

        var syncs = try probe.syncTimes(count: syncCount)
        let begun = Machine.nanoseconds
        let before = broker.cpuNanoseconds ?? 0
        let tally = try await agents.submit(openCount)
        let elapsed = Double(Machine.nanoseconds - begun) / 1e9
        let cpu = Double((broker.cpuNanoseconds ?? 0) - before) / 1000 / Double(openCount)
        syncs.add(try probe.syncTimes(count: syncCount))
        enter(tally, elapsed, syncs, cpu: cpu, probe.fileSystem, into: &report)

        await stage.kill(broker)
        try await measureReturn(arguments, agents, stage, into: &report)
        await agents.close()
        loop.shutDown()
        await loop.ended()
    }

    private func enter(
        _ tally: AgentLoad.Tally,
        _ elapsed: Double,
        _ syncs: Latencies,
        cpu: Double,
        _ fileSystem: String,
        into report: inout BenchReport
    ) {
        let times = syncs.microseconds(at: [0.5, 0.99]) ?? [.nan, .nan]
        let disk = "append of 4 KiB on \(fileSystem)"
        report.add(times[0], "fdatasync p50", unit: "us", to: disk)
        report.add(times[1], "fdatasync p99", unit: "us", to: disk)
        let name = "\(Self.submitterCount) submitters, durable"
        let rate = Double(openCount) / elapsed
        let goal = 0.5 * Double(Self.submitterCount) / (times[0] / 1e6)
        let waits = tally.latencies.microseconds(at: [0.5, 0.99]) ?? [.nan, .nan]
        report.add(rate, "ACCEPTED", unit: "1/s", to: name)
        report.add(goal, "0.5 x \(Self.submitterCount) / fdatasync", unit: "1/s", to: name)
        report.add(rate / goal, "ratio", to: name)
        report.add(waits[0], "p50", unit: "us", to: name)
        report.add(waits[1], "p99", unit: "us", to: name)
        report.add(cpu, "broker CPU/request", unit: "us", to: name)
    }

    /// Starts the broker again; its workers wait for it already.
    private func measureReturn(
        _ arguments: [String],
        _ agents: SubmitterLoad,
        _ stage: BenchStage,
        into report: inout BenchReport
    ) async throws {
        let loop = try EventLoop(name: "workers")
        let reply = BenchMessages.replyBody(byteCount: Self.bodyBytes)
        let workers = WorkerLoad(on: loop, capacity: Self.window, replyBody: reply)
        let context = try Context()
        let begun = Machine.nanoseconds
        async let connecting: Void = workers.connect(
            stage.directory.endpoints,
            context: context,
            count: Self.workerCount
        )
        let broker = try await stage.start("broker", arguments).meter
        let ready = Machine.nanoseconds
        try await connecting
        try await agents.reach()
        let tally = try await agents.fetch()
        let answered = Machine.nanoseconds
        let first = await workers.firstJobAt ?? .max
        _ = try await workers.takeMessages()
        let name = "killed with \(openCount) open"
        report.add(Double(ready - begun) / 1e6, "exec to ready", unit: "ms", to: name)
        report.add(Double(first - begun) / 1e6, "exec to first JOB", unit: "ms", to: name)
        report.add(Double(answered - begun) / 1e9, "exec to last answer", unit: "s", to: name)
        report.add(Double(tally.replies), "answered", to: name)
        report.add(Double(openCount - tally.replies), "lost", to: name)
        await workers.close()
        loop.shutDown()
        await loop.ended()
        try await stage.stop(broker)
    }

    // MARK: Complete requests

    private func measureRequests(_ repetition: Int, _ stage: BenchStage, into report: inout BenchReport) async throws {
        let disk = try await stage.makeDirectory(in: parent)
        let plain = try await stage.makeDirectory()
        let kept = try await JournalBenchSide(
            stage,
            in: stage.directory,
            ["--journal", "\(disk.path)/requests-\(repetition).sqlite"]
        )
        let bare = try await JournalBenchSide(stage, in: plain, ["--no-journal"])
        try await warmUp(kept, bare)
        let without = "complete, memory, no journal"
        let beside = "complete, memory, journal open"
        try await measure(bare, BenchMessages.memoryHeader, without, into: &report)
        try await measure(kept, BenchMessages.memoryHeader, beside, into: &report)
        try await measure(kept, BenchMessages.diskHeader, "complete, disk", into: &report)
        let rate = "requests"
        if let ours = report.values(rate, of: beside).last, let theirs = report.values(rate, of: without).last {
            report.add(ours / theirs, "requests ratio", to: "memory, journal open to none")
        }
        try await measureDispatch(kept, into: &report)
        try await bare.close(stage)
        try await kept.close(stage)
    }

    private func warmUp(_ kept: JournalBenchSide, _ bare: JournalBenchSide) async throws {
        for (side, header) in [
            (kept, BenchMessages.memoryHeader), (kept, BenchMessages.diskHeader), (bare, BenchMessages.memoryHeader),
        ] {
            await side.agents.use(stampedHeader: header)
            try await side.agents.run(count: max(Self.window, requestCount / 10), window: Self.window)
        }
    }

    private func measure(
        _ side: JournalBenchSide,
        _ header: [UInt8],
        _ name: String,
        into report: inout BenchReport
    ) async throws {
        await side.agents.use(stampedHeader: header)
        _ = await side.agents.take()
        let before = side.broker.cpuNanoseconds ?? 0
        let begun = Machine.nanoseconds
        try await side.agents.run(count: requestCount, window: Self.window)
        let elapsed = Double(Machine.nanoseconds - begun) / 1e9
        let cpu = Double((side.broker.cpuNanoseconds ?? 0) - before) / 1000
        let tally = await side.agents.take()
        _ = try await side.workers.takeMessages()
        guard tally.replies == requestCount else {
            throw CommandFailure(.failed, "\(requestCount - tally.replies) of \(requestCount) requests got no reply")
        }
        let times = tally.latencies.microseconds(at: [0.5, 0.99]) ?? [.nan, .nan]
        report.add(Double(requestCount) / elapsed, "requests", unit: "1/s", to: name)
        report.add(cpu / Double(requestCount), "broker CPU/request", unit: "us", to: name)
        report.add(times[0], "p50", unit: "us", to: name)
        report.add(times[1], "p99", unit: "us", to: name)
    }

    /// So many requests a second of either durability, in turns: both wait for the same machine then, as busy or idle.
    private func measureDispatch(_ side: JournalBenchSide, into report: inout BenchReport) async throws {
        var times = (disk: Latencies(), memory: Latencies())
        for _ in 0..<turns.count {
            times.memory.add(try await jobTimes(side, BenchMessages.memoryHeader))
            times.disk.add(try await jobTimes(side, BenchMessages.diskHeader))
        }
        guard let disk = times.disk.microseconds(at: [0.5, 0.99]),
            let memory = times.memory.microseconds(at: [0.5, 0.99])
        else { throw CommandFailure(.failed, "no JOB came") }
        for (name, values) in [("REQUEST to JOB, disk", disk), ("REQUEST to JOB, memory", memory)] {
            report.add(values[0], "p50", unit: "us", to: name)
            report.add(values[1], "p99", unit: "us", to: name)
        }
        report.add(disk[0] / memory[0], "p50 ratio", to: "REQUEST to JOB, disk to memory")
    }

    private func jobTimes(_ side: JournalBenchSide, _ header: [UInt8]) async throws -> Latencies {
        await side.agents.use(stampedHeader: header)
        await side.agents.begin(rate: Self.dispatchRate)
        try await Task.sleep(for: turns.span / 4)
        _ = await side.workers.takeJobTimes()
        try await Task.sleep(for: turns.span)
        try await side.agents.finish()
        return await side.workers.takeJobTimes()
    }

    /// A broker with agents and workers of its own.
    private struct JournalBenchSide: Sendable {
        let broker: ProcessMeter
        let agents: AgentLoad
        let workers: WorkerLoad
        private let loops: [EventLoop]

        init(_ stage: BenchStage, in directory: DemoDirectory, _ arguments: [String]) async throws {
            broker = try await stage.start("broker", ["--directory", directory.path] + arguments).meter
            let agentLoop = try EventLoop(name: "agents")
            let workerLoop = try EventLoop(name: "workers")
            loops = [agentLoop, workerLoop]
            let body = BenchMessages.requestBody(byteCount: JournalBench.bodyBytes)
            let reply = BenchMessages.replyBody(byteCount: JournalBench.bodyBytes)
            agents = AgentLoad(on: agentLoop, name: "journal", body: body)
            workers = WorkerLoad(on: workerLoop, capacity: JournalBench.window, replyBody: reply)
            let context = try Context()
            try await workers.connect(directory.endpoints, context: context, count: JournalBench.workerCount)
            try await agents.connect(
                directory.endpoints,
                context: try Context(),
                connections: JournalBench.agentCount
            )
        }

        func close(_ stage: BenchStage) async throws {
            await agents.close()
            await workers.close()
            for loop in loops {
                loop.shutDown()
                await loop.ended()
            }
            try await stage.stop(broker)
        }
    }
}
