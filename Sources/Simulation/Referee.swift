import BusProtocol
import CoreTypes
import Dispatch

/// Judges the dispatcher by its effects alone, against a model of its own of what the protocol promises.
///
/// Lists are in order of numbers, so that the same play finds the same violation in every process.
final class Referee {
    var configuration: DispatchConfiguration
    private(set) var violation: Simulation.Violation?

    var now = Moment.zero
    /// In the order of their numbers.
    var records: [RequestRecord] = []
    var byNumber: [JobNumber: RequestRecord] = [:]
    /// Records whose terminal is not forgotten.
    var live: [RequestRecord] = []
    var byKey: [RequestKey: RequestRecord] = [:]
    /// Until when a forgotten id is remembered, and for which request; nil for one that a journal told of.
    var remembered: [RequestKey: (body: BodyHash, until: Moment, by: JobNumber?)] = [:]
    /// By connection number, from 1; nil for agents.
    var seats: [Seat?] = []
    /// Lock-step messages that wait for their answer; the time when a `GET` must have its `STATE`.
    var pending: [AgentPath: Int] = [:]
    var waits: [(path: AgentPath, job: JobNumber, due: Moment)] = []
    var expected = Counters()
    var isStopping = false
    let turns = TurnBook()

    /// Numbers of the last write that was ordered and of the last that was committed.
    var issued: JournalTicket = 0
    var committed: JournalTicket = 0
    /// What waits for a commit, in its order.
    var owed: [OwedAnswer] = []
    var owedAcknowledgements: [OwedAcknowledgement] = []
    /// Agents' connections that are gone: what is still sent there matters to nobody.
    var departed: Set<ConnectionID> = []
    /// The journal takes no new requests now.
    var isJournalRefusing = false
    var epochLast: Int64 = -1

    // Of the event in hand.
    var event = DispatchEvent.wake
    var answers: [Answer] = []
    var answersDue: [Answer]?
    /// The request that the predicted answers are about.
    var dueRecord: RequestRecord?
    var ended: [RequestRecord] = []
    var audience: [AgentPath] = []
    var endedWith: [FailureClass?] = []
    var holderAtEnd: [ConnectionID?] = []
    var mustCancel: [RequestRecord] = []
    var cancelOrders: [JobNumber] = []
    var lost: [JobNumber] = []
    var accepted: RequestRecord?
    var startAnswers = 0
    var acknowledged = 0
    var dismissed: [Seat] = []
    var refused: [RequestRecord] = []
    var rejectionsDue: [AgentPath] = []
    var refusedHolders: [(RequestRecord, ConnectionID)] = []

    init(configuration: DispatchConfiguration) { self.configuration = configuration }

    /// Notes the first broken rule; later ones may only follow from it.
    func fail(_ invariant: String, _ message: @autoclosure () -> String) {
        if violation == nil { violation = Simulation.Violation(invariant: invariant, message: message()) }
    }

    /// Judges one event and what the dispatcher made of it.
    func observe(_ event: DispatchEvent, _ effects: [DispatchEffect], _ counters: Counters, now: Moment) {
        self.now = now
        self.event = event
        answers = []
        answersDue = nil
        dueRecord = nil
        ended = []
        audience = []
        endedWith = []
        holderAtEnd = []
        mustCancel = []
        cancelOrders = []
        lost = []
        accepted = nil
        startAnswers = 0
        acknowledged = 0
        dismissed = []
        refused = []
        rejectionsDue = []
        begin()
        for effect in effects where violation == nil { check(effect, effects) }
        if violation == nil { conclude() }
        if violation == nil { compare(counters) }
    }

    /// A worker begins an HTTP call.
    func callBegan(_ key: DeliveryKey, by worker: Int) {
        guard let record = record(key.job) else { return fail("calls have a GO", "call \(key) of no request") }
        if !record.goes.contains(key) { fail("calls have a GO", "call \(key) without a GO") }
        if record.calls.contains(where: { $0.key == key }) {
            fail("calls never exceed GOs", "call \(key) for the second time")
        }
        let isAnother = !record.calls.contains { $0.key.delivery == key.delivery && $0.worker == worker }
        record.calls.append((key, worker))
        guard isAnother else { return }
        var payers: [(UInt32, Int)] = []
        for call in record.calls where !payers.contains(where: { $0 == (call.key.delivery, call.worker) }) {
            payers.append((call.key.delivery, call.worker))
        }
        if payers.count > record.paidMax {
            fail(
                "paid deliveries are bounded",
                "call \(key) pays for delivery \(payers.count), \(record.header.onLoss)"
            )
        }
    }

    /// Judges the end of a play, after everything was ended.
    func finish(_ counters: Counters, now: Moment) {
        self.now = now
        for record in records where record.isOpen && record.durability == .memory {
            fail("accepted means kept", "\(record.number) \(record.key.id) was accepted and never ended")
        }
        // What is on disk goes on with the next broker, and so does the wait for it.
        let waiting = Set(records.lazy.filter(\.isOpen).flatMap(\.listeners))
        let unanswered = pending.filter { $0.value > 0 && !waiting.contains($0.key) }
        if !unanswered.isEmpty {
            let paths = unanswered.keys.map { TraceText.text($0) }.sorted().joined(separator: ", ")
            fail("one answer to each lock-step message", "no answer to \(paths)")
        }
        compare(counters)
    }

    func record(_ number: JobNumber) -> RequestRecord? {
        byNumber[number]
    }

    func seat(_ connection: ConnectionID) -> Seat {
        let index = Int(connection.value)
        while seats.count <= index { seats.append(nil) }
        if let seat = seats[index] { return seat }
        let seat = Seat(connection)
        seats[index] = seat
        return seat
    }

    // MARK: - Events

    private func begin() {
        switch event {
        case .agent(let path, let tenant, let message, let body):
            begin(message, from: path, tenant, body)
        case .agentDisconnected(let connection):
            leave(connection)
        case .worker(let connection, let message, _):
            begin(message, from: seat(connection))
        case .workerDisconnected(let connection):
            // Without a session there is nothing to lose; one that a late READY opens then has its lease to end it.
            if seat(connection).session != nil { seat(connection).isDisconnected = true }
        case .workerProcessGone(let connection):
            if seat(connection).session != nil { seat(connection).isGone = true }
        case .stalled(let gap):
            for seat in seats {
                if let seat { seat.leaseUntil = seat.leaseUntil.advanced(by: gap) }
            }
            for record in live {
                guard case .orphaned(let until) = record.state else { continue }
                record.state = .orphaned(until: until.advanced(by: gap))
                record.orphanedUntil = until.advanced(by: gap)
            }
        case .stop:
            isStopping = true
        case .endAll:
            isStopping = true
        case .committed(let ticket):
            beginCommit(ticket)
        case .acceptancesLost(let numbers, _):
            beginLoss(of: numbers)
        case .workerDrained, .wake:
            break
        }
    }

    // MARK: - Effects

    private func check(_ effect: DispatchEffect, _ effects: [DispatchEffect]) {
        switch effect {
        case .answer(let path, let reply): check(reply, to: path)
        case .answerSystem(let path, _): checkDocument(to: path)
        case .sendTerminal(let path, let job, let id): checkTerminal(job, id, to: path)
        case .order(let connection, let message): check(message, to: seat(connection), effects)
        case .deliver(let connection, let key, let header): checkDelivery(key, header, to: seat(connection))
        case .keepRequest(let job, let key): accept(job, key)
        case .keepTerminal(let job): checkKeep(job)
        case .composeTerminal(let job, let failure): checkCompose(job, failure)
        case .forget(let job): forget(job)
        case .drain(let connection): checkDrain(seat(connection))
        case .publish(.deliveryLost(_, let key, _)): checkLoss(key)
        case .publish(.workerLost(let name, _, let reason, _, _)): checkWorkerLost(name, reason)
        case .publish(.requestLate): expected.lateTerminals += 1
        case .publish: break
        case .write(let ticket, let mark): checkWrite(ticket, mark)
        }
    }

    // MARK: - After the effects

    private func conclude() {
        concludeAgents()
        concludeWorkers()
        concludeJournal()
        guard case .wake = event else { return }
        for record in live {
            if record.isOpen, deadlineBound(record) <= now {
                fail("deadlines are kept", "\(record.number) is open at \(now), it expired at \(record.expiresAt)")
            }
            if let endedAt = record.endedAt, let bound = ttlBound(record, endedAt), bound <= now {
                fail("ttl is kept", "\(record.number) ended at \(endedAt) and is kept at \(now), ttl \(record.ttl)")
            }
        }
        for wait in waits where wait.due <= now {
            fail(
                "GET waits as long as it said",
                "\(TraceText.text(wait.path)) has no answer at \(now), due \(wait.due)"
            )
        }
    }

    private func compare(_ counters: Counters) {
        recount()
        if counters != expected { fail("counters are true", "found \(counters), expected \(expected)") }
    }

    /// Counts what is there now.
    func recount() {
        expected.queued = 0
        expected.leased = 0
        expected.orphaned = 0
        expected.kept = 0
        expected.openBytes = 0
        expected.openInMemory = 0
        var tenants = Set<Tenant>()
        for record in live {
            switch record.state {
            case .queued: expected.queued += 1
            case .leased: expected.leased += 1
            case .orphaned: expected.orphaned += 1
            case .ended: expected.kept += 1
            case .gone: break
            }
            if record.isOpen {
                expected.openBytes += record.body.byteCount
                if record.durability == .memory { expected.openInMemory += 1 }
                tenants.insert(record.key.tenant)
            }
        }
        expected.tenants = tenants.count
    }
}
