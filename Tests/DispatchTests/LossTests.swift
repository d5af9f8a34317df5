import BusProtocol
import CoreTypes
import Dispatch
import Testing

@Suite("Workers that die, freeze or leave")
struct LossTests {
    @Test("only a closed connection and a vanished process together are a death, and then the socket is drained first")
    func death() {
        for processFirst in [true, false] {
            let bus = Scenario()
            let worker = bus.readyWorker()
            let other = bus.worker("other")
            other.ready()
            let agent = bus.attached()
            agent.request("a")
            other.credit(10)
            if processFirst { worker.processGone() } else { worker.disconnect() }
            #expect(bus.drains.isEmpty)
            #expect(agent.get("a") == [.state(.leased)])
            if processFirst { worker.disconnect() } else { worker.processGone() }
            #expect(bus.drains == [worker.connection])
            #expect(other.take().isEmpty)
            worker.drained()
            #expect(other.takeJobs().map(\.delivery) == [2])
            #expect(bus.events.contains(.workerLost(name: "w", pid: worker.pid, reason: .died, requeued: 1, failed: 0)))
        }
    }

    @Test("what a dead worker had sent still counts: its reply in the tail wins")
    func tail() {
        let bus = Scenario()
        let worker = bus.readyWorker()
        let agent = bus.attached()
        agent.request("a")
        let job = worker.takeJobs()[0]
        worker.start(job, attempt: 1)
        worker.processGone()
        worker.disconnect()
        worker.reply(job)
        worker.drained()
        #expect(agent.take() == [.reply("a")])
        #expect(bus.counters.lostDeliveries == 0)
    }

    @Test("a drain that nobody asked for, or one after the end, changes nothing")
    func strayDrain() {
        let bus = Scenario()
        let worker = bus.readyWorker()
        bus.attached().request("a")
        worker.drained()
        #expect(bus.counters.leased == 1)
        worker.die()
        worker.drained()
        worker.processGone()
        worker.disconnect()
        #expect(bus.counters.queued == 1)
        #expect(bus.dispatcher.workerCount == 0)
    }

    @Test("a disconnected worker that lives keeps its lease, and then loses it")
    func disconnectedLease() {
        let bus = Scenario()
        let worker = bus.readyWorker()
        let agent = bus.attached()
        agent.request("a")
        worker.disconnect()
        bus.pass(.seconds(14))
        #expect(agent.get("a") == [.state(.leased)])
        bus.pass(.seconds(2))
        #expect(agent.get("a") == [.state(.queued)])
        #expect(bus.events.contains(.workerLost(name: "w", pid: worker.pid, reason: .lease, requeued: 1, failed: 0)))
    }

    @Test("a silent worker loses its lease and is told; one that beats does not")
    func lease() {
        let bus = Scenario()
        let silent = bus.readyWorker("silent", capacity: 1)
        let alive = bus.readyWorker("alive", capacity: 1)
        let agent = bus.attached()
        agent.request("a")
        agent.request("b")
        bus.pass(.seconds(16), beating: [alive])
        #expect(silent.take().contains(.rejoin))
        #expect(bus.counters.queued == 1 && bus.counters.leased == 1)
        #expect(bus.dispatcher.workerCount == 1)
        #expect(silent.credit(9) == [.rejoin])
    }

    @Test("every message renews the lease, beats are answered, and a stalled broker does not let leases run out")
    func renewal() {
        let bus = Scenario()
        let worker = bus.readyWorker()
        for total: UInt64 in 11...14 {
            bus.pass(.seconds(14))
            worker.credit(total)
        }
        #expect(bus.dispatcher.workerCount == 1)
        #expect(worker.beats.count == 56 && worker.beats.allSatisfy { $0 == .run })
        bus.jump(.seconds(30))
        bus.feed(.stalled(.seconds(30)))
        bus.feed(.wake)
        #expect(bus.dispatcher.workerCount == 1)
        bus.pass(.seconds(16))
        #expect(bus.dispatcher.workerCount == 0)
    }

    @Test("workers lost in the same moment do not pass a request through each other's hands")
    func lostTogether() {
        let bus = Scenario()
        let agent = bus.attached()
        let workers = (0..<4).map { bus.readyWorker("w\($0)") }
        agent.request("a")
        bus.pass(.seconds(20))
        #expect(bus.counters.deliveries == 1)
        #expect(agent.get("a") == [.state(.queued)])
        #expect(workers.allSatisfy { $0.take().contains(.rejoin) })
    }

    @Test("workers killed together are given nothing on the way to their end")
    func killedTogether() {
        let bus = Scenario()
        let agent = bus.attached()
        let workers = (0..<4).map { bus.readyWorker("w\($0)") }
        agent.request("a")
        for worker in workers { worker.processGone() }
        for worker in workers { worker.die() }
        #expect(bus.counters.deliveries == 1)
        #expect(agent.get("a") == [.state(.queued)])
    }

    @Test("on_loss retry: the second paid delivery is the last")
    func paidTwice() {
        let bus = Scenario()
        let agent = bus.attached()
        agent.request("a")
        for round: UInt32 in 1...2 {
            let worker = bus.readyWorker()
            let job = worker.takeJobs().first ?? DeliveryKey(job: JobNumber(1), delivery: round)
            #expect(worker.start(job, attempt: round) == [.job(job), .go(job.attempt(round))].suffix(1))
            worker.die()
        }
        #expect(agent.take() == [.broke("a", .workerLost)])
        #expect(bus.counters.goes == 2)
    }

    @Test("on_loss fail: one paid delivery and no more; an unpaid loss is free")
    func onLossFail() {
        let bus = Scenario()
        let agent = bus.attached()
        agent.request("a") { $0.onLoss = .fail }
        bus.readyWorker("unpaid").die()
        #expect(agent.get("a") == [.state(.queued)])
        let worker = bus.worker("paid")
        worker.ready()
        let job = worker.credit(1).compactMap { if case .job(let key) = $0 { key } else { nil } }[0]
        worker.start(job, attempt: 1)
        worker.die()
        #expect(agent.take() == [.broke("a", .workerLost)])
    }

    @Test("three deaths, started or not, are poison")
    func poison() {
        let bus = Scenario()
        let agent = bus.attached()
        agent.request("a")
        for death in 1...3 {
            #expect(agent.take().isEmpty)
            let worker = bus.worker("w\(death)")
            worker.ready()
            let jobs = worker.credit(1)
            #expect(jobs.count == 1)
            if death == 2, case .job(let key) = jobs[0] { worker.start(key, attempt: 1) }
            worker.die()
        }
        #expect(agent.take() == [.broke("a", .poison)])
        guard
            let failure = bus.effects.lazy.compactMap({ if case .composeTerminal(_, let it) = $0 { it } else { nil } })
                .first
        else {
            Issue.record("a FAILURE of the broker's own expected")
            return
        }
        #expect(failure.deliveries == 3 && failure.attempts == 1)
        #expect(failure.lost.map(\.delivery) == [1, 2, 3])
        #expect(failure.lost.map(\.attempt) == [0, 1, 0])
    }

    @Test("the next worker is told of the lost deliveries")
    func lostInHeader() {
        let bus = Scenario()
        let first = bus.readyWorker()
        bus.attached().request("a")
        let job = first.takeJobs()[0]
        first.start(job, attempt: 1)
        first.start(job, attempt: 2)
        bus.pass(.seconds(3))
        first.die()
        let second = bus.readyWorker("second")
        #expect(second.headers.map(\.lost) == [[LostDelivery(delivery: 1, attempt: 2, held: .seconds(3))]])
        #expect(second.headers.map(\.firstAttempt) == [3])
    }

    @Test("a late REPLY of an older, paid delivery wins if nothing has, and the newer one is called off")
    func lateReplyWins() {
        let bus = Scenario()
        let frozen = bus.readyWorker("frozen")
        let agent = bus.attached()
        agent.request("a")
        let old = frozen.takeJobs()[0]
        frozen.start(old, attempt: 1)
        bus.pass(.seconds(16))
        let second = bus.worker("second")
        second.ready()
        let new = DeliveryKey(job: old.job, delivery: 2)
        #expect(second.credit(1) == [.job(new)])
        second.start(new, attempt: 2)
        #expect(frozen.reply(old).contains(.rejoin))
        let held = WorkerReady.Held(key: old.attempt(1), bodyHash: BodyHash(1, 2, 3, 4), state: .finished)
        #expect(frozen.ready(held: [held]) == [.welcome(keep: [old.attempt(1)], drop: [])])
        #expect(frozen.reply(old) == [.acknowledge(old)])
        #expect(agent.take() == [.reply("a")])
        #expect(second.take() == [.cancel(new)])
        #expect(second.reply(new) == [.acknowledge(new)])
        #expect(agent.take().isEmpty)
        #expect(bus.counters.lateTerminals == 1)
    }

    @Test("a late FAILURE of an older delivery decides nothing while a newer may succeed")
    func lateFailure() {
        let bus = Scenario()
        let frozen = bus.readyWorker("frozen")
        let agent = bus.attached()
        agent.request("a")
        let old = frozen.takeJobs()[0]
        frozen.start(old, attempt: 1)
        bus.pass(.seconds(16))
        _ = frozen.take()
        let held = WorkerReady.Held(key: old.attempt(1), bodyHash: BodyHash(1, 2, 3, 4), state: .finished)
        #expect(frozen.ready(held: [held]) == [.welcome(keep: [old.attempt(1)], drop: [])])
        #expect(frozen.fail(old) == [.acknowledge(old)])
        #expect(agent.take().isEmpty)
        #expect(agent.get("a") == [.state(.queued)])
    }

    @Test("a late REPLY of a delivery that never got a GO does not win, even when another did")
    func lateReplyUnpaid() {
        let bus = Scenario()
        let first = bus.readyWorker("first")
        let agent = bus.attached()
        agent.request("a")
        let unpaid = first.takeJobs()[0]
        first.giveBack(unpaid, .draining)
        let second = bus.readyWorker("second")
        let paid = second.headers.isEmpty ? unpaid : DeliveryKey(job: unpaid.job, delivery: 2)
        second.start(paid, attempt: 1)
        #expect(first.reply(unpaid) == [.acknowledge(unpaid)])
        #expect(agent.get("a") == [.state(.running)])
    }

    @Test("RETURN is free of charge and no death, and a draining worker gets nothing more")
    func returned() {
        let bus = Scenario()
        let worker = bus.readyWorker()
        let agent = bus.attached()
        for id in ["a", "b"] { agent.request(id) }
        let jobs = worker.takeJobs()
        #expect(worker.giveBack(jobs[0], .draining).isEmpty)
        #expect(bus.counters.queued == 1 && bus.counters.lostDeliveries == 0)
        bus.pass(.seconds(1))
        #expect(worker.beats.last == .quiet)
        #expect(worker.credit(100).isEmpty)
        let other = bus.readyWorker("other")
        #expect(other.headers.map(\.id.text) == ["a"])
    }

    @Test("who had no room after all is asked again with its next CREDIT or after a beat, not at once")
    func full() {
        let bus = Scenario()
        let worker = bus.readyWorker()
        bus.attached().request("a")
        worker.giveBack(worker.takeJobs()[0], .full)
        #expect(worker.takeJobs().isEmpty)
        bus.pass(.seconds(1))
        let again = worker.takeJobs()
        #expect(again.map(\.delivery) == [2])
        worker.giveBack(again[0], .full)
        #expect(worker.credit(12).count == 1)
    }

    @Test("a request that workers give back for ever ends")
    func returnsBound() {
        let bus = Scenario { $0.returnsMax = 5 }
        let worker = bus.readyWorker(capacity: 100)
        let agent = bus.attached()
        agent.request("a")
        var returns = 0
        while let job = worker.takeJobs().first {
            worker.say(.returned(job, reason: .noGo), taking: false)
            returns += 1
            #expect(returns <= 6)
            if returns > 6 { return }
        }
        #expect(returns == 6)
        #expect(agent.take() == [.broke("a", .poison)])
    }

    @Test("a worker that opens sessions without end and lets go of its jobs cannot keep a request for ever")
    func sessionsBound() {
        let bus = Scenario { $0.returnsMax = 5 }
        let worker = bus.worker()
        let agent = bus.attached()
        agent.request("a")
        for _ in 0..<7 {
            worker.ready()
            worker.credit(1)
        }
        #expect(agent.take() == [.broke("a", .poison)])
        #expect(bus.counters.deliveries == 6)
    }

    @Test("BYE ends the session; what the worker still had goes to others and is no death")
    func bye() {
        let bus = Scenario()
        let agent = bus.attached()
        agent.request("a")
        for round in 1...4 {
            let worker = bus.readyWorker("w\(round)")
            worker.bye()
            #expect(bus.events.contains(.workerLeft(name: "w\(round)", pid: worker.pid)))
            #expect(worker.credit(50) == [.rejoin])
        }
        #expect(agent.get("a") == [.state(.queued)])
        #expect(bus.dispatcher.workerCount == 0)
    }

    @Test("who has no session is told to join, whatever it says, except for BYE and telemetry")
    func unknownWorker() {
        let bus = Scenario()
        let worker = bus.worker()
        let key = DeliveryKey(job: JobNumber(1), delivery: 1, attempt: 1)
        let messages: [WorkerMessage] = [
            .credit(grantedTotal: 1), .start(key), .chunk(key), .reply(key), .failure(key),
            .returned(key, reason: .full), .beat(WorkerBeat(held: 0)),
        ]
        for message in messages { #expect(worker.say(message) == [.rejoin]) }
        #expect(worker.say(.bye).isEmpty)
        #expect(worker.say(.event(.attempt)).isEmpty)
    }

    @Test("requests of a lost worker come back before the others, oldest first")
    func orderAfterLoss() {
        let bus = Scenario()
        let worker = bus.readyWorker(capacity: 3)
        let agent = bus.attached()
        for id in ["a", "b", "c", "d", "e"] { agent.request(id) }
        worker.die()
        let other = bus.readyWorker("other")
        #expect(other.headers.map(\.id.text) == ["a", "b", "c", "d", "e"])
    }
}
