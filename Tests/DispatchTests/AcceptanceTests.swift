import BusProtocol
import CoreTypes
import Dispatch
import Testing

@Suite("A request is taken, known again, or refused")
struct AcceptanceTests {
    @Test("an attached agent gets ACCEPTED and then the terminal; the body is kept first")
    func accepted() {
        let bus = Scenario()
        let worker = bus.readyWorker()
        let agent = bus.attached()
        #expect(agent.request("a") == [.accepted("a")])
        guard case .keepRequest = bus.effects.first else {
            Issue.record("the first effect keeps the body, found \(bus.effects)")
            return
        }
        let job = worker.takeJobs()[0]
        #expect(worker.start(job, attempt: 1) == [.go(job.attempt(1))])
        #expect(worker.reply(job) == [.acknowledge(job)])
        #expect(agent.take() == [.reply("a")])
    }

    @Test("the worker's ACK follows the keeping and the sending of the terminal")
    func acknowledgeComesLast() throws {
        let bus = Scenario()
        let worker = bus.readyWorker()
        bus.attached().request("a")
        let job = worker.takeJobs()[0]
        worker.start(job, attempt: 1)
        worker.reply(job)
        let kept = try #require(bus.effects.firstIndex { if case .keepTerminal = $0 { true } else { false } })
        let sent = try #require(bus.effects.firstIndex { if case .sendTerminal = $0 { true } else { false } })
        let told = try #require(
            bus.effects.firstIndex { if case .order(_, .acknowledge) = $0 { true } else { false } }
        )
        #expect(kept < sent && sent < told)
    }

    @Test("the same id with the same body is the same request, open or ended")
    func duplicate() {
        let bus = Scenario()
        let worker = bus.readyWorker()
        let agent = bus.attached()
        let other = bus.attached()
        agent.request("a")
        #expect(agent.request("a") == [.duplicate("a")])
        #expect(other.request("a") == [.duplicate("a")])
        let jobs = worker.takeJobs()
        #expect(jobs.count == 1)
        worker.start(jobs[0], attempt: 1)
        worker.reply(jobs[0])
        #expect(agent.take() == [.reply("a")])
        #expect(other.take() == [.reply("a")])
        #expect(agent.request("a") == [.duplicate("a"), .reply("a")])
        #expect(bus.lockStep().request("a") == [.reply("a")])
        #expect(bus.counters.accepted == 1)
    }

    @Test("the same id with another body is 409, open, ended or remembered")
    func conflict() {
        let bus = Scenario()
        let agent = bus.attached()
        agent.request("a")
        #expect(agent.request("a", body: 9) == [.error(.idConflict)])
        agent.cancel("a")
        #expect(agent.request("a", body: 9) == [.error(.idConflict)])
        agent.acknowledge("a")
        #expect(agent.request("a", body: 9) == [.error(.idConflict)])
    }

    @Test("after the ACK the id is 410 for REQUEST, GET and CANCEL, and nothing runs again")
    func gone() {
        let bus = Scenario()
        let worker = bus.readyWorker()
        let agent = bus.attached()
        agent.request("a")
        agent.cancel("a")
        worker.fail(worker.takeJobs()[0])
        #expect(agent.acknowledge("a") == [.ok])
        #expect(agent.request("a") == [.error(.gone)])
        #expect(agent.get("a") == [.error(.gone)])
        #expect(agent.cancel("a") == [.error(.gone)])
        #expect(worker.takeJobs().isEmpty)
    }

    @Test("an id that nobody used is 404 for GET, CANCEL and ACK")
    func unknown() {
        let bus = Scenario()
        for agent in [bus.attached(), bus.lockStep()] {
            #expect(agent.get("x") == [.error(.unknownRequest)])
            #expect(agent.get("x", wait: .seconds(1)) == [.error(.unknownRequest)])
            #expect(agent.cancel("x") == [.error(.unknownRequest)])
            #expect(agent.acknowledge("x") == [.error(.unknownRequest)])
        }
    }

    @Test("ids of different tenants never meet")
    func tenants() {
        let bus = Scenario()
        let mine = bus.attached(1)
        let other = bus.attached(2)
        mine.request("a")
        #expect(other.get("a") == [.error(.unknownRequest)])
        #expect(other.request("a", body: 9) == [.accepted("a")])
        other.cancel("a")
        other.acknowledge("a")
        #expect(mine.get("a") == [.state(.queued)])
    }

    @Test("the names of the broker are refused as ids of requests")
    func reserved() {
        let bus = Scenario()
        for agent in [bus.attached(), bus.lockStep()] {
            #expect(agent.request("sys.health") == [.error(.malformed)])
            #expect(agent.cancel("sys.health") == [.error(.malformed)])
            #expect(agent.acknowledge("sys.health") == [.error(.malformed)])
            #expect(agent.get("sys.nothing") == [.error(.unknownRequest)])
        }
        #expect(bus.counters.accepted == 0)
    }

    @Test("durability disk is 501 here, memory is taken, and what was refused is not remembered")
    func durability() {
        let bus = Scenario()
        let agent = bus.attached()
        #expect(agent.request("a") { $0.durability = .disk } == [.rejected(.notImplemented)])
        #expect(agent.get("a") == [.error(.unknownRequest)])
        #expect(agent.request("a", body: 9) { $0.durability = .memory } == [.accepted("a")])
    }

    @Test("the limit of open requests refuses with a wait, and an ended one makes room")
    func openLimit() {
        let bus = Scenario { $0.openRequestsMax = 2 }
        let agent = bus.attached()
        agent.request("a")
        agent.request("b")
        #expect(agent.request("c") == [.rejected(.busy)])
        #expect(bus.lockStep().request("d") == [.rejected(.busy)])
        guard case .answer(_, .rejected(_, let error)) = bus.effects.first else {
            Issue.record("REJECTED expected, found \(bus.effects)")
            return
        }
        #expect(error.retryAfter != nil)
        #expect(agent.request("a") == [.duplicate("a")])
        agent.cancel("b")
        _ = agent.take()
        #expect(agent.request("c") == [.accepted("c")])
    }

    @Test("the limit of body bytes counts open requests only")
    func byteLimit() {
        let bus = Scenario { $0.openBytesMax = 250 }
        let agent = bus.attached()
        agent.request("a")
        agent.request("b")
        #expect(bus.counters.openBytes == 200)
        #expect(agent.request("c") == [.rejected(.busy)])
        #expect(agent.request("d", bytes: 50) == [.accepted("d")])
        agent.cancel("a")
        _ = agent.take()
        #expect(bus.counters.openBytes == 150)
        #expect(agent.request("c") == [.accepted("c")])
    }

    @Test("a full store of terminals or of remembered ids refuses new requests and evicts nothing")
    func storeLimit() {
        let bus = Scenario {
            $0.keptTerminalsMax = 1
            $0.tombstonesMax = 2
        }
        let agent = bus.attached()
        agent.request("a")
        agent.cancel("a")
        #expect(agent.request("b") == [.rejected(.storeFull)])
        #expect(agent.get("a") == [.broke("a", .cancelled)])
        agent.acknowledge("a")
        #expect(agent.request("b") == [.accepted("b")])
        agent.cancel("b")
        agent.acknowledge("b")
        #expect(agent.request("c") == [.rejected(.storeFull)])
        #expect(agent.request("a") == [.error(.gone)])
    }

    @Test("a store full of bytes refuses new requests until an ACK")
    func storeBytes() {
        let bus = Scenario { $0.keptBytesMax = 1000 }
        let agent = bus.attached()
        bus.dispatcher.keptBytes = 1000
        #expect(agent.request("a") == [.rejected(.storeFull)])
        bus.dispatcher.keptBytes = 999
        #expect(agent.request("a") == [.accepted("a")])
    }

    @Test("a broker that stops takes nothing new, and serves what it has")
    func stopping() {
        let bus = Scenario()
        let worker = bus.readyWorker(capacity: 1)
        let agent = bus.attached()
        agent.request("a")
        bus.feed(.stop)
        #expect(agent.request("b") == [.rejected(.stopping)])
        #expect(agent.request("a") == [.duplicate("a")])
        let job = worker.takeJobs()[0]
        worker.start(job, attempt: 1)
        worker.reply(job)
        #expect(agent.take() == [.reply("a")])
    }

    @Test("the end of the broker ends everything open, and tells workers and agents")
    func endAll() {
        let bus = Scenario()
        let worker = bus.readyWorker(capacity: 1)
        let agent = bus.attached()
        let waiting = bus.lockStep()
        agent.request("a")
        waiting.request("b")
        let job = worker.takeJobs()[0]
        bus.feed(.endAll)
        #expect(agent.take() == [.broke("a", .shuttingDown)])
        #expect(waiting.take() == [.broke("b", .shuttingDown)])
        #expect(worker.take() == [.cancel(job)])
        #expect(bus.counters.open == 0)
        #expect(agent.request("c") == [.rejected(.stopping)])
    }

    @Test("job numbers of a later broker are all new to a worker that outlived the one before")
    func jobNumbers() {
        var numbers: [Int64: [JobNumber]] = [:]
        for epoch: Int64 in [1_790_000_000_000, 1_790_000_000_001] {
            let bus = Scenario { $0.epoch = epoch }
            let agent = bus.attached()
            for id in ["a", "b", "c"] { agent.request(id) }
            numbers[epoch] = ["a", "b", "c"].compactMap {
                bus.ledger.number(of: RequestKey(tenant: agent.tenant, id: Agent.id($0)))
            }
        }
        let first = numbers[1_790_000_000_000] ?? []
        let second = numbers[1_790_000_000_001] ?? []
        #expect(first.count == 3 && second.count == 3)
        #expect(first[2] < second[0])
        #expect(second[2].value < 1 << 53)
    }
}
