import Benchmarks
import CoreTypes
import EventLoop
import ZeroMQ

/// `bench workers`: the same load on 1, 2, 4, 8 and 16 worker processes.
struct WorkersBench: Sendable {
    private static let window = 256
    /// Two beats of the broker and a little.
    private static let warmUp: Duration = .milliseconds(2500)

    /// How often everything is measured.
    var repetitions: Int
    /// Whether a look is enough.
    var isQuick: Bool

    private var counts: [Int] { isQuick ? [1, 2] : [1, 2, 4, 8, 16] }
    private var requestCount: Int { isQuick ? 500 : 24_000 }

    /// Measures on `stage`.
    func run(_ stage: BenchStage, _ progress: BenchProgress) async throws -> BenchReport {
        var report = BenchReport("workers", processorCount: Machine.processorCount)
        for repetition in 1...repetitions {
            if let load = Machine.load { report.loads.append(load) }
            for count in counts {
                progress.show("repetition \(repetition) of \(repetitions): \(count) workers")
                try await measure(count, repetition, stage, into: &report)
            }
        }
        if let load = Machine.load { report.loads.append(load) }
        return report
    }

    private func measure(
        _ count: Int,
        _ repetition: Int,
        _ stage: BenchStage,
        into report: inout BenchReport
    ) async throws {
        let name = "workers-\(count)-\(repetition)"
        let bus = try await BenchBus(stage, name: name, workers: count, capacity: Self.window)
        let loop = try EventLoop(name: "agents")
        let body = BenchMessages.requestBody(byteCount: 1024, model: "mock/ok+20")
        let agents = AgentLoad(on: loop, name: name, body: body)
        try await agents.connect(stage.directory.endpoints, context: try Context(), connections: 4)
        // Every connection to the provider is made once, and is kept; and the broker, which spreads requests by the rate
        // at which they ended in the last beat, has seen the rate.
        let until = loop.now().advanced(by: isQuick ? .zero : Self.warmUp)
        repeat {
            try await agents.run(count: Self.window * 4, window: Self.window)
        } while loop.now() < until
        _ = await agents.take()
        let before = try bus.times()
        let begun = Machine.nanoseconds
        try await agents.run(count: requestCount, window: Self.window)
        let elapsed = Double(Machine.nanoseconds - begun) / 1e9
        let after = try bus.times()
        let tally = await agents.take()
        await agents.close()
        loop.shutDown()
        await loop.ended()
        try await bus.stop(stage)

        let entry = count == 1 ? "1 worker" : "\(count) workers"
        let times = tally.latencies.microseconds(at: [0.5, 0.99]) ?? [.nan, .nan]
        report.add(Double(tally.replies) / elapsed, "requests", unit: "1/s", to: entry)
        report.add(before, to: after, requests: tally.replies, case: entry)
        report.add(times[0] / 1000, "p50", unit: "ms", to: entry)
        report.add(times[1] / 1000, "p99", unit: "ms", to: entry)
        report.add(Double(tally.failures), "failed", to: entry)
        let figure = "CPU broker+workers"
        guard count > 2, let ours = report.values(figure, of: entry).last,
            let two = report.values(figure, of: "2 workers").last
        else { return }
        report.add(ours / two, "CPU broker+workers ratio", to: "\(count) workers to 2")
    }
}
