import BusProtocol
import CoreTypes
import Testing

@testable import Dispatch

@Suite("Limits of a tenant")
struct TenantLimitTests {
    @Test("open requests: the one too many is rejected, another tenant is not, and an end makes room")
    func openRequests() {
        let bus = Scenario { $0.tenantLimits.openRequestsMax = 2 }
        let agent = bus.attached(1)
        #expect(agent.request("a") == [.accepted("a")])
        #expect(agent.request("b") == [.accepted("b")])
        #expect(bus.attached(1).request("c") == [.rejected(.tenantLimit)])
        #expect(bus.lockStep(1).request("c") == [.rejected(.tenantLimit)])
        #expect(agent.request("a") == [.duplicate("a")])
        #expect(bus.attached(2).request("c") == [.accepted("c")])
        #expect(bus.counters.tenants == 2)
        _ = agent.cancel("a")
        #expect(agent.request("c") == [.accepted("c")])
        #expect(bus.counters.rejected == 2)
        bus.feed(.endAll)
        #expect(bus.counters.tenants == 0)
    }

    @Test("body bytes: of what waits and of what a worker has")
    func openBytes() {
        let bus = Scenario { $0.tenantLimits.openBytesMax = 1000 }
        let worker = bus.readyWorker()
        let agent = bus.attached(1)
        #expect(agent.request("a", bytes: 600) == [.accepted("a")])
        #expect(agent.request("b", bytes: 401) == [.rejected(.tenantLimit)])
        #expect(agent.request("b", bytes: 400) == [.accepted("b")])
        let jobs = worker.takeJobs()
        worker.start(jobs[0], attempt: 1)
        worker.reply(jobs[0])
        _ = agent.take()
        #expect(agent.request("c", bytes: 600) == [.accepted("c")])
        #expect(agent.request("d", bytes: 1) == [.rejected(.tenantLimit)])
    }

    @Test("an entry of its own stands instead of the limits of all")
    func overrides() {
        let bus = Scenario {
            $0.tenantLimits.openRequestsMax = 1
            $0.tenantOverrides[.user(2)] = TenantLimits()
            $0.tenantOverrides[.user(3)] = TenantLimits(openRequestsMax: 2)
        }
        for (user, most) in [(1, 1), (2, 50), (3, 2)] as [(UInt32, Int)] {
            let agent = bus.attached(user)
            let answers = (0..<50).map { agent.request("r\($0)") }
            #expect(answers.count { if case .accepted = $0.first { true } else { false } } == most)
        }
    }

    @Test("rate: a burst, then one per interval; REJECTED tells when, and then there is room")
    func rate() throws {
        let bus = Scenario { $0.tenantLimits.rate = TenantLimits.Rate(requestsPerSecond: 3, burst: 2) }
        let agent = bus.attached(1)
        #expect(agent.request("a") == [.accepted("a")])
        bus.jump(.milliseconds(100))
        #expect(agent.request("b") == [.accepted("b")])
        #expect(agent.request("c") == [.rejected(.tenantLimit)])
        let wait = try #require(
            bus.effects.compactMap { effect in
                if case .answer(_, .rejected(_, let error)) = effect { error.retryAfter } else { nil }
            }.first
        )
        // A third of a second after the first one, rounded up.
        #expect(wait == .milliseconds(234))
        bus.jump(wait - .milliseconds(1))
        #expect(agent.request("c") == [.rejected(.tenantLimit)])
        bus.jump(.milliseconds(1))
        #expect(agent.request("c") == [.accepted("c")])
        #expect(agent.request("d") == [.rejected(.tenantLimit)])
        #expect(bus.attached(2).request("d") == [.accepted("d")])
    }

    @Test("what is rejected for another reason, or known already, takes no token")
    func tokensAreForNewRequests() {
        let bus = Scenario {
            $0.openRequestsMax = 1
            $0.tenantLimits.rate = TenantLimits.Rate(requestsPerSecond: 0.001, burst: 2)
        }
        let agent = bus.attached(1)
        #expect(agent.request("a") == [.accepted("a")])
        for _ in 0..<5 {
            #expect(agent.request("a") == [.duplicate("a")])
            #expect(agent.request("b") == [.rejected(.busy)])
        }
        _ = agent.cancel("a")
        #expect(agent.request("b") == [.accepted("b")])
        _ = agent.cancel("b")
        #expect(agent.request("c") == [.rejected(.tenantLimit)])
    }

    @Test("the bucket lets through what a counted bucket lets through", arguments: 0..<20 as Range<UInt64>)
    func bucket(_ seed: UInt64) {
        var random = SeededGenerator(seed: seed)
        let interval = [Int64(1_000_000), 250_000_000, 1_000_000_000, 125_000][Int.random(in: 0..<4, using: &random)]
        let burst = Int.random(in: 1...20, using: &random)
        var now = Moment(nanoseconds: 5)
        var bucket = TokenBucket(
            TenantLimits.Rate(requestsPerSecond: 1e9 / Double(interval), burst: burst),
            now: now
        )
        // Nanoseconds worth of tokens, counted upwards.
        var level = interval * Int64(burst)
        for _ in 0..<2000 {
            let step = Int64.random(in: 0...(2 * interval), using: &random)
            now = now.advanced(by: .nanoseconds(step))
            level = min(interval * Int64(burst), level + step)
            let wait = bucket.wait(now: now)
            #expect(wait == .nanoseconds(max(0, interval - level)))
            #expect(bucket.isFull(now: now) == (level == interval * Int64(burst)))
            if wait == .zero {
                bucket.take(now: now)
                level -= interval
            }
        }
    }

    @Test("tenants that came and went are not remembered for ever, those in debt to their rate are")
    func memory() {
        var configuration = DispatchConfiguration()
        configuration.tenantOverrides[.user(7)] = TenantLimits(rate: TenantLimits.Rate(requestsPerSecond: 1, burst: 1))
        var ledger = TenantLedger(configuration)
        let refusal1 = ledger.admit(.user(7), bytes: 1, now: .zero)
        #expect(refusal1 == nil)
        ledger.release(.user(7), bytes: 1)
        for user: UInt32 in 1000..<9000 {
            let refusal2 = ledger.admit(.user(user), bytes: 1, now: .zero)
            #expect(refusal2 == nil)
            ledger.release(.user(user), bytes: 1)
        }
        #expect(ledger.count <= 1024)
        #expect(ledger.activeCount == 0)
        let refusal3 = ledger.admit(.user(7), bytes: 1, now: .zero)
        #expect(refusal3?.code == .tenantLimit)
        ledger.restore(.user(7), bytes: 1, now: .zero)
        #expect(ledger.activeCount == 1)
    }
}
