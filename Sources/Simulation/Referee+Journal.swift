import BusProtocol
import CoreTypes
import Dispatch

/// What is on disk, and what becomes of requests that the journal refuses.
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

    func beginCommit(_ ticket: JournalTicket) {
        if ticket > issued {
            fail("writes are numbered in their order", "write \(ticket) is on disk before it was ordered")
        }
        committed = max(committed, ticket)
        for record in live where record.endTicket != 0 && record.endTicket <= committed && record.endWrittenAt == nil {
            record.endWrittenAt = now
        }
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
