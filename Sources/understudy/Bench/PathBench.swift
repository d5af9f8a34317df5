import Benchmarks
import CoreTypes
import EventLoop
import ZeroMQ

/// `bench path`: agents, broker, workers, mock provider and back, each a process of its own.
struct PathBench: Sendable {
    private static let workerCount = 2
    private static let agentCount = 4
    private static let bodyBytes = 1024

    /// How often everything is measured.
    var repetitions: Int
    /// Whether a look is enough.
    var isQuick: Bool
    /// Requests a second while many are in flight.
    var flightRate: Double
    /// The rates at which times are taken.
    var rates: [Double]

    private var flights: [Int] { isQuick ? [50, 100] : [100, 1000, 5000, 10_000] }
    private var span: Duration { isQuick ? .milliseconds(500) : .seconds(8) }

    /// Measures on `stage`.
    func run(_ stage: BenchStage, _ progress: BenchProgress) async throws -> BenchReport {
        var report = BenchReport("path", processorCount: Machine.processorCount)
        for repetition in 1...repetitions {
            if let load = Machine.load { report.loads.append(load) }
            let capacity = (flights.max() ?? 0) * 2
            let bus = try await BenchBus(
                stage,
                name: "path-\(repetition)",
                workers: Self.workerCount,
                capacity: capacity
            )
            let loop = try EventLoop(name: "agents")
            let agents = AgentLoad(on: loop, name: "path-\(repetition)", body: Self.body(latency: 0))
            try await agents.connect(stage.directory.endpoints, context: try Context(), connections: Self.agentCount)
            try await agents.run(count: isQuick ? 100 : 1000, window: 16)
            _ = await agents.take()
            let empty = bus.memory()
            for flight in flights {
                progress.show("repetition \(repetition) of \(repetitions): \(flight) in flight")
                try await measure(inFlight: flight, bus, agents, empty: empty, into: &report)
            }
            for rate in rates {
                progress.show("repetition \(repetition) of \(repetitions): \(Int(rate)) requests/s")
                try await measure(rate: rate, bus, agents, into: &report)
            }
            progress.show("repetition \(repetition) of \(repetitions): as many as it takes")
            try await measureThroughput(bus, agents, into: &report)
            await agents.close()
            loop.shutDown()
            await loop.ended()
            try await bus.stop(stage)
        }
        if let load = Machine.load { report.loads.append(load) }
        return report
    }

    /// A request whose answer takes so many milliseconds.
    private static func body(latency: Int) -> [UInt8] {
        BenchMessages.requestBody(byteCount: bodyBytes, model: latency == 0 ? "mock/ok" : "mock/ok+\(latency)")
    }

    /// The same number of requests a second, whose answers take longer the more are to be in flight.
    private func measure(
        inFlight flight: Int,
        _ bus: BenchBus,
        _ agents: AgentLoad,
        empty: (broker: Int, workers: Int),
        into report: inout BenchReport
    ) async throws {
        let latency = Double(flight) / flightRate
        await agents.use(body: Self.body(latency: Int(latency * 1000)))
        await agents.begin(rate: flightRate)
        // Until as many come back as are sent, so that connections are made before it counts.
        try await Task.sleep(for: .seconds(latency) + span / 4)
        _ = await agents.take()
        let before = try bus.times()
        let begun = Machine.nanoseconds
        try await Task.sleep(for: span)
        let after = try bus.times()
        let elapsed = Double(Machine.nanoseconds - begun) / 1e9
        let tally = await agents.take()
        let (memory, open) = (bus.memory(), await agents.openCount)
        try await agents.finish()
        let rest = await agents.take()
        let name = "\(flight) in flight"
        report.add(Double(tally.replies) / elapsed, "requests", unit: "1/s", to: name)
        report.add(before, to: after, requests: tally.replies, case: name)
        report.add(Double(open), "in flight", to: name)
        let count = Double(max(1, open)) * 1024
        report.add(Double(memory.broker - empty.broker) / count, "broker memory/request", unit: "KiB", to: name)
        report.add(Double(memory.workers - empty.workers) / count, "workers memory/request", unit: "KiB", to: name)
        report.add(Double(tally.failures + rest.failures), "failed", to: name)
        let figure = "CPU broker+workers"
        guard flight != flights[0], let ours = report.values(figure, of: name).last,
            let first = report.values(figure, of: "\(flights[0]) in flight").last
        else { return }
        report.add(ours / first, "CPU broker+workers ratio", to: "\(flight) in flight to \(flights[0])")
    }

    private func measure(
        rate: Double,
        _ bus: BenchBus,
        _ agents: AgentLoad,
        into report: inout BenchReport
    ) async throws {
        await agents.use(body: Self.body(latency: 0))
        await agents.begin(rate: rate)
        try await Task.sleep(for: span / 8)
        _ = await agents.take()
        let before = try bus.times()
        let begun = Machine.nanoseconds
        try await Task.sleep(for: span / 2)
        let after = try bus.times()
        let elapsed = Double(Machine.nanoseconds - begun) / 1e9
        let tally = await agents.take()
        try await agents.finish()
        enter(tally, "\(Int(rate)) requests/s", elapsed, before, after, into: &report)
    }

    private func measureThroughput(_ bus: BenchBus, _ agents: AgentLoad, into report: inout BenchReport) async throws {
        let count = isQuick ? 500 : 20_000
        try await agents.run(count: count / 10, window: 64)
        _ = await agents.take()
        let before = try bus.times()
        let begun = Machine.nanoseconds
        try await agents.run(count: count, window: 64)
        let elapsed = Double(Machine.nanoseconds - begun) / 1e9
        let after = try bus.times()
        enter(await agents.take(), "64 open at a time", elapsed, before, after, into: &report)
    }

    private func enter(
        _ tally: AgentLoad.Tally,
        _ name: String,
        _ elapsed: Double,
        _ before: BenchBus.Times,
        _ after: BenchBus.Times,
        into report: inout BenchReport
    ) {
        report.add(Double(tally.replies) / elapsed, "requests", unit: "1/s", to: name)
        report.add(before, to: after, requests: tally.replies, case: name)
        let times = tally.latencies.microseconds(at: [0.5, 0.99]) ?? [.nan, .nan]
        report.add(times[0] / 1000, "p50", unit: "ms", to: name)
        report.add(times[1] / 1000, "p99", unit: "ms", to: name)
        report.add(Double(tally.failures), "failed", to: name)
    }
}
