import BusProtocol
import CoreTypes
import Dispatch
import Testing

@Suite("Who gets the next request")
struct DispatchingTests {
    @Test("nobody gets more than it granted, nor more than its capacity")
    func credit() {
        let bus = Scenario()
        let agent = bus.attached()
        let worker = bus.worker()
        worker.ready(capacity: 3)
        for index in 0..<10 { agent.request("r\(index)") }
        #expect(worker.credit(2).count == 2)
        #expect(worker.credit(1000).count == 1)
        worker.fail(DeliveryKey(job: JobNumber(1), delivery: 1))
        #expect(worker.headers.count == 4)
    }

    @Test("a smaller total is an ERROR and changes nothing; the same one again does no harm")
    func totals() {
        let bus = Scenario()
        let agent = bus.attached()
        let worker = bus.worker()
        worker.ready()
        worker.credit(2)
        #expect(worker.credit(1) == [.error(.unexpected)])
        #expect(worker.credit(2).isEmpty)
        for index in 0..<5 { agent.request("r\(index)") }
        #expect(worker.takeJobs().count == 2)
    }

    @Test("the largest total there can be is no more than the capacity")
    func hugeCredit() {
        let bus = Scenario()
        let agent = bus.attached()
        let worker = bus.worker()
        worker.ready(capacity: 1)
        worker.credit(.max)
        agent.request("a")
        agent.request("b")
        #expect(worker.takeJobs().count == 1)
    }

    @Test("equals take turns")
    func ties() {
        let bus = Scenario()
        let agent = bus.attached()
        let workers = (0..<3).map { bus.readyWorker("w\($0)", capacity: 10) }
        for index in 0..<6 {
            agent.request("r\(index)")
            for worker in workers {
                for job in worker.takeJobs() { worker.fail(job) }
            }
        }
        #expect(workers.map(\.headers.count) == [2, 2, 2])
    }

    @Test("the lowest load comes first, as a share of the capacity")
    func lowestLoad() {
        let bus = Scenario()
        let agent = bus.attached()
        let small = bus.readyWorker("small", capacity: 10)
        let large = bus.readyWorker("large", capacity: 30)
        bus.pass(.seconds(12), beating: [small, large])
        for index in 0..<20 { agent.request("r\(index)") }
        #expect(small.headers.count == 5)
        #expect(large.headers.count == 15)
    }

    /// Lets `count` requests end, and the beat pass that notes it.
    private func end(_ count: Int, _ bus: Scenario, _ agent: Agent, at workers: [Worker]) {
        for worker in workers { worker.credit(1_000_000) }
        for index in 0..<count {
            agent.request("e\(index)")
            for worker in workers {
                for job in worker.takeJobs() { worker.fail(job) }
            }
        }
        bus.pass(.seconds(1), beating: workers)
    }

    @Test(
        "where many requests end, a worker is filled by what ends in 1/32 s, at most 128 and half of its capacity",
        arguments: [(1000, 63, 1), (1000, 95, 2), (1000, 320, 10), (1000, 4200, 128), (40, 4200, 20), (3, 4200, 1)]
    )
    func steps(capacity: Int, ended: Int, step: Int) {
        let bus = Scenario()
        let agent = bus.attached()
        let workers = (0..<3).map { bus.readyWorker("w\($0)", capacity: capacity) }
        end(ended, bus, agent, at: workers)
        let before = workers.map(\.headers.count)
        func given() -> [Int] { zip(workers, before).map { $0.headers.count - $1 }.sorted() }
        for index in 0..<step { agent.request("a\(index)") }
        #expect(given() == [0, 0, step])
        agent.request("b")
        #expect(given() == [0, 1, step].sorted())
        for index in 1..<2 * step { agent.request("b\(index)") }
        #expect(given() == [step, step, step])
        agent.request("c")
        #expect(given() == [step, step, step + 1])
        // A second in which nothing ends.
        bus.pass(.seconds(1), beating: workers)
        for index in 0..<2 { agent.request("d\(index)") }
        #expect(given() == [step + 1, step + 1, step + 1])
    }

    @Test("of workers on one step the one that has most goes on, until it has nothing")
    func fullest() {
        let bus = Scenario()
        let agent = bus.attached()
        let workers = (0..<2).map { bus.readyWorker("w\($0)", capacity: 100) }
        end(320, bus, agent, at: workers)
        let before = workers.map(\.headers.count)
        func given() -> [Int] { zip(workers, before).map { $0.headers.count - $1 } }
        for index in 0..<12 { agent.request("a\(index)") }
        #expect(given() == [10, 2])
        for job in workers[0].takeJobs().prefix(9) { workers[0].fail(job) }
        agent.request("b")
        #expect(given() == [10, 3])
        for job in workers[1].takeJobs() { workers[1].fail(job) }
        agent.request("c")
        #expect(given() == [11, 3])
    }

    @Test("requests that lost a worker are spread, however many end: one of them may have been the cause")
    func suspects() {
        let bus = Scenario()
        let agent = bus.attached()
        let workers = (0..<4).map { bus.readyWorker("w\($0)", capacity: 1000) }
        end(2000, bus, agent, at: workers)
        let before = workers.map(\.headers.count)
        for index in 0..<60 { agent.request("a\(index)") }
        let holder = workers.indices.first { workers[$0].headers.count > before[$0] }!
        #expect(workers[holder].headers.count == before[holder] + 60)
        workers[holder].disconnect()
        workers[holder].processGone()
        workers[holder].drained()
        let given = workers.indices.filter { $0 != holder }.map { workers[$0].headers.count - before[$0] }
        #expect(given == [20, 20, 20])
    }

    @Test("a worker that was silent for two beats comes last, and still gets what nobody else has room for")
    func silent() {
        let bus = Scenario()
        let agent = bus.attached()
        let frozen = bus.readyWorker("frozen", capacity: 40)
        let other = bus.readyWorker("other", capacity: 40)
        agent.request("first")
        #expect([frozen, other].map(\.headers.count) == [1, 0])
        bus.pass(.seconds(1), beating: [other])
        for index in 0..<3 { agent.request("soon\(index)") }
        #expect([frozen, other].map(\.headers.count) == [2, 2])
        bus.pass(.seconds(2), beating: [other])
        for index in 0..<38 { agent.request("later\(index)") }
        #expect([frozen, other].map(\.headers.count) == [2, 40])
        agent.request("last")
        #expect([frozen, other].map(\.headers.count) == [3, 40])
    }

    @Test("a pool that starts together is filled evenly and at once")
    func coldPool() {
        let bus = Scenario()
        let agent = bus.attached()
        let workers = (0..<2).map { bus.readyWorker("w\($0)", capacity: 100) }
        for index in 0..<100 { agent.request("r\(index)") }
        #expect(workers.map(\.headers.count) == [50, 50])
        for index in 100..<200 { agent.request("r\(index)") }
        #expect(workers.map(\.headers.count) == [100, 100])
        #expect(bus.counters.queued == 0)
    }

    @Test("beside one at full speed a new worker gets a tenth of its capacity, and more with each second")
    func slowStart() {
        let bus = Scenario()
        let agent = bus.attached()
        let warm = bus.readyWorker("warm", capacity: 10)
        bus.pass(.seconds(10), beating: [warm])
        for index in 0..<200 { agent.request("r\(index)") }
        let new = bus.readyWorker("new", capacity: 100)
        #expect(new.headers.count == 10)
        bus.pass(.seconds(3), beating: [warm, new])
        #expect((35...45).contains(new.headers.count))
        bus.pass(.seconds(7), beating: [warm, new])
        #expect(new.headers.count == 100)
    }

    @Test("one that drains or is gone is no reason to spare a new worker")
    func noSlowStartAfterTheLast() {
        for isDraining in [true, false] {
            let bus = Scenario()
            let agent = bus.attached()
            let old = bus.readyWorker("old", capacity: 10)
            bus.pass(.seconds(10), beating: [old])
            agent.request("first")
            if isDraining {
                old.giveBack(old.takeJobs()[0], .draining)
            } else {
                old.disconnect()
            }
            let new = bus.readyWorker("new", capacity: 10)
            for index in 0..<10 { agent.request("r\(index)") }
            #expect(new.headers.count == 10)
        }
    }

    @Test("among hundreds of workers the one with room is found")
    func manyWorkers() {
        let bus = Scenario()
        let agent = bus.attached()
        let workers = (0..<200).map { bus.worker("w\($0)") }
        for worker in workers { worker.ready() }
        for (index, worker) in workers.enumerated().reversed() {
            worker.credit(1)
            agent.request("r\(index)")
            #expect(worker.headers.count == 1)
        }
    }

    @Test("first come, first served within a priority; higher ones sooner; the lowest is not starved")
    func priorities() {
        let bus = Scenario()
        let agent = bus.attached()
        for index in 0..<60 {
            agent.request("low\(index)") { $0.priority = 0 }
            agent.request("high\(index)") { $0.priority = 9 }
        }
        let worker = bus.readyWorker(capacity: 66)
        let ids = worker.headers.map(\.id.text)
        let low = ids.filter { $0.hasPrefix("low") }
        let high = ids.filter { $0.hasPrefix("high") }
        #expect(low == (0..<6).map { "low\($0)" })
        #expect(high == (0..<60).map { "high\($0)" })
    }
}
