import BusProtocol
import CoreTypes
import Dispatch
import Testing

@Suite("A broker that comes back")
struct RestartTests {
    /// Accepted under one broker, begun by a worker, and the broker is gone.
    private struct Orphan {
        let bus: Scenario
        let job: DeliveryKey

        init(_ configure: (inout RequestHeader) -> Void = { _ in }) {
            let before = Scenario { $0.hasJournal = true }
            let worker = before.readyWorker()
            before.attached().request("a", configure)
            job = worker.takeJobs()[0]
            worker.start(job, attempt: 1)
            before.commit()
            #expect(before.counters.goes == 1)
            bus = before.restarted()
        }

        func held(_ state: WorkerReady.Held.State) -> WorkerReady.Held {
            WorkerReady.Held(key: job.attempt(0), bodyHash: BodyHash(1, 2, 3, 4), state: state)
        }
    }

    @Test("what was not begun goes to the next worker at once")
    func queued() {
        let before = Scenario { $0.hasJournal = true }
        let agent = before.attached()
        for id in ["a", "b"] { agent.request(id) }
        before.commit()
        agent.request("c")
        let bus = before.restarted()
        let worker = bus.readyWorker()
        #expect(worker.headers.map(\.id.text) == ["a", "b"])
        #expect(bus.attached().get("c") == [.error(.unknownRequest)])
        #expect(bus.attached().request("a") == [.duplicate("a")])
        #expect(bus.attached().request("a", body: 9) == [.error(.idConflict)])
    }

    @Test("what was begun waits for its worker, which goes on where it was")
    func reclaimed() {
        let orphan = Orphan()
        let stranger = orphan.bus.readyWorker("stranger")
        #expect(stranger.headers.isEmpty)
        let worker = orphan.bus.worker()
        #expect(
            worker.ready(held: [orphan.held(.calling)]).contains(
                .welcome(keep: [orphan.job.wholeDelivery], drop: [])
            )
        )
        #expect(worker.start(orphan.job, attempt: 2) == [])
        orphan.bus.commit()
        #expect(worker.take() == [.go(orphan.job.attempt(2))])
        let agent = orphan.bus.attached()
        #expect(agent.get("a") == [.state(.running)])
    }

    @Test("the GO of a mark that was on disk is given to the worker that asks again")
    func sameQuestion() {
        let orphan = Orphan()
        let worker = orphan.bus.worker()
        worker.ready(held: [orphan.held(.waiting)])
        #expect(worker.start(orphan.job, attempt: 1) == [.go(orphan.job.attempt(1))])
    }

    /// A delivery that was not begun, under two brokers with the same number, and the second one has its GO.
    private struct Twins {
        let first: Worker
        let second: Worker
        let bus: Scenario
        let held: WorkerReady.Held

        init() {
            let before = Scenario { $0.hasJournal = true }
            first = before.readyWorker("first")
            before.attached().request("a")
            before.commit()
            let job = first.takeJobs()[0]
            bus = before.restarted()
            second = bus.worker("second")
            second.ready()
            #expect(second.credit(10) == [.job(job)])
            second.start(job, attempt: 1)
            bus.commit()
            #expect(second.take() == [.go(job.attempt(1))])
            held = WorkerReady.Held(key: job.attempt(0), bodyHash: BodyHash(1, 2, 3, 4), state: .waiting)
        }
    }

    @Test("a delivery without GO of the broker before the last does not pass for one that has it")
    func sameNumberOfTwoBrokers() {
        let twins = Twins()
        let bus = twins.bus.restarted()
        let drop = Worker.Received.welcome(keep: [], drop: [twins.held.key])
        #expect(bus.worker("first").ready(held: [twins.held]).contains(drop))
        var calling = twins.held
        calling.state = .calling
        let keep = Worker.Received.welcome(keep: [calling.key], drop: [])
        #expect(bus.worker("second").ready(held: [calling]).contains(keep))
    }

    @Test("nor does it take the GO of a worker whose connection broke")
    func sameNumberUnderOneBroker() {
        let twins = Twins()
        twins.second.disconnect()
        let drop = Worker.Received.welcome(keep: [], drop: [twins.held.key])
        #expect(twins.bus.worker("first").ready(held: [twins.held]).contains(drop))
    }

    @Test("a stall of the broker does not shorten an orphan's wait for its worker")
    func stalled() {
        let orphan = Orphan()
        orphan.bus.jump(.seconds(30))
        orphan.bus.feed(.stalled(.seconds(30)))
        orphan.bus.feed(.wake)
        #expect(orphan.bus.counters.orphaned == 1)
        let worker = orphan.bus.worker()
        worker.ready(held: [orphan.held(.calling)])
        #expect(orphan.bus.counters.orphaned == 0 && orphan.bus.counters.leased == 1)
    }

    @Test("an orphan that a stall kept waits no longer than that")
    func stalledAndLost() {
        let orphan = Orphan()
        orphan.bus.jump(.seconds(30))
        orphan.bus.feed(.stalled(.seconds(30)))
        orphan.bus.pass(.seconds(16))
        #expect(orphan.bus.counters.orphaned == 0 && orphan.bus.counters.queued == 1)
    }

    @Test("workers that died under the broker before count for poison")
    func deaths() {
        let before = Scenario { $0.hasJournal = true }
        before.attached().request("a")
        before.commit()
        for name in ["first", "second"] { before.readyWorker(name).die() }
        before.commit()
        let bus = before.restarted()
        let agent = bus.attached()
        agent.get("a")
        bus.readyWorker("third").die()
        bus.commit()
        #expect(agent.take() == [.broke("a", .poison)])
    }

    @Test("a result that its worker kept ends the request")
    func finished() {
        let orphan = Orphan()
        let agent = orphan.bus.attached()
        agent.get("a")
        let worker = orphan.bus.worker()
        worker.ready(held: [orphan.held(.finished)])
        #expect(worker.reply(orphan.job) == [])
        orphan.bus.commit()
        #expect(worker.take() == [.acknowledge(orphan.job)])
        #expect(agent.take() == [.reply("a")])
    }

    @Test("without its worker an orphan is delivered again, with a higher delivery and attempt")
    func lost() {
        let orphan = Orphan()
        let other = orphan.bus.readyWorker("other")
        orphan.bus.pass(.seconds(9), beating: [other])
        #expect(other.headers.isEmpty)
        orphan.bus.pass(.seconds(1), beating: [other])
        #expect(other.takeJobs().map(\.delivery) == [2])
        #expect(other.headers.map(\.firstAttempt) == [2])
        #expect(other.headers.map(\.lost.count) == [1])
    }

    @Test("without its worker an orphan of on_loss fail ends in worker_lost")
    func lostForGood() {
        let orphan = Orphan { $0.onLoss = .fail }
        let agent = orphan.bus.attached()
        agent.get("a")
        _ = agent.take()
        orphan.bus.pass(.seconds(10))
        orphan.bus.commit()
        #expect(agent.take() == [.broke("a", .workerLost)])
    }

    @Test("a result that comes when its orphan waits for another worker still wins")
    func lateReclaim() {
        let orphan = Orphan()
        orphan.bus.pass(.seconds(11))
        #expect(orphan.bus.counters.queued == 1)
        let worker = orphan.bus.worker()
        #expect(
            worker.ready(held: [orphan.held(.finished)]).contains(
                .welcome(keep: [orphan.job.wholeDelivery], drop: [])
            )
        )
        worker.reply(orphan.job)
        #expect(orphan.bus.counters.queued == 0)
        #expect(orphan.bus.counters.replied == 1)
    }

    @Test("another body under the same number is not the worker's delivery")
    func foreign() {
        let orphan = Orphan()
        let worker = orphan.bus.worker()
        let held = WorkerReady.Held(key: orphan.job.attempt(0), bodyHash: BodyHash(9, 9, 9, 9), state: .calling)
        #expect(
            worker.ready(held: [held]).contains(.welcome(keep: [], drop: [orphan.job.wholeDelivery]))
        )
    }

    @Test("two paid deliveries are counted across brokers")
    func paidTwice() {
        let orphan = Orphan()
        let second = orphan.bus.readyWorker("second")
        orphan.bus.pass(.seconds(10), beating: [second])
        let again = second.takeJobs()[0]
        second.start(again, attempt: 2)
        orphan.bus.commit()
        #expect(second.take() == [.go(again.attempt(2))])
        let third = orphan.bus.restarted()
        let agent = third.attached()
        agent.get("a")
        _ = agent.take()
        third.pass(.seconds(10))
        third.commit()
        #expect(agent.take() == [.broke("a", .workerLost)])
    }

    @Test("a terminal waits for its ACK in the next broker, and its id is remembered in the one after")
    func terminal() {
        let before = Scenario { $0.hasJournal = true }
        let worker = before.readyWorker()
        before.attached().request("a")
        let job = worker.takeJobs()[0]
        worker.start(job, attempt: 1)
        before.commit()
        worker.reply(job)
        before.commit()
        let bus = before.restarted(after: .seconds(3600))
        let agent = bus.attached()
        #expect(agent.get("a") == [.reply("a")])
        #expect(agent.request("a") == [.duplicate("a"), .reply("a")])
        #expect(agent.acknowledge("a") == [.ok])
        bus.commit()
        let last = bus.restarted()
        #expect(last.attached().request("a") == [.error(.gone)])
        last.pass(.seconds(3601))
        #expect(last.attached().get("a") == [.error(.unknownRequest)])
    }

    @Test("the deadline runs on while the broker is down")
    func deadline() {
        let before = Scenario { $0.hasJournal = true }
        before.attached().request("a") { $0.deadline = .seconds(60) }
        before.commit()
        let bus = before.restarted(after: .seconds(100))
        let agent = bus.attached()
        agent.get("a")
        bus.pass(.milliseconds(1))
        bus.commit()
        #expect(agent.take().contains(.broke("a", .deadline)))
    }

    @Test("a request that the journal has lost ends before a worker gets it", arguments: [false, true])
    func damaged(isStarted: Bool) {
        let before = Scenario { $0.hasJournal = true }
        let first = isStarted ? before.readyWorker() : nil
        let agent = before.attached()
        for id in ["a", "b"] { agent.request(id) }
        before.commit()
        if let first {
            first.start(first.takeJobs()[0], attempt: 1)
            before.commit()
        }
        let bus = before.restarted()
        let job = bus.number(of: "a")
        bus.endDamaged(job)
        #expect(bus.failure(of: job)?.reason == .workerLost)
        #expect(bus.failure(of: job)?.message.contains("the body has changed") == true)
        #expect(bus.failure(of: job)?.attempts == (isStarted ? 1 : 0))
        // Told twice is as told once.
        bus.endDamaged(job)
        let worker = bus.readyWorker()
        #expect(!worker.headers.map(\.id.text).contains("a"))
        let reader = bus.attached()
        #expect(reader.get("a") == [])
        bus.commit()
        #expect(reader.take() == [.broke("a", .workerLost)])
        bus.pass(.seconds(20), beating: [worker])
        let last = bus.restarted()
        #expect(last.attached().get("a") == [.broke("a", .workerLost)])
    }
}
