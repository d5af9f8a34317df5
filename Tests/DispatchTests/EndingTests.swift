import BusProtocol
import CoreTypes
import Dispatch
import Testing

@Suite("What ends a request, and how long its end is known")
struct EndingTests {
    @Test("a terminal waits its ttl for the ACK; then the id is gone, and after the dedup time new")
    func ttlAndDedup() {
        let bus = Scenario()
        let agent = bus.attached()
        agent.request("a") { $0.ttl = .seconds(30) }
        agent.cancel("a")
        bus.pass(.milliseconds(29_999))
        #expect(agent.get("a") == [.broke("a", .cancelled)])
        bus.pass(.milliseconds(1))
        #expect(agent.get("a") == [.error(.gone)])
        #expect(bus.counters.kept == 0)
        bus.pass(.seconds(3598))
        #expect(agent.request("a") == [.error(.gone)])
        bus.pass(.seconds(3))
        #expect(agent.get("a") == [.error(.unknownRequest)])
        #expect(agent.request("a", body: 9) == [.accepted("a")])
    }

    @Test("without a ttl of its own a terminal waits ten minutes")
    func ttlDefault() {
        let bus = Scenario()
        let agent = bus.attached()
        agent.request("a")
        agent.cancel("a")
        bus.pass(.seconds(599))
        #expect(agent.get("a") == [.broke("a", .cancelled)])
        bus.pass(.seconds(1))
        #expect(agent.get("a") == [.error(.gone)])
    }

    @Test("the ttl counts from the terminal, not from the request")
    func ttlFromTerminal() {
        let bus = Scenario()
        let agent = bus.attached()
        agent.request("a") { $0.ttl = .seconds(5) }
        bus.pass(.seconds(60))
        agent.cancel("a")
        bus.pass(.seconds(4))
        #expect(agent.get("a") == [.broke("a", .cancelled)])
    }

    @Test("a queued request ends at its deadline")
    func deadlineQueued() {
        let bus = Scenario()
        let agent = bus.attached()
        agent.request("a") { $0.deadline = .seconds(10) }
        bus.pass(.milliseconds(9999))
        #expect(agent.take().isEmpty)
        bus.pass(.milliseconds(1))
        #expect(agent.take() == [.broke("a", .deadline)])
    }

    @Test("a leased one has a moment more for the worker's own account, but no GO")
    func deadlineLeased() {
        let bus = Scenario()
        let worker = bus.readyWorker()
        let agent = bus.attached()
        agent.request("a") { $0.deadline = .seconds(10) }
        agent.request("b") { $0.deadline = .seconds(10) }
        let jobs = worker.takeJobs()
        for job in jobs { worker.start(job, attempt: 1) }
        bus.pass(.seconds(10))
        #expect(agent.take().isEmpty)
        #expect(worker.start(jobs[0], attempt: 2) == [.noGo(jobs[0].attempt(2), .expired)])
        #expect(worker.start(jobs[0], attempt: 1) == [.noGo(jobs[0].attempt(1), .expired)])
        worker.fail(jobs[0])
        #expect(agent.take() == [.failed("a")])
        bus.pass(.milliseconds(999))
        #expect(agent.take().isEmpty)
        bus.pass(.milliseconds(1))
        #expect(agent.take() == [.broke("b", .deadline)])
        #expect(worker.take() == [.cancel(jobs[1])])
        #expect(worker.start(jobs[1], attempt: 2) == [.noGo(jobs[1].attempt(2), .expired)])
        #expect(worker.reply(jobs[1]) == [.acknowledge(jobs[1])])
        #expect(bus.counters.lateTerminals == 1)
    }

    @Test("what comes back after the deadline ends there and is not handed out again")
    func deadlineReturned() {
        let bus = Scenario()
        let worker = bus.readyWorker()
        let agent = bus.attached()
        agent.request("a") { $0.deadline = .seconds(10) }
        agent.request("b") { $0.deadline = .seconds(10) }
        let jobs = worker.takeJobs()
        bus.pass(.seconds(10))
        worker.giveBack(jobs[0], .noGo)
        #expect(agent.take() == [.broke("a", .deadline)])
        worker.die()
        #expect(agent.take() == [.broke("b", .deadline)])
        #expect(bus.counters.deliveries == 2)
    }

    @Test("one budget for all deliveries: a later JOB tells what is left and how long it waited")
    func remaining() {
        let bus = Scenario()
        let worker = bus.readyWorker()
        bus.attached().request("a") { $0.deadline = .seconds(60) }
        bus.pass(.seconds(4))
        worker.giveBack(worker.takeJobs()[0], .noGo)
        #expect(worker.headers.map(\.remaining) == [.seconds(60), .seconds(56)])
        #expect(worker.headers.map(\.waited) == [.zero, .seconds(4)])
    }

    @Test("who asked for it is cancelled with its connection; a repeat from elsewhere changes nothing")
    func cancelOnDisconnect() {
        let bus = Scenario()
        let worker = bus.readyWorker(capacity: 1)
        let agent = bus.attached()
        let other = bus.attached()
        agent.request("a") { $0.cancelOnDisconnect = true }
        agent.request("b") { $0.cancelOnDisconnect = true }
        agent.request("c")
        for id in ["a", "b", "c"] { other.request(id) }
        _ = other.take()
        let job = worker.takeJobs()[0]
        other.get("a")
        _ = other.take()
        agent.disconnect()
        #expect(worker.take() == [.cancel(job)])
        #expect(other.take() == [.broke("a", .cancelled), .broke("b", .cancelled)])
        #expect(other.get("c") == [.state(.queued)])
    }

    @Test("the closing of another listener does not cancel; BYE of the owner does")
    func cancelOnBye() {
        let bus = Scenario()
        let agent = bus.lockStep()
        let other = bus.attached()
        agent.request("a") { $0.cancelOnDisconnect = true }
        other.get("a")
        other.disconnect()
        #expect(bus.counters.queued == 1)
        agent.send(.bye)
        #expect(bus.counters.queued == 0)
        #expect(bus.attached().get("a") == [.broke("a", .cancelled)])
    }

    @Test("a connection that goes after the end harms nothing")
    func disconnectAfterEnd() {
        let bus = Scenario()
        let agent = bus.attached()
        agent.request("a") { $0.cancelOnDisconnect = true }
        agent.cancel("a")
        agent.disconnect()
        #expect(bus.attached().get("a") == [.broke("a", .cancelled)])
    }

    @Test("a cancelled request takes up room at its worker until the worker lets go")
    func cancelledKeepsItsPlace() {
        let bus = Scenario()
        let worker = bus.readyWorker(capacity: 1)
        worker.credit(5)
        let agent = bus.attached()
        agent.request("a")
        let job = worker.takeJobs()[0]
        agent.cancel("a")
        agent.request("b")
        #expect(worker.take() == [.cancel(job)])
        worker.fail(job)
        #expect(bus.counters.leased == 1)
    }

    @Test("a REPLY after CANCEL is dropped, acknowledged and counted")
    func replyAfterCancel() {
        let bus = Scenario()
        let worker = bus.readyWorker()
        let agent = bus.attached()
        agent.request("a")
        let job = worker.takeJobs()[0]
        worker.start(job, attempt: 1)
        #expect(agent.cancel("a") == [.broke("a", .cancelled)])
        #expect(worker.reply(job) == [.cancel(job), .acknowledge(job)])
        #expect(agent.take().isEmpty)
        #expect(agent.get("a") == [.broke("a", .cancelled)])
        #expect(bus.counters.lateTerminals == 1)
        #expect(bus.counters.replied == 0)
    }

    @Test("how it ended is published once, with its deliveries")
    func published() throws {
        let bus = Scenario()
        let worker = bus.readyWorker()
        let agent = bus.attached()
        agent.request("a") { $0.task = "t" }
        bus.pass(.seconds(2))
        let job = worker.takeJobs()[0]
        worker.start(job, attempt: 1)
        worker.reply(job)
        let endings = bus.events.compactMap { event in
            if case .requestEnded(let ending) = event { ending } else { nil }
        }
        #expect(endings.count == 1)
        let ending = try #require(endings.first)
        #expect(ending.task == "t" && ending.isReply && ending.brokerClass == nil)
        #expect(ending.deliveries == 1 && ending.paidDeliveries == 1)
        #expect(ending.waited == .zero && ending.duration == .seconds(2))
    }
}
