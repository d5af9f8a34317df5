import CoreTypes
import Glibc
import Testing

@testable import MockProvider

/// Waits are drawn as their distribution says; all seeds are fixed, so that each test is the same in every run.
@Suite struct LatencyTests {
    private func draws(_ latency: MockLatency, count: Int = 20_000, seed: UInt64 = 1) -> [Double] {
        var generator = SeededGenerator(seed: seed)
        return (0..<count).map { _ in Double(latency.milliseconds(drawnBy: &generator)) }
    }

    private func mean(_ values: [Double]) -> Double { values.reduce(0, +) / Double(values.count) }

    private func deviation(_ values: [Double]) -> Double {
        let middle = mean(values)
        return (values.reduce(0) { $0 + ($1 - middle) * ($1 - middle) } / Double(values.count)).squareRoot()
    }

    private func quantile(_ values: [Double], _ share: Double) -> Double {
        values.sorted()[Int(Double(values.count) * share)]
    }

    @Test func fixedIsAlwaysTheSame() {
        #expect(Set(draws(MockLatency(milliseconds: 250), count: 100)) == [250])
    }

    @Test func uniformHasItsMeanAndBounds() {
        let values = draws(MockLatency(100...300))
        #expect(values.min() == 100)
        #expect(values.max() == 300)
        #expect(abs(mean(values) - 200) < 2)
        // The deviation of a uniform distribution is its width by the root of twelve.
        #expect(abs(deviation(values) - 201 / 12.squareRoot()) < 1)
    }

    @Test func exponentialHasItsMeanAndDeviation() {
        let values = draws(MockLatency(.exponential(mean: 400)))
        #expect(abs(mean(values) - 400) < 10)
        #expect(abs(deviation(values) - 400) < 15)
        #expect(abs(quantile(values, 0.5) - 400 * log(2)) < 10)
    }

    @Test func lognormalHasItsMedianAndTail() {
        let values = draws(MockLatency(.lognormal(median: 800, p99: 6000)), count: 50_000)
        #expect(abs(quantile(values, 0.5) - 800) < 20)
        #expect(abs(quantile(values, 0.99) - 6000) < 400)
        let logarithms = values.map { log($0) }
        #expect(abs(mean(logarithms) - log(800)) < 0.02)
        #expect(abs(deviation(logarithms) - log(7.5) / 2.3263) < 0.02)
    }

    @Test func drawsAreMovedToTheBounds() {
        let values = draws(MockLatency(.lognormal(median: 100, sigma: 10), within: 50...200), count: 2000)
        #expect(values.min() == 50)
        #expect(values.max() == 200)
        let wide = draws(MockLatency(.lognormal(median: 86_400_000, sigma: 10)), count: 2000)
        #expect(wide.max() == Double(MockLatency.millisecondsLimit))
    }

    @Test func playbookDrawsTheSameForTheSameCallsInAnyOrder() {
        func waits(seed: UInt64, ids: [String]) -> [String: Int] {
            let latency = MockLatency(.exponential(mean: 1000), seed: seed)
            let rule = MockRule(model: "*", behaviour: MockBehaviour(.answer, latency: latency))
            var playbook = Playbook(script: MockScript(rules: [rule]), countedIDsMax: 1000)
            var waits: [String: Int] = [:]
            for id in ids { waits[id] = playbook.decide(model: "m", id: id).latencyMilliseconds }
            return waits
        }
        let ids = (0..<50).map { "id-\($0)" }
        let first = waits(seed: 7, ids: ids)
        #expect(waits(seed: 7, ids: ids.reversed()) == first)
        #expect(waits(seed: 8, ids: ids) != first)
        #expect(Set(first.values).count > 40)
    }

    @Test(arguments: [
        ("ok+exp-400", MockLatency(.exponential(mean: 400))),
        ("status-503+log-800-6000", MockLatency(.lognormal(median: 800, p99: 6000))),
        ("ok+5-20", MockLatency(5...20)), ("ok-7", MockLatency(milliseconds: 7)),
    ])
    func distributionsAreNamed(name: String, latency: MockLatency) throws {
        #expect(try MockBehaviour(named: name).latency == latency)
    }

    @Test(arguments: ["ok+exp", "ok+exp-0", "ok+exp-a", "ok+log-5", "ok+log-9-8", "ok+log-1-2-3", "ok+norm-1"])
    func wrongDistributionsAreRefused(name: String) {
        let error = #expect(throws: MockError.self) { try MockBehaviour(named: name) }
        #expect(error?.message.contains("\"\(name)\"") == true)
    }
}
