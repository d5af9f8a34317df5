import BusProtocol
import CoreTypes
import Dispatch
import Testing

@Suite("READY again, and what a worker keeps")
struct SessionTests {
    static let hash = BodyHash(1, 2, 3, 4)

    static func held(
        _ key: DeliveryKey,
        _ state: WorkerReady.Held.State,
        hash: BodyHash = Self.hash
    ) -> WorkerReady.Held {
        WorkerReady.Held(key: key, bodyHash: hash, state: state)
    }

    @Test("every READY opens a session of its own and says the rhythm")
    func welcome() {
        let bus = Scenario { $0.epoch = 5 }
        let worker = bus.worker()
        worker.ready()
        guard case .order(_, .welcome(let welcome)) = bus.effects[0] else {
            Issue.record("WELCOME expected")
            return
        }
        #expect(welcome.epoch == 5 && welcome.beatInterval == .seconds(1) && welcome.lease == .seconds(15))
        let first = worker.session
        worker.ready()
        #expect(worker.session != first)
        #expect(bus.dispatcher.workerCount == 1)
        #expect(bus.events.count { if case .workerJoined = $0 { true } else { false } } == 1)
    }

    @Test("what a worker lists and still has the lease of, it keeps, with the GO it had")
    func keep() {
        let bus = Scenario()
        let worker = bus.readyWorker()
        let agent = bus.attached()
        for id in ["a", "b"] { agent.request(id) }
        let jobs = worker.takeJobs()
        worker.start(jobs[0], attempt: 1)
        let calling = jobs[0].attempt(1)
        #expect(
            worker.ready(held: [Self.held(calling, .calling), Self.held(jobs[1], .waiting)])
                == [.welcome(keep: [calling, jobs[1]], drop: [])]
        )
        #expect(agent.get("a") == [.state(.running)])
        #expect(agent.get("b") == [.state(.leased)])
        #expect(worker.start(jobs[0], attempt: 1) == [.go(calling)])
        #expect(bus.counters.goes == 1 && bus.counters.deliveries == 2)
        worker.reply(jobs[0])
        #expect(agent.take() == [.reply("a")])
    }

    @Test("what it does not list has not reached it: others get it, and nobody died")
    func unlisted() {
        let bus = Scenario()
        let worker = bus.readyWorker()
        let agent = bus.attached()
        agent.request("a")
        #expect(worker.ready() == [.job(DeliveryKey(job: JobNumber(1), delivery: 1)), .welcome(keep: [], drop: [])])
        #expect(agent.get("a") == [.state(.queued)])
        #expect(worker.credit(1) == [.job(DeliveryKey(job: JobNumber(1), delivery: 2))])
    }

    @Test("credit starts at nothing with each session")
    func credit() {
        let bus = Scenario()
        let worker = bus.readyWorker()
        worker.ready()
        bus.attached().request("a")
        #expect(worker.takeJobs().isEmpty)
        #expect(worker.credit(1).count == 1)
    }

    @Test("another body, another delivery or an ended request is to be dropped")
    func drop() {
        let bus = Scenario()
        let worker = bus.readyWorker()
        let agent = bus.attached()
        for id in ["a", "b", "c"] { agent.request(id) }
        let jobs = worker.takeJobs()
        agent.cancel("c")
        _ = worker.take()
        let future = DeliveryKey(job: jobs[1].job, delivery: 7)
        let unknown = DeliveryKey(job: JobNumber(99), delivery: 1)
        let answer = worker.ready(
            held: [
                Self.held(jobs[0], .calling, hash: BodyHash(9, 9, 9, 9)),
                Self.held(future, .finished), Self.held(jobs[2], .finished), Self.held(unknown, .finished),
            ]
        )
        #expect(answer == [.welcome(keep: [], drop: [jobs[0], future, jobs[2], unknown])])
        #expect(bus.counters.queued == 2)
    }

    @Test("an unfinished delivery that another worker has by now is to be dropped, a finished one is wanted")
    func overtaken() {
        let bus = Scenario()
        let slow = bus.readyWorker("slow")
        let agent = bus.attached()
        for id in ["a", "b"] { agent.request(id) }
        let old = slow.takeJobs()
        for job in old { slow.start(job, attempt: 1) }
        bus.pass(.seconds(16))
        let other = bus.readyWorker("other")
        #expect(other.headers.count == 2)
        _ = slow.take()
        #expect(
            slow.ready(held: [Self.held(old[0].attempt(1), .calling), Self.held(old[1].attempt(1), .finished)])
                == [.welcome(keep: [old[1].attempt(1)], drop: [old[0].attempt(1)])]
        )
        slow.reply(old[1])
        #expect(agent.take() == [.reply("b")])
        #expect(agent.get("a") == [.state(.leased)])
    }

    @Test("a worker on a new connection takes over what it had on the broken one, and is not lost with it")
    func takeover() {
        let bus = Scenario()
        let before = bus.worker("w", pid: 4711)
        before.ready()
        before.credit(10)
        let agent = bus.attached()
        for id in ["a", "b"] { agent.request(id) }
        let jobs = before.takeJobs()
        before.start(jobs[0], attempt: 1)
        before.disconnect()
        let after = bus.worker("w", pid: 4711)
        let key = jobs[0].attempt(1)
        #expect(after.ready(held: [Self.held(key, .calling)]) == [.welcome(keep: [key], drop: [])])
        #expect(bus.dispatcher.workerCount == 1)
        // The other never arrived: it is free for the next at once.
        #expect(agent.get("b") == [.state(.queued)])
        #expect(agent.get("a") == [.state(.running)])
        bus.pass(.seconds(30), beating: [after])
        #expect(agent.get("a") == [.state(.running)])
        #expect(after.reply(jobs[0]).last == .acknowledge(jobs[0]))
        #expect(agent.take() == [.reply("a")])
        #expect(!bus.events.contains { if case .workerLost = $0 { true } else { false } })
    }

    @Test("another process may claim what a disconnected worker had, but the rest stays until the lease decides")
    func claim() {
        let bus = Scenario()
        let before = bus.worker("w", hasPid: false)
        before.ready()
        before.credit(10)
        let agent = bus.attached()
        for id in ["a", "b"] { agent.request(id) }
        let jobs = before.takeJobs()
        before.disconnect()
        let after = bus.worker("w", hasPid: false)
        #expect(after.ready(held: [Self.held(jobs[0], .waiting)]) == [.welcome(keep: [jobs[0]], drop: [])])
        #expect(agent.get("b") == [.state(.leased)])
        bus.pass(.seconds(16), beating: [after])
        #expect(agent.get("a") == [.state(.leased)])
        #expect(agent.get("b") == [.state(.queued)])
    }

    @Test("a connected worker's lease cannot be claimed by another")
    func noTheft() {
        let bus = Scenario()
        let owner = bus.readyWorker("owner")
        bus.attached().request("a")
        let job = owner.takeJobs()[0]
        let thief = bus.worker("thief")
        #expect(thief.ready(held: [Self.held(job, .calling)]) == [.welcome(keep: [], drop: [job])])
        #expect(owner.start(job, attempt: 1) == [.go(job.attempt(1))])
    }

    @Test("READY in the tail of a dead worker does not bring it back to life")
    func readyFromTheDead() {
        let bus = Scenario()
        let worker = bus.readyWorker()
        let agent = bus.attached()
        agent.request("a")
        let job = worker.takeJobs()[0]
        worker.processGone()
        worker.disconnect()
        worker.ready(held: [Self.held(job, .waiting)])
        worker.credit(10)
        agent.request("b")
        #expect(worker.takeJobs().isEmpty)
        worker.drained()
        #expect(bus.dispatcher.workerCount == 0)
        #expect(bus.counters.queued == 2)
    }

    @Test("what is kept counts against the capacity")
    func keptCounts() {
        let bus = Scenario()
        let worker = bus.readyWorker(capacity: 2)
        let agent = bus.attached()
        for id in ["a", "b"] { agent.request(id) }
        let jobs = worker.takeJobs()
        worker.ready(capacity: 2, held: jobs.map { Self.held($0, .calling) })
        agent.request("c")
        #expect(worker.credit(5).isEmpty)
        worker.fail(jobs[0])
        #expect(worker.headers.count == 3)
    }
}
