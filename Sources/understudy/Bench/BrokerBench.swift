import Benchmarks
import CoreTypes
import EventLoop
import Glibc
import ZeroMQ

/// `bench broker`: the broker alone, between agents and workers that do as little as possible.
struct BrokerBench: Sendable {
    /// Something that is measured on its own.
    private struct Trial: Sendable {
        var name: String
        var bytes: Int
        var window: Int
        var count: Int
    }

    /// Agents' connections, and workers.
    private static let agentCount = 8
    private static let workerCount = 4
    private static let window = 256

    /// How often everything is measured.
    var repetitions: Int
    /// Whether a look is enough.
    var isQuick: Bool
    /// What the broker is compared with; nil for nothing.
    var against: String?

    private var trials: [Trial] {
        let scale = isQuick ? 100 : 1
        return [
            Trial(name: "windowed 1 KiB", bytes: 1024, window: Self.window, count: 40_000 / scale),
            Trial(name: "windowed 16 KiB", bytes: 16 << 10, window: Self.window, count: 16_000 / scale),
            Trial(name: "lock-step 1 KiB", bytes: 1024, window: 1, count: 4000 / scale),
            Trial(name: "lock-step 16 KiB", bytes: 16 << 10, window: 1, count: 4000 / scale),
        ]
    }

    /// Measures on `stage`.
    func run(_ stage: BenchStage, _ progress: BenchProgress) async throws -> BenchReport {
        var report = BenchReport("broker", processorCount: Machine.processorCount)
        var rival: Rival?
        if let against { rival = try await Rival(against, on: stage) }
        for repetition in 1...repetitions {
            progress.show("repetition \(repetition) of \(repetitions)")
            if let load = Machine.load { report.loads.append(load) }
            try await measure(rival, into: &report, stage)
        }
        if let load = Machine.load { report.loads.append(load) }
        return report
    }

    private func measure(_ rival: Rival?, into report: inout BenchReport, _ stage: BenchStage) async throws {
        let broker = try await stage.start("broker", ["--directory", stage.directory.path]).meter
        let load = try await Load(stage.directory.endpoints)
        for trial in trials {
            try await measure(trial, broker, load, into: &report)
            guard let rival else { continue }
            let foreign = try await rival.measure(
                Rival.Trial(bytes: trial.bytes, window: trial.window, count: trial.count),
                on: stage
            )
            compare(trial.name, with: foreign, in: &report)
        }
        await load.close()
        try await stage.stop(broker)
    }

    private func measure(
        _ trial: Trial,
        _ broker: ProcessMeter,
        _ load: Load,
        into report: inout BenchReport
    ) async throws {
        await load.agents.use(body: BenchMessages.requestBody(byteCount: trial.bytes))
        await load.workers.use(replyBody: BenchMessages.replyBody(byteCount: trial.bytes))
        try await run(trial.window, count: max(trial.window, trial.count / 10), load)
        _ = await load.agents.take()
        _ = try await load.workers.takeMessages()
        _ = await load.tap.take()
        let own = ProcessMeter(pid: getpid())
        guard let before = broker.cpuNanoseconds, let ownBefore = own.cpuNanoseconds else { throw Self.brokerIsGone }
        let begun = Machine.nanoseconds
        try await run(trial.window, count: trial.count, load)
        let elapsed = Machine.nanoseconds - begun
        guard let after = broker.cpuNanoseconds, let ownAfter = own.cpuNanoseconds else { throw Self.brokerIsGone }
        let tally = await load.agents.take()
        let messages = tally.messages + (try await load.workers.takeMessages()) + (await load.tap.take())
        guard tally.replies == trial.count, let times = tally.latencies.microseconds(at: [0.5, 0.99]) else {
            throw CommandFailure(.failed, "\(tally.failures) of \(trial.count) requests got no reply")
        }
        let requests = Double(trial.count)
        let cpu = Double(after - before) / 1000
        report.add(requests * 1e9 / Double(elapsed), "round trips", unit: "1/s", to: trial.name)
        report.add(Double(messages) / requests, "messages/request", to: trial.name)
        report.add(cpu / requests, "broker CPU/request", unit: "us", to: trial.name)
        report.add(cpu / Double(messages), "broker CPU/message", unit: "us", to: trial.name)
        report.add(times[0], "p50", unit: "us", to: trial.name)
        report.add(times[1], "p99", unit: "us", to: trial.name)
        report.add(Double(ownAfter - ownBefore) / 1000 / requests, "load CPU/request", unit: "us", to: trial.name)
    }

    private func run(_ window: Int, count: Int, _ load: Load) async throws {
        if window == 1 {
            try await load.agents.runLockStep(count: count)
        } else {
            try await load.agents.run(count: count, window: window)
        }
    }

    /// Enters the rival's figures, and ours divided by them.
    private func compare(_ name: String, with foreign: ForeignFigures, in report: inout BenchReport) {
        let pairs = [
            (ForeignFigures.Name.roundTrips, "round trips", "1/s"),
            (ForeignFigures.Name.cpuPerMessage, "broker CPU/message", "us"),
            (ForeignFigures.Name.p50, "p50", "us"), (ForeignFigures.Name.p99, "p99", "us"),
        ]
        for (key, figure, unit) in pairs {
            guard let theirs = foreign.values[key], let ours = report.values(figure, of: name).last else { continue }
            report.add(theirs, figure, unit: unit, to: "\(name), rival")
            report.add(ours / theirs, figure + " ratio", to: "\(name), to rival's")
        }
    }

    private static var brokerIsGone: CommandFailure { CommandFailure(.failed, "the broker is gone") }

    /// Agents, workers and a reader of telemetry, agents on a thread of their own.
    private struct Load: Sendable {
        let agents: AgentLoad
        let workers: WorkerLoad
        let tap: EventTap
        private let loops: [EventLoop]

        init(_ directory: EndpointDirectory) async throws {
            let agentLoop = try EventLoop(name: "agents")
            let workerLoop = try EventLoop(name: "workers")
            loops = [agentLoop, workerLoop]
            agents = AgentLoad(on: agentLoop, name: "broker", body: [])
            workers = WorkerLoad(on: workerLoop, capacity: BrokerBench.window, replyBody: [])
            tap = EventTap(on: workerLoop)
            let context = try Context()
            try await workers.connect(directory, context: context, count: BrokerBench.workerCount)
            try await tap.connect(directory, context: context)
            try await agents.connect(directory, context: try Context(), connections: BrokerBench.agentCount)
        }

        func close() async {
            await agents.close()
            await workers.close()
            await tap.close()
            for loop in loops {
                loop.shutDown()
                await loop.ended()
            }
        }
    }
}
