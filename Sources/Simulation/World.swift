import BusProtocol
import CoreTypes
import Dispatch
import Journal
import Resilience

/// One play: agents, workers, providers and the broker's parts in virtual time, all chance from one seed.
///
/// Nothing here may depend on the order of a dictionary or a set: Swift's differs from process to process.
final class World {
    let seed: UInt64
    let scenario: Scenario
    var configuration: DispatchConfiguration
    var random: SeededGenerator
    var now = Moment.zero
    var schedule = Schedule()
    var dispatcher: Dispatcher
    var store = MemoryJobStore()
    let referee: Referee
    var trace: Trace
    var statistics = SimulationStatistics()

    var agents: [Agent] = []
    /// Processes that live.
    var workers: [Worker] = []
    var workerLast = 0
    var connections: [Connection] = []
    var requestsLeft: Int
    var requestLast = 0
    var isActive = true
    var isStopping = false
    var isOver = false
    var journal = PlayJournal()
    /// The journal's files, in some plays.
    private(set) var disk: PlayDisk?
    /// Commits fail before this moment.
    var journalFailsUntil = Moment.zero
    /// How many brokers there were before this one.
    var generation = 0
    var isBrokerUp = true
    var brokerStartsAt = Moment.zero
    var brokerCrashesLeft: Int
    /// The broker that stood still.
    var stalledGeneration = 0
    /// Unix time at the begin of the play, in milliseconds, as the wall clock tells it now.
    var wallOffset: Int64 = 1
    var isClockSteady = true
    /// The broker does nothing before this moment.
    var brokerBusyUntil = Moment.zero
    var wakeAt: Moment?
    var calmSince = Moment.distantFuture
    var terminalTagLast = 0
    /// The terminal that agents got for an id.
    var seenTerminals: [RequestKey: StoredTerminal] = [:]
    /// The message that the broker has in hand.
    var bodyInHand: BodyFacts?
    var terminalInHand: StoredTerminal?
    var bodies: [JobNumber: BodyFacts] = [:]

    /// Longest time in which everything must have ended once faults cease.
    static let settleTimeMax: Duration = .seconds(900)

    init(seed: UInt64, tracing: Bool) {
        self.seed = seed
        random = SeededGenerator(seed: seed)
        scenario = Scenario(seed: seed, random: &random)
        configuration = scenario.dispatch
        dispatcher = Dispatcher(configuration: configuration, now: .zero)
        referee = Referee(configuration: configuration)
        trace = Trace(isKeeping: tracing)
        requestsLeft = scenario.requestCount
        brokerCrashesLeft = scenario.brokerCrashMax
        disk = scenario.diskLogPageCount.map(PlayDisk.init)
        statistics.diskPlays = disk == nil ? 0 : 1
    }

    /// Plays to the end or to the first violation.
    func play() {
        setUp()
        while !isOver, referee.violation == nil, let (due, occurrence) = schedule.next() {
            now = due
            happen(occurrence)
        }
        statistics.contestedTurns = referee.turns.contestedCount
        statistics.virtualTime = .nanoseconds(now.nanoseconds)
    }

    private func setUp() {
        beginEpoch()
        for number in 0..<scenario.agentCount {
            let isGreedy = number == 0 && scenario.greed > 1
            let style: Agent.Style = isGreedy ? .attached : [.attached, .attached, .request, .proxied][random.below(4)]
            let tenant = Tenant.user(1000 + UInt32(number % scenario.tenantCount))
            let agent = Agent(number: number, tenant: tenant, style: style)
            agents.append(agent)
            schedule.add(.agentActs(agent), at: after(.zero, .milliseconds(500)))
        }
        for _ in 0..<scenario.workerCount {
            schedule.add(
                .workerStarts,
                at: random.chance(0.8) ? after(.zero, .milliseconds(50)) : after(.zero, .seconds(10))
            )
        }
        if let interval = scenario.faultInterval { schedule.add(.fault, at: after(.zero, interval * 2)) }
        schedule.add(.calm, at: now.advanced(by: scenario.activeTime))
        scheduleWake()
    }

    /// A moment between two durations from now.
    func after(_ least: Duration, _ most: Duration) -> Moment { now.advanced(by: random.duration(least, most)) }

    func scheduleWake() {
        guard isBrokerUp, let due = dispatcher.nextWake else { return }
        if let wakeAt, wakeAt <= due { return }
        wakeAt = due
        schedule.add(.wake, at: max(now, due))
    }

    private func happen(_ occurrence: Occurrence) {
        guard isOfThisBroker(occurrence) else { return }
        switch occurrence {
        case .calm where !isBrokerUp, .look where !isBrokerUp, .endAll where !isBrokerUp:
            schedule.add(occurrence, at: max(brokerStartsAt, now).advanced(by: .microseconds(1)))
            return
        case .reachesBroker, .closed, .gone, .drained, .calm, .look, .endAll, .journalTells:
            guard now >= brokerBusyUntil else {
                schedule.add(occurrence, at: brokerBusyUntil)
                return
            }
        case .wake:
            guard now >= brokerBusyUntil else {
                // Sockets are drained before timers are read.
                schedule.add(occurrence, at: brokerBusyUntil.advanced(by: .microseconds(1)))
                return
            }
        default: break
        }
        switch occurrence {
        case .reachesBroker(let connection): arrive(connection)
        case .closed(let connection): seeClosed(connection)
        case .gone(let connection): feed(.workerProcessGone(connection.id))
        case .drained(let connection): feed(.workerDrained(connection.id))
        case .wake: wake()
        case .stalled(let gap): feed(.stalled(gap))
        case .reachesPeer(let connection): arriveAtPeer(connection)
        case .agentActs(let agent): act(agent)
        case .workerBeats(let worker): unlessFrozen(worker, occurrence) { beat(worker) }
        case .workerTimer(let worker, let delivery):
            unlessFrozen(worker, occurrence) { timerFired(delivery, at: worker) }
        case .callEnds(let worker, let delivery, let call):
            unlessFrozen(worker, occurrence) { callEnded(delivery, call: call, at: worker) }
        case .thaws(let worker): thaw(worker)
        case .workerStarts: startWorker()
        case .fault: fault()
        case .calm: calmDown()
        case .look: look()
        case .endAll:
            feed(.endAll)
            schedule.add(.curtain, at: now.advanced(by: .seconds(1)))
        case .curtain:
            guard journal.queue.isEmpty, !dispatcher.isWaitingForJournal else {
                return schedule.add(.curtain, at: now.advanced(by: .milliseconds(100)))
            }
            isOver = true
            referee.finish(dispatcher.counters, now: now)
            checkDisk()
        case .commitEnds: commitEnded()
        case .commitRetried: retryCommit()
        case .journalTells(_, let news): hear(news)
        case .brokerStarts: startBroker()
        case .reconnects(let connection):
            if case .worker(let worker) = connection.peer {
                unlessFrozen(worker, occurrence) { reconnect(connection) }
            } else {
                reconnect(connection)
            }
        }
    }

    /// What a broker would have seen goes with it.
    private func isOfThisBroker(_ occurrence: Occurrence) -> Bool {
        switch occurrence {
        case .reachesBroker(let connection), .closed(let connection), .gone(let connection), .drained(let connection):
            isBrokerUp && !connection.isSevered
        case .wake: isBrokerUp
        case .stalled: isBrokerUp && stalledGeneration == generation
        case .commitEnds(let number), .commitRetried(let number), .journalTells(let number, _):
            isBrokerUp && number == generation
        default: true
        }
    }

    func unlessFrozen(_ worker: Worker, _ occurrence: Occurrence, _ body: () -> Void) {
        guard worker.isAlive else { return }
        if worker.isFrozen { worker.backlog.append(occurrence) } else { body() }
    }

    private func arriveAtPeer(_ connection: Connection) {
        guard !connection.isClosed else { return }
        switch connection.peer {
        case .agent(let agent):
            guard !connection.downward.isEmpty else { return }
            receive(connection.downward.removeFirst(), at: agent)
        case .worker(let worker):
            unlessFrozen(worker, .reachesPeer(connection)) {
                // A worker that joined anew has emptied its socket.
                guard !connection.downward.isEmpty else { return }
                receive(connection.downward.removeFirst(), at: worker)
            }
        }
    }

    /// Cuts the circles of references, so that the memory goes, and the journal's files with it.
    func takeApart() {
        for connection in connections {
            switch connection.peer {
            case .agent(let agent): agent.connection = nil
            case .worker(let worker): worker.link = nil
            }
        }
        schedule = Schedule()
        for worker in workers { worker.backlog = [] }
        disk = nil
    }

    // MARK: - The end

    /// From here on nothing goes wrong any more.
    private func calmDown() {
        isActive = false
        calmSince = now
        trace.note(now, "faults cease")
        if case .stop = scenario.ending {
            isStopping = true
            feed(.stop)
            schedule.add(.endAll, at: after(.zero, .seconds(2)))
            return
        }
        for worker in workers where worker.isFrozen { thaw(worker) }
        if workers.allSatisfy(\.isDraining) { schedule.add(.workerStarts, at: now) }
        look()
    }

    private func look() {
        guard dispatcher.counters.open > 0 || dispatcher.isWaitingForJournal else {
            isStopping = true
            feed(.stop)
            schedule.add(.endAll, at: now.advanced(by: .milliseconds(500)))
            return
        }
        guard now < calmSince.advanced(by: Self.settleTimeMax) else {
            referee.fail(
                "everything ends",
                "\(dispatcher.counters.open) requests are open \(Self.settleTimeMax) after the last fault"
            )
            return
        }
        schedule.add(.look, at: now.advanced(by: .seconds(1)))
    }
}
