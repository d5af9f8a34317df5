import BusProtocol
import CoreTypes
import Dispatch
import Testing

@Suite("What rests on the journal waits for it")
struct JournalTests {
    private func durable(_ configure: (inout DispatchConfiguration) -> Void = { _ in }) -> Scenario {
        Scenario {
            $0.hasJournal = true
            configure(&$0)
        }
    }

    @Test("ACCEPTED follows the commit, and the JOB does not wait for it")
    func acceptance() {
        let bus = durable()
        let worker = bus.readyWorker()
        let agent = bus.attached()
        #expect(agent.request("a") == [])
        #expect(worker.takeJobs().count == 1)
        bus.commit()
        #expect(agent.take() == [.accepted("a")])
    }

    @Test("memory waits for nothing, though there is a journal")
    func memory() {
        let bus = durable()
        let worker = bus.readyWorker()
        let agent = bus.attached()
        #expect(agent.request("a") { $0.durability = .memory } == [.accepted("a")])
        let job = worker.takeJobs()[0]
        #expect(worker.start(job, attempt: 1) == [.go(job.attempt(1))])
        #expect(worker.reply(job) == [.acknowledge(job)])
        #expect(agent.take() == [.reply("a")])
        #expect(bus.writes.isEmpty)
    }

    @Test("each GO follows the commit of its mark")
    func go() {
        let bus = durable()
        let worker = bus.readyWorker()
        bus.attached().request("a")
        let job = worker.takeJobs()[0]
        #expect(worker.start(job, attempt: 1) == [])
        bus.commit(1)
        #expect(worker.take() == [], "the acceptance alone allows no call")
        bus.commit()
        #expect(worker.take() == [.go(job.attempt(1))])
        #expect(worker.start(job, attempt: 2) == [])
        #expect(worker.start(job, attempt: 2) == [])
        bus.commit()
        #expect(worker.take() == [.go(job.attempt(2))], "asked twice, given once")
        #expect(bus.counters.goes == 2)
    }

    @Test("a request cancelled while its GO waits for the disk gets no GO")
    func cancelledMeanwhile() {
        let bus = durable()
        let worker = bus.readyWorker()
        let agent = bus.attached()
        agent.request("a")
        bus.commit()
        let job = worker.takeJobs()[0]
        worker.start(job, attempt: 1)
        agent.cancel("a")
        bus.commit()
        #expect(worker.take() == [.cancel(job)])
        #expect(bus.counters.goes == 0)
        #expect(agent.take() == [.broke("a", .cancelled)])
    }

    @Test("a request that expires while its GO waits for the disk is NOGO expired")
    func expiredMeanwhile() {
        let bus = durable()
        let worker = bus.readyWorker()
        bus.attached().request("a") { $0.deadline = .seconds(2) }
        let job = worker.takeJobs()[0]
        worker.start(job, attempt: 1)
        bus.jump(.seconds(2))
        bus.commit()
        #expect(worker.take() == [.noGo(job.attempt(1), .expired)])
    }

    @Test("a worker that dies while its GO waits has cost nothing: another gets the request, on_loss fail or not")
    func diedMeanwhile() {
        let bus = durable()
        let worker = bus.readyWorker()
        let agent = bus.attached()
        agent.request("a") { $0.onLoss = .fail }
        let job = worker.takeJobs()[0]
        worker.start(job, attempt: 1)
        worker.die()
        let other = bus.readyWorker("other")
        #expect(other.headers.count == 1)
        bus.commit()
        #expect(bus.counters.goes == 0)
        #expect(agent.take() == [.accepted("a")])
    }

    @Test("the same question in a new session of the worker gets one GO, for that session")
    func rejoinedMeanwhile() {
        let bus = durable()
        let worker = bus.readyWorker()
        bus.attached().request("a")
        let job = worker.takeJobs()[0]
        worker.start(job, attempt: 1)
        let held = WorkerReady.Held(key: job, bodyHash: BodyHash(1, 2, 3, 4), state: .waiting)
        worker.ready(held: [held])
        worker.start(job, attempt: 1)
        bus.commit()
        #expect(worker.take() == [.go(job.attempt(1))])
    }

    @Test("terminals to agents and the ACK to the worker follow the commit")
    func terminal() {
        let bus = durable()
        let worker = bus.readyWorker()
        let agent = bus.attached()
        let asker = bus.lockStep()
        agent.request("a")
        let job = worker.takeJobs()[0]
        worker.start(job, attempt: 1)
        bus.commit()
        _ = agent.take()
        _ = worker.take()
        #expect(worker.reply(job) == [])
        #expect(agent.take() == [])
        #expect(asker.get("a") == [])
        #expect(worker.reply(job) == [], "a second one is no reason to let the worker forget")
        bus.commit()
        #expect(agent.take() == [.reply("a")])
        #expect(asker.take() == [.reply("a")])
        #expect(worker.take() == [.acknowledge(job), .acknowledge(job)])
    }

    @Test("a result whose terminal is not on disk stays with the worker that says READY again")
    func finishedMeanwhile() {
        let bus = durable()
        let worker = bus.readyWorker()
        bus.attached().request("a")
        let job = worker.takeJobs()[0]
        worker.start(job, attempt: 1)
        bus.commit()
        worker.reply(job)
        let held = WorkerReady.Held(key: job, bodyHash: BodyHash(1, 2, 3, 4), state: .finished)
        #expect(worker.ready(held: [held]).contains(.welcome(keep: [job], drop: [])))
        bus.commit()
        #expect(worker.ready(held: [held]).contains(.welcome(keep: [], drop: [job])))
    }

    @Test("GET and a repeated REQUEST promise nothing before the commit")
    func promises() {
        let bus = durable()
        let agent = bus.attached()
        let other = bus.lockStep()
        agent.request("a")
        #expect(other.get("a") == [])
        #expect(agent.request("a") == [])
        bus.commit()
        #expect(other.take() == [.state(.queued)])
        #expect(agent.take() == [.accepted("a"), .duplicate("a")])
    }

    @Test("an ACK before the terminal is on disk comes too early")
    func earlyAcknowledgement() {
        let bus = durable()
        let agent = bus.attached()
        agent.request("a")
        bus.commit()
        _ = agent.take()
        agent.cancel("a")
        #expect(agent.acknowledge("a") == [.error(.unexpected)])
        bus.commit()
        #expect(agent.take() == [.broke("a", .cancelled)])
        #expect(agent.acknowledge("a") == [.ok])
        #expect(agent.get("a") == [.error(.gone)])
    }

    @Test("an acceptance that the disk refuses is REJECTED, wherever the request stands, and not remembered")
    func lost() throws {
        let bus = durable()
        let worker = bus.readyWorker()
        let agent = bus.attached()
        let asker = bus.lockStep()
        agent.request("a")
        asker.get("a", wait: .seconds(5))
        let job = worker.takeJobs()[0]
        worker.start(job, attempt: 1)
        bus.loseAcceptances([job.job])
        #expect(agent.take() == [.rejected(.storeFull)])
        #expect(asker.take() == [.rejected(.storeFull)])
        #expect(worker.take() == [.cancel(job)])
        #expect(bus.counters.goes == 0)
        #expect(worker.giveBack(job, .noGo) == [])
        #expect(agent.get("a") == [.error(.unknownRequest)])
        agent.request("a")
        bus.commit()
        #expect(agent.take() == [.accepted("a")])
    }

    @Test("a lost acceptance that had ended already is REJECTED too, and its worker may forget it")
    func lostAfterTheEnd() {
        let bus = durable()
        let worker = bus.readyWorker()
        let agent = bus.attached()
        agent.request("a")
        let job = worker.takeJobs()[0]
        #expect(worker.fail(job) == [])
        bus.loseAcceptances([job.job])
        #expect(agent.take() == [.rejected(.storeFull)])
        #expect(worker.take() == [.acknowledge(job)])
    }

    @Test("a lost acceptance that waits for a worker is handed to nobody")
    func lostInTheQueue() {
        let bus = durable()
        let agent = bus.attached()
        let first = bus.readyWorker()
        agent.request("a")
        let job = first.takeJobs()[0]
        bus.commit()
        first.die()
        let number = JobNumber(job.job.value + 1)
        agent.request("b")
        bus.loseAcceptances([number])
        _ = agent.take()
        let worker = bus.readyWorker("other")
        #expect(worker.headers.map(\.id.text) == ["a"])
    }

    @Test("a terminal asked for while another write waits comes with its own commit, before it can be acknowledged")
    func askedForBehindAnother() {
        let bus = durable()
        let agent = bus.attached()
        let asker = bus.lockStep()
        agent.request("a")
        bus.commit()
        agent.cancel("a")
        agent.request("b")
        #expect(asker.get("a") == [])
        _ = agent.take()
        bus.commit(1)
        #expect(agent.take() == [.broke("a", .cancelled)])
        #expect(asker.take() == [.broke("a", .cancelled)])
        #expect(agent.acknowledge("a") == [.ok])
        bus.commit()
        #expect(agent.take() == [.accepted("b")])
        #expect(asker.take() == [])
    }

    @Test("while the journal takes nothing, disk is REJECTED and memory is not")
    func failing() {
        let bus = durable()
        bus.dispatcher.journalRefusal = BusError(.storeFull, "the disk is full", retryAfter: .seconds(1))
        let agent = bus.attached()
        #expect(agent.request("a") == [.rejected(.storeFull)])
        #expect(agent.request("b") { $0.durability = .memory } == [.accepted("b")])
    }

    @Test("without a journal an explicit disk is REJECTED")
    func none() {
        let bus = Scenario()
        #expect(bus.attached().request("a") { $0.durability = .disk } == [.rejected(.notImplemented)])
    }

    @Test("a broker that stops ends what is in memory and leaves the rest to the journal")
    func stop() {
        let bus = durable()
        let agent = bus.attached()
        agent.request("a") { $0.durability = .memory }
        agent.request("b")
        bus.commit()
        _ = agent.take()
        bus.feed(.endAll)
        #expect(agent.take() == [.broke("a", .shuttingDown)])
        #expect(bus.counters.open == 1)
        #expect(bus.counters.openInMemory == 0)
    }
}
