import BusProtocol
import CoreTypes
import Testing

@testable import Dispatch

@Suite("The broker tells about itself")
struct SystemTests {
    private func health(_ bus: Scenario) throws -> SystemHealth {
        guard case .document(.health(let health)) = bus.lockStep().get("sys.health").first else { throw Absent() }
        return health
    }

    private func workers(_ bus: Scenario) throws -> [SystemWorker] {
        guard case .document(.workers(let workers)) = bus.attached().get("sys.workers").first else { throw Absent() }
        return workers
    }

    private func requests(_ agent: Agent) throws -> ([SystemRequest], isTruncated: Bool) {
        guard case .document(.requests(let requests, let isTruncated)) = agent.get("sys.requests").first else {
            throw Absent()
        }
        return (requests, isTruncated)
    }

    private struct Absent: Error {}

    @Test("sys.requests tells of a large table after a restart too")
    func requestsAfterRestart() throws {
        let before = Scenario {
            $0.hasJournal = true
            $0.openRequestsMax = 10_000
        }
        let agent = before.attached()
        for number in 0...Dispatcher.systemScanMax { agent.request("r\(number)") }
        before.commit()
        let bus = before.restarted(after: .seconds(3600))
        let (requests, isTruncated) = try requests(bus.attached())
        #expect(isTruncated)
        #expect(requests.map(\.id.text) == (0..<1000).map { "r\(Dispatcher.systemScanMax - $0)" })
    }

    @Test("sys.health has sizes, totals, limits and the reasons of rejections")
    func health() throws {
        let bus = Scenario {
            $0.epoch = 77
            $0.openRequestsMax = 3
        }
        let worker = bus.readyWorker(capacity: 1)
        let agent = bus.attached()
        agent.request("a") { $0.priority = 9 }
        agent.request("b", bytes: 50) { $0.priority = 0 }
        agent.request("c") { $0.priority = 9 }
        agent.request("d")
        agent.request("e") { $0.durability = .disk }
        worker.start(try #require(worker.takeJobs().first), attempt: 1)
        bus.jump(.seconds(5))

        let health = try health(bus)
        #expect(health.epoch == 77)
        #expect(health.uptime == .seconds(5))
        #expect(!health.isStopping)
        #expect(health.workers == 1)
        #expect(health.counters == bus.counters)
        #expect(health.queuedByPriority == [1, 0, 0, 0, 0, 0, 0, 0, 0, 1])
        #expect(health.gauges.map(\.limit) == SystemHealth.Limit.allCases)
        #expect(health.gauges[0] == SystemHealth.Gauge(limit: .open, used: 3, most: 3))
        #expect(health.gauges[1].used == 250)
        #expect(
            health.rejections == [
                SystemHealth.Rejection(code: .busy, count: 1), SystemHealth.Rejection(code: .notImplemented, count: 1),
            ]
        )
        bus.feed(.stop)
        #expect(try self.health(bus).isStopping)
    }

    @Test("sys.workers tells each worker's load, credit, lease and state")
    func workers() throws {
        let bus = Scenario()
        let second = bus.readyWorker("w.2", capacity: 4)
        let first = bus.readyWorker("w.1", capacity: 10)
        let agent = bus.attached()
        for id in ["a", "b", "c"] { agent.request(id) }
        bus.jump(.seconds(2))

        var found = try workers(bus)
        #expect(found.map(\.name) == ["w.1", "w.2"])
        #expect(found.map(\.pid) == [first.pid, second.pid])
        #expect(found.map(\.state) == [.joined, .joined])
        #expect(found.map(\.held).reduce(0, +) == 3)
        #expect(found[0].credit == 10 - found[0].held)
        #expect(found[1].deliveries == UInt64(found[1].held))
        #expect(found[0].leaseRemaining == .seconds(13))
        #expect(found[0].sessionAge == .seconds(2))

        first.giveBack(try #require(first.takeJobs().first), .full)
        second.giveBack(try #require(second.takeJobs().first), .draining)
        found = try workers(bus)
        #expect(found.map(\.state) == [.full, .quiet])
        #expect(found.map(\.credit) == [0, 0])
        first.disconnect()
        second.processGone()
        second.disconnect()
        #expect(try workers(bus).map(\.state) == [.disconnected, .lost])
        second.drained()
        #expect(try workers(bus).map(\.name) == ["w.1"])
    }

    @Test("sys.requests tells the requests of the own tenant, newest first, and every state")
    func requests() throws {
        let bus = Scenario()
        let worker = bus.readyWorker("w", capacity: 4)
        let mine = bus.lockStep(1)
        let other = bus.lockStep(2)
        for id in ["replied", "failed", "running", "leased"] { mine.request(id) { $0.task = "t" } }
        other.request("theirs")
        let jobs = worker.takeJobs()
        for job in jobs.prefix(3) { worker.start(job, attempt: 1) }
        worker.reply(jobs[0])
        worker.fail(jobs[1])
        worker.disconnect()
        mine.request("queued") {
            $0.priority = 7
            $0.deadline = .seconds(10)
        }
        bus.jump(.seconds(1))

        let (found, isTruncated) = try requests(mine)
        #expect(!isTruncated)
        #expect(found.map(\.id.text) == ["queued", "leased", "running", "failed", "replied"])
        #expect(found.map(\.state) == [.queued, .leased, .running, .failed, .replied])
        #expect(found.map(\.worker) == [nil, "w", "w", nil, nil])
        #expect(found.map(\.task) == [nil, "t", "t", "t", "t"])
        #expect(found.map(\.attempts) == [0, 0, 1, 1, 1])
        #expect(found.map(\.deliveries) == [0, 1, 1, 1, 1])
        #expect(found[0].priority == 7)
        #expect(found[0].age == .seconds(1))
        #expect(found[0].remaining == .seconds(9))
        #expect(found[4].remaining == nil)
        #expect(try requests(other).0.map(\.id.text) == ["theirs"])
        #expect(try requests(bus.lockStep(3)).0.isEmpty)
    }

    @Test("a read of many requests is cut, tells so, and still begins with the newest")
    func bounded() throws {
        // Without the scenario, which looks at every request after every event.
        var dispatcher = Dispatcher(configuration: DispatchConfiguration(), now: .zero)
        var effects: [DispatchEffect] = []
        let path = AgentPath(connection: ConnectionID(1))
        func ask(_ tenant: Tenant) throws -> (first: String?, last: String?, count: Int, isTruncated: Bool) {
            effects = []
            let get = DispatchEvent.agent(path, tenant, .get(SystemSubject.requests.id, wait: .zero), body: nil)
            dispatcher.handle(get, now: .zero, into: &effects)
            guard case .answerSystem(path, .requests(let found, let isTruncated)) = effects.first else {
                throw Absent()
            }
            return (found.first?.id.text, found.last?.id.text, found.count, isTruncated)
        }
        func request(_ prefix: String, _ count: Int, _ tenant: Tenant) {
            let facts = BodyFacts(hash: BodyHash(1, 2, 3, 4), byteCount: 1)
            for number in 1...count {
                let message = AgentMessage.request(Agent.id("\(prefix)\(number)"), RequestHeader())
                dispatcher.handle(.agent(path, tenant, message, body: facts), now: .zero, into: &effects)
            }
        }

        request("r", Dispatcher.systemRequestsMax + 1, .user(1))
        var found = try ask(.user(1))
        #expect(found.isTruncated)
        #expect(found.count == Dispatcher.systemRequestsMax)
        #expect(found.first == "r\(Dispatcher.systemRequestsMax + 1)")
        #expect(found.last == "r2")

        request("o", Dispatcher.systemScanMax, .user(2))
        found = try ask(.user(1))
        #expect(found.isTruncated)
        #expect(found.count == 0)
        #expect(try ask(.user(2)).first == "o\(Dispatcher.systemScanMax)")
    }

    @Test("reading changes nothing, waits for nothing, and is answered once")
    func onlyReads() {
        let bus = Scenario()
        let agent = bus.lockStep()
        let before = bus.counters
        let wake = bus.dispatcher.nextWake
        for subject in SystemSubject.allCases {
            #expect(agent.get(subject.rawValue, wait: .seconds(9)).count == 1)
            #expect(bus.effects.count == 1)
        }
        #expect(bus.counters == before)
        #expect(bus.dispatcher.nextWake == wake)
        #expect(bus.events.isEmpty)
    }
}
