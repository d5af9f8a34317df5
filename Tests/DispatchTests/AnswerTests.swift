import BusProtocol
import CoreTypes
import Testing

@testable import Dispatch

@Suite("Lock-step agents get one answer each, attached ones what the table says")
struct AnswerTests {
    @Test("HELLO, PING, TASK and BYE are answered alike")
    func simple() {
        let bus = Scenario()
        for agent in [bus.attached(), bus.lockStep()] {
            #expect(agent.send(.hello(AgentHello(client: "t"))) == [.welcome])
            #expect(agent.send(.ping(token: [1, 0, 255])) == [.pong])
            let report = TaskReport(task: Agent.id("t"), outcome: .failedInLLM)
            #expect(agent.send(.task(report)) == [.ok])
            #expect(bus.events.last == .taskEnded(agent.tenant, report))
            #expect(agent.send(.bye) == [.ok])
        }
    }

    @Test("WELCOME tells the epoch, the dedup time and the durabilities; PONG the token")
    func contents() {
        let bus = Scenario { $0.epoch = 77 }
        bus.attached().send(.hello(AgentHello()))
        guard case .answer(_, .welcome(let welcome)) = bus.effects[0] else {
            Issue.record("WELCOME expected")
            return
        }
        #expect(welcome == AgentWelcome(epoch: 77, dedup: .seconds(3600), durabilities: [.memory]))
        bus.attached().send(.ping(token: [9]))
        guard case .answer(_, .pong([9])) = bus.effects[0] else {
            Issue.record("PONG with the token expected")
            return
        }
    }

    @Test("a lock-step REQUEST gets its terminal and nothing before it")
    func lockStepRequest() {
        let bus = Scenario()
        let worker = bus.readyWorker()
        let agent = bus.lockStep()
        #expect(agent.request("a").isEmpty)
        let job = worker.takeJobs()[0]
        worker.start(job, attempt: 1)
        worker.say(.chunk(job.attempt(1)))
        #expect(agent.take().isEmpty)
        worker.reply(job)
        #expect(agent.take() == [.reply("a")])
    }

    @Test("a lock-step agent that repeats REQUEST gets an answer to each, a failure of the worker too")
    func lockStepTwice() {
        let bus = Scenario()
        let worker = bus.readyWorker()
        let agent = bus.lockStep()
        agent.request("a")
        agent.request("a")
        worker.fail(worker.takeJobs()[0])
        #expect(agent.take() == [.failed("a"), .failed("a")])
    }

    @Test("a lock-step GET without a wait gets the state, and then nothing more")
    func lockStepState() {
        let bus = Scenario()
        let worker = bus.readyWorker()
        let getter = bus.lockStep()
        bus.attached().request("a")
        #expect(getter.get("a") == [.state(.leased)])
        let job = worker.takeJobs()[0]
        worker.start(job, attempt: 1)
        #expect(getter.get("a") == [.state(.running)])
        worker.reply(job)
        #expect(getter.take().isEmpty)
        #expect(getter.get("a") == [.reply("a")])
    }

    @Test("a lock-step GET with a wait gets the terminal when it comes in time")
    func waitForTerminal() {
        let bus = Scenario()
        let worker = bus.readyWorker()
        let getter = bus.lockStep()
        bus.attached().request("a")
        #expect(getter.get("a", wait: .seconds(5)).isEmpty)
        bus.pass(.seconds(4))
        #expect(getter.take().isEmpty)
        worker.fail(worker.takeJobs()[0])
        #expect(getter.take() == [.failed("a")])
        bus.pass(.seconds(10))
        #expect(getter.take().isEmpty)
    }

    @Test("a lock-step GET with a wait gets the state after it, and then nothing more")
    func waitForState() {
        let bus = Scenario()
        let agent = bus.attached()
        let getter = bus.lockStep()
        agent.request("a")
        #expect(getter.get("a", wait: .seconds(5)).isEmpty)
        bus.pass(.milliseconds(4999))
        #expect(getter.take().isEmpty)
        bus.pass(.milliseconds(1))
        #expect(getter.take() == [.state(.queued)])
        agent.cancel("a")
        #expect(getter.take().isEmpty)
    }

    @Test("STATE tells deliveries, attempts, age and what is left")
    func stateFigures() {
        let bus = Scenario()
        let worker = bus.readyWorker()
        let agent = bus.attached()
        agent.request("a") { $0.deadline = .seconds(60) }
        let first = worker.takeJobs()[0]
        worker.start(first, attempt: 1)
        worker.start(first, attempt: 2)
        bus.pass(.seconds(10), beating: [worker])
        agent.get("a")
        guard case .answer(_, .state(_, let state)) = bus.effects[0] else {
            Issue.record("STATE expected")
            return
        }
        #expect(
            state
                == RequestState(
                    phase: .running,
                    deliveries: 1,
                    attempts: 2,
                    age: .seconds(10),
                    remaining: .seconds(50)
                )
        )
    }

    @Test("an attached GET attaches: the state now, the terminal once")
    func attachedGet() {
        let bus = Scenario()
        let worker = bus.readyWorker()
        bus.lockStep().request("a")
        let other = bus.attached()
        #expect(other.get("a") == [.state(.leased)])
        #expect(other.get("a", wait: .seconds(9)) == [.state(.leased)])
        worker.fail(worker.takeJobs()[0])
        #expect(other.take() == [.failed("a")])
        #expect(other.get("a") == [.failed("a")])
    }

    @Test("CANCEL gets the terminal once, whoever listens; before a worker or with one")
    func cancel() {
        let bus = Scenario()
        let worker = bus.readyWorker(capacity: 1)
        let agent = bus.attached()
        let waiting = bus.lockStep()
        let stranger = bus.attached()
        agent.request("a")
        agent.request("b")
        waiting.request("b")
        let job = worker.takeJobs()[0]
        #expect(agent.cancel("a") == [.broke("a", .cancelled)])
        #expect(worker.take() == [.cancel(job)])
        #expect(stranger.cancel("b") == [.broke("b", .cancelled)])
        #expect(agent.take() == [.broke("b", .cancelled)])
        #expect(waiting.take() == [.broke("b", .cancelled)])
        #expect(bus.lockStep().cancel("b") == [.broke("b", .cancelled)])
    }

    @Test("a lock-step CANCEL and the REQUEST that waits get an answer each")
    func lockStepCancel() {
        let bus = Scenario()
        let agent = bus.lockStep()
        let canceller = bus.lockStep()
        agent.request("a")
        #expect(canceller.cancel("a") == [.broke("a", .cancelled)])
        #expect(agent.take() == [.broke("a", .cancelled)])
    }

    @Test("CANCEL after the terminal gets that terminal")
    func lateCancel() {
        let bus = Scenario()
        let worker = bus.readyWorker()
        let agent = bus.attached()
        agent.request("a")
        let job = worker.takeJobs()[0]
        worker.start(job, attempt: 1)
        worker.reply(job)
        #expect(agent.take() == [.reply("a")])
        #expect(agent.cancel("a") == [.reply("a")])
        #expect(worker.take().isEmpty)
    }

    @Test("ACK is OK after the terminal, 405 before it, OK again when repeated; from any connection of the tenant")
    func acknowledge() {
        let bus = Scenario()
        for agent in [bus.attached(), bus.lockStep()] {
            let id = "a\(agent.path.connection.value)"
            agent.request(id)
            #expect(agent.acknowledge(id) == [.error(.unexpected)])
            bus.attached().cancel(id)
            _ = agent.take()
            #expect(agent.acknowledge(id) == [.ok])
            #expect(agent.acknowledge(id) == [.ok])
            #expect(bus.lockStep().acknowledge(id) == [.ok])
        }
    }

    @Test("no more than the bound may wait for one request; who waits already may ask again")
    func listeners() {
        let bus = Scenario { $0.listenersPerRequestMax = 3 }
        let first = bus.attached()
        first.request("a")
        #expect(bus.attached().get("a") == [.state(.queued)])
        #expect(bus.lockStep().get("a", wait: .seconds(1)).isEmpty)
        #expect(bus.attached().get("a") == [.error(.busy)])
        #expect(bus.lockStep().get("a", wait: .seconds(1)) == [.error(.busy)])
        #expect(bus.lockStep().request("a") == [.error(.busy)])
        #expect(bus.attached().request("a") == [.error(.busy)])
        #expect(bus.lockStep().get("a") == [.state(.queued)])
        #expect(first.get("a") == [.state(.queued)])
        #expect(first.request("a") == [.duplicate("a")])
        bus.pass(.seconds(1))
        #expect(bus.attached().get("a") == [.state(.queued)])
    }

    @Test("agents that ask with a long wait and leave, again and again, leave nothing behind")
    func waitsOfTheDeparted() {
        let bus = Scenario()
        bus.attached().request("a")
        for _ in 0..<5000 {
            let getter = bus.lockStep()
            getter.get("a", wait: .seconds(80_000))
            getter.disconnect()
        }
        #expect(bus.dispatcher.timers.count < 2100)
        #expect(bus.dispatcher.agents.count == 1)
    }

    @Test("after BYE or a closed connection nothing is sent there; another connection gets it all")
    func departed() {
        let bus = Scenario()
        let worker = bus.readyWorker()
        let one = bus.attached()
        let two = bus.attached()
        let three = bus.attached()
        for agent in [one, two, three] { agent.request("a") }
        one.send(.bye)
        two.disconnect()
        worker.fail(worker.takeJobs()[0])
        #expect(one.take().isEmpty)
        #expect(two.take().isEmpty)
        #expect(three.take() == [.failed("a")])
    }
}
