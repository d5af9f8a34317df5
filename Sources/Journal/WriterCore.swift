import BusProtocol
import CoreTypes
import EventLoop

/// The part of ``JournalWriter`` that lives on its thread.
final class WriterCore: @unchecked Sendable {
    // Why `@unchecked` holds: everything but `loop`, `inbox` and `deliver` is touched on the loop's thread only.

    /// Entries and bytes of one commit at most, so that the first of them does not wait for the last for long.
    static let batchCountMax = 8192
    static let batchByteCountMax = 32 << 20

    static let retryFirst = Duration.milliseconds(100)
    static let retryLast = Duration.seconds(2)
    /// How often a reserve that was given up is tried again.
    static let reserveInterval = Duration.seconds(1)

    private let loop: EventLoop
    private let inbox: JournalInbox
    private let deliver: @Sendable (JournalReport) -> Void
    private let clock: JournalClock
    /// Nil after the end.
    private var journal: SQLiteJournal?
    /// What is not on the disk, in order.
    private var queue: [JournalInbox.Item] = []
    /// Ticket of the last entry that was taken, and of the last that was reported.
    private var ticketTaken: UInt64 = 0
    private var ticketReported: UInt64 = 0
    /// Bytes of the next commit at most, but for its first entry: fewer while the disk has no room for more at once.
    private var byteCountMax = WriterCore.batchByteCountMax
    /// Set while commits fail.
    private var failure: JournalError?
    /// Whether acceptances of a failed commit may still be whole in the log; while they are, none is refused.
    private var isTailOpen = false
    private var retryDelay = WriterCore.retryFirst
    private var retryTimer: TimerID?
    private var reserveTimer: TimerID?
    private var isFull = false
    private var told = JournalAdmission.open
    private var endDue: Moment?

    init(
        journal: consuming sending SQLiteJournal,
        loop: EventLoop,
        inbox: JournalInbox,
        deliver: @escaping @Sendable (JournalReport) -> Void
    ) {
        self.loop = loop
        self.inbox = inbox
        self.deliver = deliver
        clock = journal.clock
        self.journal = consume journal
    }

    /// Looks whether the journal is full from the start.
    func start() {
        judgeRoom()
        tellAdmission()
    }

    /// Takes what has come and commits until nothing is left.
    func work() {
        guard journal != nil else { return }
        repeat {
            take()
            // While commits fail, the timer says when they are tried again.
            guard failure == nil else { return }
            while failure == nil, !queue.isEmpty { commitFirst() }
        } while failure == nil && inbox.pendingByteCount > 0
        guard failure == nil else { return }
        checkpoint(isIdle: true)
        finishIfEnding()
    }

    /// Ends when everything is written, or when the time for it is over.
    func end(within limit: Duration) {
        guard journal != nil, endDue == nil else { return }
        endDue = loop.now().advanced(by: limit)
        work()
        guard journal != nil, let endDue else { return }
        loop.schedule(at: endDue) { self.finish() }
    }

    // MARK: - Commits

    private func take() {
        inbox.take(into: &queue)
        guard let last = queue.last else { return }
        ticketTaken = max(ticketTaken, last.ticket)
        if let failure {
            refuseAcceptances(failure)
        } else if isFull {
            refuseAcceptances(
                JournalError(
                    .full,
                    "the journal is full, or its disk: new requests are refused until \(journal?.need ?? "there is room")"
                )
            )
        }
    }

    /// Commits the first part of the queue.
    private func commitFirst() {
        var count = 0
        var byteCount = 0
        while count < min(queue.count, Self.batchCountMax) {
            let next = queue[count].entry.byteCount
            guard count == 0 || byteCount + next <= byteCountMax else { break }
            byteCount += next
            count += 1
        }
        let entries = queue[..<count].map(\.entry)
        do throws(JournalError) {
            try journal?.commit(entries, now: clock.now())
        } catch {
            if SQLiteJournal.mayBeWhole(error) {
                isTailOpen = isTailOpen || entries.contains { if case .accepted = $0 { true } else { false } }
            }
            if error.code == .full, count > 1 {
                // What does not fit at once may fit in parts, each of which has the room of the one before.
                byteCountMax = byteCount / 2
                retryDelay = Self.retryFirst
            }
            fail(error)
            return
        }
        let ticket = queue[count - 1].ticket
        queue.removeFirst(count)
        inbox.release(entries.reduce(0) { $0 + $1.byteCount })
        succeed()
        // Who hears of a commit finds the admission that follows from it.
        judgeRoom()
        tellAdmission()
        report(through: queue.isEmpty ? ticketTaken : ticket)
        // More at once is tried when there is room for the reserve again; until then each commit has the whole log.
        if !isFull { byteCountMax = Self.batchByteCountMax }
        checkpoint(always: byteCountMax < Self.batchByteCountMax)
    }

    private func succeed() {
        guard failure != nil else { return }
        failure = nil
        retryDelay = Self.retryFirst
        deliver(.recovered)
    }

    private func fail(_ error: JournalError) {
        failure = error
        judgeRoom()
        tellAdmission()
        deliver(.failing(error, retryIn: retryDelay))
        closeTail()
        take()
        if let retryTimer { loop.cancel(retryTimer) }
        retryTimer = loop.schedule(at: loop.now().advanced(by: retryDelay)) { self.retry() }
        retryDelay = min(retryDelay * 2, Self.retryLast)
    }

    private func retry() {
        retryTimer = nil
        guard journal != nil else { return }
        closeTail()
        take()
        if isTailOpen, let failure {
            fail(failure)
            return
        }
        if failure?.code == .full { checkpoint(always: true) }
        if queue.isEmpty {
            do throws(JournalError) {
                try journal?.probe()
            } catch {
                fail(error)
                return
            }
            succeed()
            judgeRoom()
            tellAdmission()
        } else {
            commitFirst()
        }
        work()
    }

    /// Makes sure that what is refused now is not found in the log by the next process.
    private func closeTail() {
        guard isTailOpen, journal?.overwriteFailedCommit() == true else { return }
        isTailOpen = false
    }

    /// Drops the acceptances that wait, and what belongs to them. Not while the log may hold one of them: who is refused
    /// then, and asks elsewhere, would be served a second time after a restart.
    private func refuseAcceptances(_ error: JournalError) {
        guard !isTailOpen else { return }
        var refused: [JobNumber] = []
        var jobs: Set<JobNumber> = []
        var byteCount = 0
        queue.removeAll { item in
            if case .accepted(let request) = item.entry, jobs.insert(request.number).inserted {
                refused.append(request.number)
            }
            guard jobs.contains(item.entry.job) else { return false }
            byteCount += item.entry.byteCount
            return true
        }
        guard !refused.isEmpty else { return }
        inbox.release(byteCount)
        deliver(.refused(refused, error))
        if queue.isEmpty { report(through: ticketTaken) }
    }

    private func report(through ticket: UInt64) {
        guard ticket > ticketReported else { return }
        ticketReported = ticket
        deliver(.committed(through: ticket, byteCount: journal?.byteCount ?? 0))
    }

    private func checkpoint(isIdle: Bool = false, always: Bool = false) {
        do throws(JournalError) {
            if always { try journal?.checkpoint() } else { try journal?.checkpointIfUseful(isIdle: isIdle) }
        } catch {
            // Nothing is lost: the log is as it was, and the next commit tells whether the disk works.
            judgeRoom()
            tellAdmission()
        }
    }

    // MARK: - Room

    private func judgeRoom() {
        do throws(JournalError) {
            isFull = try journal?.isFull ?? true
        } catch {
            isFull = true
        }
        guard isFull, reserveTimer == nil, journal != nil else { return }
        reserveTimer = loop.schedule(at: loop.now().advanced(by: Self.reserveInterval)) {
            self.reserveTimer = nil
            if self.failure == nil { _ = self.journal?.restoreReserve() }
            self.judgeRoom()
            self.tellAdmission()
        }
    }

    private func tellAdmission() {
        let admission: JournalAdmission = failure != nil ? .failing : isFull ? .full : .open
        guard admission != told else { return }
        told = admission
        inbox.need = admission == .full ? journal?.need : nil
        inbox.admission = admission
        deliver(.admission(admission))
    }

    // MARK: - The end

    private func finishIfEnding() {
        if endDue != nil, queue.isEmpty { finish() }
    }

    private func finish() {
        guard journal != nil else { return }
        var journal: SQLiteJournal?
        swap(&journal, &self.journal)
        do throws(JournalError) {
            if let failure, !queue.isEmpty {
                journal = nil
                throw failure
            }
            try journal.take()?.close()
        } catch {
            inbox.closingError = error
        }
        loop.shutDown()
    }
}
