import BusProtocol
import CoreTypes
import Dispatch

/// What must be there after a broker ended, whenever it did.
extension Referee {
    /// An id that is known though its terminal is gone.
    struct Remembered {
        var key: RequestKey
        var body: BodyHash
        var until: Moment
    }

    /// What was performed, and not only decided: from here on it is true for whoever saw it.
    func performed(_ effect: DispatchEffect, for tenant: Tenant?) {
        switch effect {
        case .answer(_, .accepted(let id, .disk, _)), .answer(_, .state(let id, _)):
            guard let tenant, let record = byKey[RequestKey(tenant: tenant, id: id)], record.durability == .disk else {
                return
            }
            record.isPromised = true
        case .sendTerminal(_, let job, _):
            guard let record = record(job), record.durability == .disk else { return }
            record.isPromised = true
            record.isEndTold = true
        case .order(_, .acknowledge(let key)):
            guard let record = record(key.job), record.durability == .disk, !record.isOpen, !record.isGone else {
                return
            }
            record.isEndTold = true
        default: break
        }
    }

    /// A broker begins with what the journal kept of the one before it.
    ///
    /// - Parameter isClockSteady: Whether the wall clock was never set, so that times of the journal are comparable.
    func restart(
        _ restored: [RestoredRequest],
        _ tombstones: [Remembered],
        _ configuration: DispatchConfiguration,
        isClockSteady: Bool,
        now: Moment
    ) {
        self.now = now
        self.configuration = configuration
        if configuration.epoch <= epochLast {
            fail("epochs rise", "epoch \(configuration.epoch) after \(epochLast)")
        }
        epochLast = configuration.epoch
        let committedBefore = committed
        forgetConnections()
        var found: [JobNumber: RestoredRequest] = [:]
        for request in restored { found[request.number] = request }
        let buried = Set(tombstones.map(\.key))
        for record in records where !record.isGone {
            if let request = found.removeValue(forKey: record.number) {
                takeBack(record, request, committedBefore: committedBefore, now: now)
            } else {
                checkMissing(record, isBuried: buried.contains(record.key), isClockSteady: isClockSteady)
            }
        }
        if let stranger = restored.first(where: { found[$0.number] != nil }) {
            fail("nothing comes from nowhere", "the journal has \(stranger.number), which was never accepted")
        }
        live = records.filter { !$0.isGone && !$0.isForgotten }
        turns.restart(with: live)
        byKey = [:]
        for record in live { byKey[record.key] = record }
        remembered = [:]
        for tombstone in tombstones { remembered[tombstone.key] = (tombstone.body, tombstone.until, nil) }
        expected = Counters()
        recount()
    }

    private func forgetConnections() {
        seats = []
        pending = [:]
        waits = []
        owed = []
        owedAcknowledgements = []
        departed = []
        issued = 0
        committed = 0
        isStopping = false
        isJournalRefusing = false
    }

    private func takeBack(
        _ record: RequestRecord,
        _ request: RestoredRequest,
        committedBefore: JournalTicket,
        now: Moment
    ) {
        guard request.facts.key == record.key, request.facts.body == record.body, request.facts.ttl == record.ttl,
            request.facts.header.deadline == record.header.deadline, request.facts.header.onLoss == record.header.onLoss
        else { return fail("writes tell what happened", "\(record.number) came back as \(request.facts)") }
        record.listeners = []
        record.cancelledWith = nil
        record.acceptTicket = 0
        record.endTicket = 0
        record.endWrittenAt = nil
        record.startTickets = [:]
        record.pendingStart = nil
        record.isForgotten = false
        let deathsKept = record.deathTickets.last { $0.ticket <= committedBefore }?.deaths ?? record.deathsBefore
        if !(deathsKept...max(deathsKept, record.deaths)).contains(request.deaths) {
            fail("writes tell what happened", "\(record.number) had \(record.deaths) deaths, not \(request.deaths)")
        }
        record.deaths = request.deaths
        record.deathsBefore = request.deaths
        record.deathTickets = []
        record.returns = 0
        record.expiresAt = request.expiresAt
        record.orphanedUntil = nil
        let marked = request.started.map(\.delivery)
        for call in record.calls where !marked.contains(call.key.delivery) {
            fail("no GO before its mark", "\(call.key) was called and is not marked on disk")
        }
        record.paid = []
        for delivery in marked where !record.paid.contains(delivery) { record.paid.append(delivery) }
        record.deliveries = marked.max() ?? 0
        record.attemptLast = request.started.map(\.attempt).max() ?? 0
        record.isStarted = !marked.isEmpty
        if let ending = request.ending {
            if record.isOpen { fail("writes tell what happened", "\(record.number) is ended on disk and was open") }
            record.state = .ended
            record.endedAt = ending.at
            return
        }
        if record.isEndTold {
            fail("same id, same terminal", "the end of \(record.number) was told and is not on disk")
        }
        record.endedAt = nil
        if marked.isEmpty {
            record.state = .queued
        } else {
            let until = now.advanced(by: configuration.orphanWait)
            record.state = .orphaned(until: until)
            record.orphanedUntil = until
        }
    }

    private func checkMissing(_ record: RequestRecord, isBuried: Bool, isClockSteady: Bool) {
        if record.isForgotten {
            // Times of the journal are whole milliseconds. A later request of the same id may have been one of memory.
            if record.durability == .disk, !isBuried, isClockSteady, let known = remembered[record.key],
                known.by == nil || known.by == record.number, known.until > now.advanced(by: .milliseconds(5))
            {
                fail(
                    "the same id is the same request",
                    "\(record.key.id) is not remembered, until \(known.until) it must"
                )
            }
            return
        }
        if record.isPromised {
            fail("accepted means kept", "\(record.number) \(record.key.id) was promised and is not on disk")
        }
        if !record.calls.isEmpty, record.durability == .disk {
            fail("no GO before its mark", "\(record.number) was called and is not on disk")
        }
        record.state = .gone
    }
}
