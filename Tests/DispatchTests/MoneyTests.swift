import BusProtocol
import CoreTypes
import Dispatch
import Testing

@Suite("No call without a GO")
struct MoneyTests {
    @Test("each attempt of the current delivery gets its GO")
    func go() {
        let bus = Scenario()
        let worker = bus.readyWorker()
        bus.attached().request("a")
        let job = worker.takeJobs()[0]
        for attempt: UInt32 in 1...5 {
            #expect(worker.start(job, attempt: attempt) == [.go(job.attempt(attempt))])
        }
        #expect(bus.counters.goes == 5)
    }

    @Test("the same START again is the same GO and is counted once")
    func repeated() {
        let bus = Scenario()
        let worker = bus.readyWorker()
        bus.attached().request("a")
        let job = worker.takeJobs()[0]
        for _ in 0..<3 { #expect(worker.start(job, attempt: 1) == [.go(job.attempt(1))]) }
        #expect(bus.counters.goes == 1)
    }

    @Test("an attempt number that does not rise, or leaps beyond the bound, is refused", arguments: [0, 1, 1003, .max])
    func numbers(_ attempt: UInt32) {
        let bus = Scenario()
        let worker = bus.readyWorker()
        bus.attached().request("a")
        let job = worker.takeJobs()[0]
        worker.start(job, attempt: 2)
        #expect(worker.start(job, attempt: attempt) == [.noGo(job.attempt(attempt), .superseded)])
        #expect(bus.counters.goes == 1)
        #expect(bus.counters.noGoes == 1)
        // The broker lives on and numbers the next delivery as before.
        worker.giveBack(job, .draining)
        let other = bus.readyWorker("other")
        #expect(other.headers.map(\.firstAttempt) == [3])
    }

    @Test("a cancelled request is NOGO cancelled")
    func cancelled() {
        let bus = Scenario()
        let worker = bus.readyWorker()
        let agent = bus.attached()
        agent.request("a")
        let job = worker.takeJobs()[0]
        agent.cancel("a")
        _ = worker.take()
        #expect(worker.start(job, attempt: 1) == [.noGo(job.attempt(1), .cancelled)])
    }

    @Test("a request that ended otherwise is NOGO ended")
    func ended() {
        let bus = Scenario()
        let worker = bus.readyWorker()
        bus.attached().request("a")
        let job = worker.takeJobs()[0]
        bus.feed(.endAll)
        _ = worker.take()
        #expect(worker.start(job, attempt: 1) == [.noGo(job.attempt(1), .ended)])
    }

    @Test("an expired request is NOGO expired, before its end and after it")
    func expired() {
        let bus = Scenario()
        let worker = bus.readyWorker()
        bus.attached().request("a") { $0.deadline = .seconds(10) }
        let job = worker.takeJobs()[0]
        bus.jump(.seconds(10))
        #expect(worker.start(job, attempt: 1) == [.noGo(job.attempt(1), .expired)])
        bus.pass(.seconds(2))
        _ = worker.take()
        #expect(worker.start(job, attempt: 1) == [.noGo(job.attempt(1), .expired)])
    }

    @Test("an older delivery, a delivery of another, one given back and one never given are NOGO superseded")
    func superseded() {
        let bus = Scenario()
        let worker = bus.readyWorker(capacity: 1)
        bus.attached().request("a")
        let old = worker.takeJobs()[0]
        worker.giveBack(old, .full)
        #expect(worker.start(old, attempt: 1) == [.noGo(old.attempt(1), .superseded)])
        let other = bus.readyWorker("other")
        let job = DeliveryKey(job: old.job, delivery: 2)
        #expect(bus.counters.leased == 1)
        #expect(worker.start(old, attempt: 1) == [.noGo(old.attempt(1), .superseded)])
        #expect(worker.start(job, attempt: 1) == [.noGo(job.attempt(1), .superseded)])
        let future = DeliveryKey(job: old.job, delivery: 3, attempt: 1)
        #expect(other.start(future, attempt: 1) == [.noGo(future, .superseded)])
        let unknown = DeliveryKey(job: JobNumber(.max), delivery: .max, attempt: .max)
        #expect(other.start(unknown, attempt: .max) == [.noGo(unknown, .superseded)])
        #expect(other.start(job, attempt: 1) == [.go(job.attempt(1))])
        #expect(bus.counters.goes == 1)
    }

    @Test("a REPLY without a GO is refused, and the request goes on")
    func replyWithoutGo() {
        let bus = Scenario()
        let worker = bus.readyWorker(capacity: 1)
        let agent = bus.attached()
        agent.request("a")
        let job = worker.takeJobs()[0]
        #expect(worker.reply(job) == [.error(.unexpected), .acknowledge(job)])
        #expect(agent.take().isEmpty)
        #expect(agent.get("a") == [.state(.queued)])
        worker.credit(2)
        #expect(worker.headers.count == 2)
    }

    @Test("a FAILURE needs no GO")
    func failureWithoutGo() {
        let bus = Scenario()
        let worker = bus.readyWorker()
        let agent = bus.attached()
        agent.request("a")
        worker.fail(worker.takeJobs()[0])
        #expect(agent.take() == [.failed("a")])
    }

    @Test("a request that uses up its attempts ends")
    func attemptsBound() {
        let bus = Scenario { $0.attemptsMax = 3 }
        let worker = bus.readyWorker()
        let agent = bus.attached()
        agent.request("a")
        let job = worker.takeJobs()[0]
        for attempt: UInt32 in 1...3 { worker.start(job, attempt: attempt) }
        #expect(worker.start(job, attempt: 4) == [.noGo(job.attempt(4), .ended)])
        #expect(agent.take() == [.broke("a", .poison)])
    }

    @Test("START from the tail of a worker that is gone gets no GO, so that its loss is free of charge")
    func tailOfTheDead() {
        let bus = Scenario()
        let worker = bus.readyWorker()
        let agent = bus.attached()
        agent.request("a") { $0.onLoss = .fail }
        let job = worker.takeJobs()[0]
        worker.processGone()
        #expect(worker.start(job, attempt: 1).isEmpty)
        worker.disconnect()
        #expect(worker.start(job, attempt: 1).isEmpty)
        worker.drained()
        #expect(bus.counters.goes == 0)
        #expect(agent.get("a") == [.state(.queued)])
    }

    @Test("RETURN of a delivery that began a call follows on_loss")
    func returnStarted() {
        let bus = Scenario()
        let worker = bus.readyWorker()
        let agent = bus.attached()
        agent.request("a") { $0.onLoss = .fail }
        agent.request("b")
        let jobs = worker.takeJobs()
        for job in jobs {
            worker.start(job, attempt: 1)
            worker.giveBack(job, .draining)
        }
        #expect(agent.take() == [.broke("a", .workerLost)])
        #expect(agent.get("b") == [.state(.queued)])
    }
}
