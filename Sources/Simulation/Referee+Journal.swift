import BusProtocol
import CoreTypes
import Dispatch

/// An answer to an agent that waits for a commit.
struct OwedAnswer {
    var path: AgentPath
    var answer: Answer
    var record: RequestRecord
    var ticket: JournalTicket
}

/// An `ACK` to a worker that waits for a commit.
struct OwedAcknowledgement {
    var connection: ConnectionID
    var key: DeliveryKey
    var ticket: JournalTicket
}

/// What may be told only after its commit, and what becomes of requests that the journal refuses.
extension Referee {
    /// Whether what is seen now was held back until now.
    var isReleasing: Bool {
        switch event {
        case .committed, .acceptancesLost: true
        default: false
        }
    }

    func durability(of header: RequestHeader) -> RequestHeader.Durability {
        header.durability ?? (configuration.hasJournal ? .disk : .memory)
    }

    // MARK: - Writes

    func checkWrite(_ ticket: JournalTicket, _ mark: JournalMark) {
        guard configuration.hasJournal else { return fail("nothing is written without a journal", "\(mark)") }
        if ticket != issued + 1 { fail("writes are numbered in their order", "write \(ticket) after \(issued)") }
        issued = ticket
        switch mark {
        case .accepted(let job, let facts):
            guard let accepted, accepted.number == job, accepted.durability == .disk else {
                return fail("writes tell what happened", "\(job) was not accepted for the disk, and is written so")
            }
            let isTrue =
                facts.key == accepted.key && facts.body == accepted.body && facts.ttl == accepted.ttl
                && facts.header.durability == .disk && facts.header.deadline == accepted.header.deadline
            if !isTrue { fail("writes tell what happened", "\(job) is written as \(facts)") }
            accepted.acceptTicket = ticket
        case .started(let key):
            guard case .worker(_, .start(key), _) = event, let record = record(key.job), record.durability == .disk
            else {
                return fail("writes tell what happened", "start of \(key), which was not asked for")
            }
            if record.startTickets[key] == nil { record.startTickets[key] = ticket }
        case .died(let job, let deaths):
            guard let record = record(job), lost.contains(job), record.durability == .disk, record.deaths == deaths
            else { return fail("writes tell what happened", "\(deaths) deaths of workers with \(job)") }
            record.deathTickets.append((ticket, deaths))
        case .ended(let job, let brokerClass):
            guard let index = ended.firstIndex(where: { $0.number == job }), endedWith[index] == brokerClass,
                ended[index].durability == .disk
            else { return fail("writes tell what happened", "end of \(job), which did not end so") }
            ended[index].endTicket = ticket
        case .forgotten(let job, let duration):
            guard record(job)?.isForgotten == true, duration == configuration.dedup else {
                return fail("writes tell what happened", "\(job) was not forgotten for \(duration)")
            }
        }
    }

    /// An answer rests on the acceptance of the request that it names.
    func checkIsKept(_ id: RequestID) {
        guard let record = dueRecord, record.key.id == id, record.acceptTicket > committed else { return }
        fail("nothing is told before its commit", "\(id) before write \(record.acceptTicket)")
    }

    func checkIsMarked(_ key: DeliveryKey, _ record: RequestRecord) {
        guard record.durability == .disk else { return }
        if record.acceptTicket > committed {
            fail("nothing is told before its commit", "GO \(key) before write \(record.acceptTicket)")
        }
        // The same GO again, of a mark that an earlier broker wrote.
        if record.startTickets[key] == nil, record.paid.contains(key.delivery), key.attempt <= record.attemptLast {
            return
        }
        guard let ticket = record.startTickets[key], ticket <= committed else {
            return fail("nothing is told before its commit", "GO \(key) before its mark")
        }
    }

    // MARK: - What is held back

    /// The answers that are due at once; the others are owed from here on.
    func dueNow(_ path: AgentPath, _ message: AgentMessage) -> [Answer]? {
        guard let record = dueRecord, record.durability == .disk else { return answersDue }
        // Between the end of the dedup time and the beat that notices it, either answer is right.
        let taken: [Answer]? = accepted == nil ? nil : path.isLockStep ? [] : [.accepted(duplicate: false)]
        guard let due = answersDue ?? taken else { return nil }
        var immediate: [Answer] = []
        for answer in due {
            let ticket: JournalTicket =
                switch answer {
                case .accepted, .state: record.acceptTicket
                case .terminal: record.endTicket
                default: 0
                }
            guard ticket > committed else {
                immediate.append(answer)
                continue
            }
            if answer == .terminal, case .cancel = message, !path.isLockStep,
                ended.contains(where: { $0 === record }),
                owed.contains(where: { $0.path == path && $0.record === record && $0.answer == .terminal })
            {
                continue
            }
            owed.append(OwedAnswer(path: path, answer: answer, record: record, ticket: ticket))
            if answer != .terminal, !path.isLockStep, record.isOpen, !record.listeners.contains(path) {
                record.listeners.append(path)
            }
        }
        return immediate
    }

    /// Everyone who waits for a terminal that is not on disk gets it later.
    func oweTerminal(of record: RequestRecord) {
        for path in record.listeners {
            owed.append(OwedAnswer(path: path, answer: .terminal, record: record, ticket: record.endTicket))
            waits.removeAll { $0.path == path }
        }
        record.listeners = []
    }

    /// Whether the question for an attempt waits for its mark.
    func waitsForMark(_ key: DeliveryKey, _ seat: Seat) -> Bool {
        guard let record = record(key.job), record.durability == .disk, startAnswers == 0,
            record.holder == seat.connection, record.deliveries == key.delivery, let session = seat.session,
            let ticket = record.startTickets[key], ticket > committed || issued > committed
        else { return false }
        record.pendingStart = (key, session)
        return true
    }

    /// Whether the `ACK` of a terminal waits for its commit.
    func oweAcknowledgement(_ key: DeliveryKey, _ connection: ConnectionID) -> Bool {
        guard let record = record(key.job), !record.isOpen, !record.isGone, record.endTicket > committed,
            acknowledged == 0
        else { return false }
        owedAcknowledgements.append(
            OwedAcknowledgement(connection: connection, key: key, ticket: record.endTicket)
        )
        return true
    }

    // MARK: - What is released

    func beginCommit(_ ticket: JournalTicket) {
        if ticket > issued {
            fail("writes are numbered in their order", "write \(ticket) is on disk before it was ordered")
        }
        committed = max(committed, ticket)
        for record in live where record.endTicket != 0 && record.endTicket <= committed && record.endWrittenAt == nil {
            record.endWrittenAt = now
        }
    }

    func checkReleased(_ reply: AgentReply, to path: AgentPath) {
        switch reply {
        case .accepted(let id, _, let duplicate): release(.accepted(duplicate: duplicate), of: id, to: path)
        case .state(let id, _): release(.state, of: id, to: path)
        case .rejected:
            answered(path)
            if let index = rejectionsDue.firstIndex(of: path) {
                rejectionsDue.remove(at: index)
            } else if !departed.contains(path.connection) {
                fail("a lost acceptance is told once", "\(TraceText.text(path)) got REJECTED")
            }
        default:
            fail("only what rests on the journal waits for it", "\(TraceText.text(path)) got \(TraceText.text(reply))")
        }
    }

    private func release(_ answer: Answer, of id: RequestID, to path: AgentPath) {
        release(answer, to: path, of: id) { $0.key.id == id }
    }

    func release(_ answer: Answer, of record: RequestRecord, to path: AgentPath) {
        release(answer, to: path, of: record.key.id) { $0 === record }
    }

    private func release(
        _ answer: Answer,
        to path: AgentPath,
        of id: RequestID,
        _ isMeant: (RequestRecord) -> Bool
    ) {
        answered(path)
        let index = owed.firstIndex { $0.path == path && $0.answer == answer && isMeant($0.record) }
        guard let index else {
            if departed.contains(path.connection) { return }
            return fail(
                "agents get the answers that the protocol names",
                "\(TraceText.text(path)) got \(answer) of \(id)"
            )
        }
        if owed[index].ticket > committed {
            fail("nothing is told before its commit", "\(answer) of \(id) before write \(owed[index].ticket)")
        }
        owed.remove(at: index)
    }

    func checkReleasedStart(_ key: DeliveryKey, of seat: Seat, _ session: SessionToken) {
        guard let record = record(key.job), let pending = record.pendingStart, pending == (key, session) else {
            return fail("GO answers START", "GO or NOGO \(key) to \(seat.connection), which did not ask")
        }
        record.pendingStart = nil
        if session != seat.session { fail("sessions are kept", "GO or NOGO \(key) with another session") }
    }

    func releaseAcknowledgement(_ key: DeliveryKey, to seat: Seat) {
        let index = owedAcknowledgements.firstIndex { $0.connection == seat.connection && $0.key == key }
        guard let index else { return fail("ACK answers a terminal", "ACK \(key) to \(seat.connection)") }
        owedAcknowledgements.remove(at: index)
    }

    // MARK: - Refusals

    /// The journal could not keep these: as if they had never been.
    func beginLoss(of numbers: [JobNumber]) {
        for number in numbers {
            guard let record = record(number), !record.isGone, record.acceptTicket > committed else {
                fail("only what was not promised is refused", "\(number) is on disk")
                continue
            }
            if record.isPromised || !record.goes.isEmpty {
                fail("accepted means kept", "\(number) is refused after it was promised or begun")
            }
            var paths: [AgentPath] = []
            for path in owed.lazy.filter({ $0.record === record }).map(\.path) + record.listeners
            where !paths.contains(path) { paths.append(path) }
            rejectionsDue += paths
            owed.removeAll { $0.record === record }
            waits.removeAll { $0.job == number }
            record.listeners = []
            expected.accepted -= 1
            expected.rejected += 1
            if !record.isOpen {
                if record.isReply { expected.replied -= 1 } else { expected.failed -= 1 }
            }
            if let holder = record.holder { refusedHolders.append((record, holder)) }
            refused.append(record)
            record.state = .gone
            live.removeAll { $0 === record }
            byKey[record.key] = nil
        }
    }

    // MARK: - Orphans

    /// Whether it is an orphan whose worker did not come back that is given up here.
    func isOrphanLost(_ key: DeliveryKey) -> Bool {
        guard let record = record(key.job), case .orphaned(let until) = record.state else { return false }
        guard case .wake = event, now >= until, key.delivery == record.deliveries, key.attempt == record.attemptLast
        else {
            fail("orphans wait for their worker", "\(key) was given up at \(now), it waits until \(until)")
            return true
        }
        lost.append(key.job)
        record.state = .queued
        expected.lostDeliveries += 1
        return true
    }

    /// When a terminal must have been forgotten at the latest; nil while it is not on disk.
    func ttlBound(_ record: RequestRecord, _ endedAt: Moment) -> Moment? {
        let bound = endedAt.advanced(by: record.ttl)
        guard record.endTicket != 0 else { return bound }
        return record.endWrittenAt.map { max(bound, $0.advanced(by: configuration.beatInterval)) }
    }

    /// When a request must have ended at the latest.
    func deadlineBound(_ record: RequestRecord) -> Moment {
        let bound = record.expiresAt.advanced(by: configuration.deadlineGrace)
        guard let until = record.orphanedUntil else { return bound }
        return max(record.expiresAt, until).advanced(by: configuration.deadlineGrace + configuration.beatInterval)
    }

    // MARK: - After the effects

    func concludeJournal() {
        if let accepted, accepted.durability == .disk, accepted.acceptTicket == 0 {
            fail("what is promised is written", "\(accepted.number) was accepted for the disk and not written")
        }
        for record in ended where record.durability == .disk && record.endTicket == 0 {
            fail("what is promised is written", "\(record.number) ended, and that was not written")
        }
        for (record, holder) in refusedHolders {
            let seat = seat(holder)
            if seat.session != nil, seat.isReachable, !cancelOrders.contains(record.number) {
                fail("cancel is real", "\(holder) has \(record.number), which was refused, and was not told")
            }
        }
        refusedHolders = []
        switch event {
        case .acceptancesLost:
            if let path = rejectionsDue.first(where: { !departed.contains($0.connection) }) {
                fail("a lost acceptance is told once", "\(TraceText.text(path)) was not told")
            }
        case .committed:
            concludeCommit()
        case .wake:
            for wait in waits where wait.due <= now {
                guard let record = record(wait.job), record.acceptTicket > committed else { continue }
                record.listeners.removeAll { $0 == wait.path }
                owed.append(
                    OwedAnswer(path: wait.path, answer: .state, record: record, ticket: record.acceptTicket)
                )
            }
            waits.removeAll { wait in wait.due <= now && owed.contains { $0.path == wait.path && $0.answer == .state } }
        default: break
        }
    }

    /// What is on disk is held back no more.
    private func concludeCommit() {
        if let answer = owed.first(where: { $0.ticket <= committed && !departed.contains($0.path.connection) }) {
            fail(
                "what waits for a commit comes with it",
                "\(TraceText.text(answer.path)) did not get \(answer.answer) of \(answer.record.number)"
            )
        }
        owed.removeAll { $0.ticket <= committed }
        if let owed = owedAcknowledgements.first(where: { $0.ticket <= committed }) {
            fail("what waits for a commit comes with it", "\(owed.connection) did not get ACK \(owed.key)")
        }
        for record in live where committed >= issued {
            guard let (key, session) = record.pendingStart, let holder = record.holder else { continue }
            let seat = seat(holder)
            if seat.session == session, seat.isReachable, record.deliveries == key.delivery {
                fail("START is answered", "START \(key) of \(holder) has no answer though its mark is on disk")
            }
        }
    }
}
