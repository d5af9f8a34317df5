import BusProtocol
import CoreTypes
import Testing

@testable import Dispatch

@Suite("Any order of events")
struct FuzzTests {
    /// A lock-step message that waits for its one answer.
    private struct Question {
        var agent: Agent
        var answers = 0
    }

    /// Agents and workers that say anything at any time, sense and nonsense. The rules are checked by ``Ledger``,
    /// ``Worker`` and ``Scenario`` with every event.
    private struct Storm {
        let bus: Scenario
        var random: SeededGenerator
        var attached: [Agent] = []
        var lockStep: [ConnectionID] = []
        var questions: [Question] = []
        var departed: [Agent] = []
        var workers: [Worker] = []
        var questionLast: UInt32 = 0

        init(seed: UInt64) {
            random = SeededGenerator(seed: seed)
            bus = Scenario {
                $0.seed = seed
                $0.openRequestsMax = 12
                $0.openBytesMax = 5000
                $0.keptTerminalsMax = 20
                $0.listenersPerRequestMax = 4
                $0.lease = .seconds(3)
                $0.returnsMax = 8
                $0.attemptsMax = 20
                $0.dedup = .seconds(20)
            }
            for _ in 0..<4 { attached.append(bus.attached()) }
            for _ in 0..<3 { lockStep.append(bus.nextConnection()) }
            for index in 0..<4 { workers.append(bus.worker("w\(index)")) }
        }

        mutating func chance(_ percent: Int) -> Bool { Int.random(in: 0..<100, using: &random) < percent }

        mutating func step() {
            switch Int.random(in: 0..<100, using: &random) {
            case 0..<30: agentSpeaks()
            case 30..<85: workerSpeaks()
            case 85..<88: agentLeaves()
            case 88..<91: workerFails()
            default: timePasses()
            }
        }

        // MARK: Agents

        mutating func agentSpeaks() {
            let isLockStep = chance(50)
            let agent: Agent
            if isLockStep {
                questionLast += 1
                let envelope = Envelope(route: [Array("question \(questionLast)".utf8)])
                let connection = lockStep[Int.random(in: 0..<lockStep.count, using: &random)]
                agent = Agent(bus, AgentPath(connection: connection, envelope: envelope), .user(1000))
            } else {
                agent = attached[Int.random(in: 0..<attached.count, using: &random)]
            }
            let id = "r\(Int.random(in: 0..<25, using: &random))"
            var answers: [Agent.Received]
            switch Int.random(in: 0..<12, using: &random) {
            case 0..<6:
                var random = random
                answers = agent.request(
                    id,
                    body: chance(95) ? 1 : 2,
                    bytes: Int.random(in: 0..<1000, using: &random)
                ) {
                    $0.priority = Int.random(in: 0...9, using: &random)
                    $0.deadline = .seconds(Int.random(in: 1...30, using: &random))
                    $0.onLoss = Bool.random(using: &random) ? .retry : .fail
                    $0.ttl = .seconds(Int.random(in: 1...20, using: &random))
                    $0.cancelOnDisconnect = Bool.random(using: &random)
                }
                self.random = random
            case 6, 7:
                let wait: Duration = chance(50) ? .zero : .milliseconds(Int.random(in: 1...5000, using: &random))
                answers = agent.get(id, wait: wait)
            case 8: answers = agent.cancel(id)
            case 9, 10: answers = agent.acknowledge(id)
            default: answers = agent.send(.ping(token: []))
            }
            if isLockStep {
                questions.append(Question(agent: agent, answers: answers.count))
            } else if let first = answers.first, case .accepted = first {
                if answers.count > 2 { Issue.record("REQUEST got \(answers)") }
            }
        }

        mutating func agentLeaves() {
            if chance(50) {
                let index = Int.random(in: 0..<attached.count, using: &random)
                let agent = attached[index]
                agent.disconnect()
                _ = agent.take()
                departed.append(agent)
                attached[index] = bus.attached()
            } else {
                let index = Int.random(in: 0..<lockStep.count, using: &random)
                let connection = lockStep[index]
                collectAnswers()
                bus.feed(.agentDisconnected(connection))
                for question in questions where question.agent.path.connection == connection && question.answers == 0 {
                    departed.append(question.agent)
                }
                questions.removeAll { $0.agent.path.connection == connection && $0.answers == 0 }
                lockStep[index] = bus.nextConnection()
            }
        }

        mutating func collectAnswers(ofAll: Bool = false) {
            for index in questions.indices where ofAll || questions[index].answers == 0 {
                questions[index].answers += questions[index].agent.take().count
                if questions[index].answers > 1 { Issue.record("a lock-step message got a second answer") }
            }
        }

        // MARK: Workers

        mutating func anyKey() -> DeliveryKey {
            DeliveryKey(
                job: JobNumber(UInt64.random(in: 0...30, using: &random)),
                delivery: UInt32.random(in: 0...4, using: &random),
                attempt: UInt32.random(in: 0...6, using: &random)
            )
        }

        mutating func workerSpeaks() {
            let worker = workers[Int.random(in: 0..<workers.count, using: &random)]
            let own = worker.held.sorted { ($0.job, $0.delivery) < ($1.job, $1.delivery) }.randomElement(using: &random)
            let key = chance(90) ? own ?? anyKey() : anyKey()
            if worker.session == nil || chance(4) {
                var held: [WorkerReady.Held] = []
                for key in worker.held where chance(70) {
                    let state = WorkerReady.Held.State.allCases.randomElement(using: &random) ?? .waiting
                    let hash = chance(90) ? BodyHash(1, 2, 3, 4) : BodyHash(8, 8, 8, 8)
                    held.append(WorkerReady.Held(key: key, bodyHash: hash, state: state))
                }
                if chance(20) {
                    held.append(WorkerReady.Held(key: anyKey(), bodyHash: BodyHash(1, 2, 3, 4), state: .finished))
                }
                worker.ready(capacity: Int.random(in: 1...5, using: &random), held: held)
                return
            }
            switch Int.random(in: 0..<16, using: &random) {
            case 0..<4: worker.credit(worker.granted + UInt64.random(in: 0...3, using: &random))
            case 4 where chance(30): worker.credit(UInt64.random(in: 0...20, using: &random))
            case 4..<10:
                let attempt = UInt32.random(in: 0...9, using: &random)
                worker.start(key, attempt: attempt)
                if chance(50) { worker.start(key, attempt: chance(50) ? attempt : attempt + 1) }
            case 10..<12: worker.reply(key)
            case 12: worker.fail(key)
            case 13: worker.giveBack(key, ReturnReason.allCases.randomElement(using: &random) ?? .full)
            case 14 where chance(5): worker.bye()
            default: worker.beat()
            }
        }

        mutating func workerFails() {
            let index = Int.random(in: 0..<workers.count, using: &random)
            let worker = workers[index]
            switch Int.random(in: 0..<4, using: &random) {
            case 0:
                worker.die()
                workers[index] = bus.worker(worker.name)
            case 1:
                worker.disconnect()
                // The same process on a new connection.
                workers[index] = bus.worker(worker.name, pid: worker.pid)
            case 2:
                worker.processGone()
                worker.disconnect()
                worker.say(.start(anyKey()))
                worker.drained()
                workers[index] = bus.worker(worker.name)
            default:
                worker.drained()
            }
        }

        // MARK: Time

        mutating func timePasses() {
            let length: Duration = .milliseconds(Int.random(in: 0...1200, using: &random))
            switch Int.random(in: 0..<8, using: &random) {
            case 0: bus.jump(length)
            case 1: bus.feed(.stalled(length))
            default: bus.pass(length, beating: chance(70) ? workers.filter { $0.session != nil } : [])
            }
        }
    }

    @Test(
        "keeps every rule, answers every lock-step message once and nobody who left",
        arguments: 0..<40 as Range<UInt64>
    )
    func storm(_ seed: UInt64) {
        var storm = Storm(seed: seed)
        for _ in 0..<1200 {
            storm.step()
            storm.collectAnswers()
            for agent in storm.attached { _ = agent.take() }
        }
        storm.bus.feed(.endAll)
        storm.bus.pass(.seconds(40))
        storm.collectAnswers(ofAll: true)
        #expect(storm.questions.count > 100)
        #expect(storm.questions.allSatisfy { $0.answers == 1 })
        #expect(storm.departed.allSatisfy { $0.take() == [] })
        let counters = storm.bus.counters
        #expect(counters.open == 0 && counters.openBytes == 0 && counters.kept == 0)
        #expect(counters.accepted > 20 && counters.goes > 10)
        #expect(counters.replied > 0 && counters.lostDeliveries > 0 && counters.noGoes > 0)
        #expect(storm.bus.dispatcher.jobs.isEmpty && storm.bus.dispatcher.numbers.isEmpty)
        #expect(storm.bus.dispatcher.agents.isEmpty)
        storm.bus.pass(.seconds(21))
        #expect(storm.bus.dispatcher.tombstones.count == 0)
        _ = storm.attached[0].take()
        #expect(storm.attached[0].get("r0") == [.error(.unknownRequest)])
    }
}
