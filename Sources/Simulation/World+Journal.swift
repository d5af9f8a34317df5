import BusProtocol
import CoreTypes
import Dispatch
import Journal

/// What the journal's thread tells the broker's.
enum JournalNews {
    case committed(JournalTicket)
    case refused([JobNumber])
}

/// The journal's thread: what waits for its commit, and what is on disk.
struct PlayJournal {
    var disk = MemoryJournal()
    var queue: [(ticket: JournalTicket, entry: JournalEntry)] = []
    /// How many of the queue are in the commit under way; 0 when there is none.
    var inCommit = 0
    var ticketTaken: JournalTicket = 0
    var ticketReported: JournalTicket = 0
    var isFailing = false
    var newsLast = Moment.zero
}

/// Commits that lag, bring together what came meanwhile, and fail.
extension World {
    /// Unix milliseconds, as the wall clock of the play shows them.
    var wall: Int64 { now.nanoseconds / 1_000_000 + wallOffset }

    func write(_ mark: JournalMark, _ ticket: JournalTicket) {
        guard let entry = entry(mark) else {
            return referee.fail("writes tell what happened", "\(mark): the store does not have it")
        }
        journal.queue.append((ticket, entry))
        journal.ticketTaken = ticket
        beginCommit()
    }

    private func entry(_ mark: JournalMark) -> JournalEntry? {
        switch mark {
        case .accepted(let job, let facts):
            guard let body = store.body(of: job) else { return nil }
            return .accepted(
                AcceptedRequest(
                    number: job,
                    key: facts.key,
                    header: facts.header,
                    bodyHash: facts.body.hash,
                    body: body,
                    acceptedAt: wall,
                    expiresAt: wall + facts.header.deadline.wholeMilliseconds,
                    ttl: facts.ttl
                )
            )
        case .started(let key):
            return .started(key)
        case .died(let job, let deaths):
            return .died(job, deaths: deaths)
        case .ended(let job, let brokerClass):
            guard let terminal = store.terminal(of: job) else { return nil }
            return .ended(job, terminal, class: brokerClass, at: wall)
        case .forgotten(let job, let remember):
            return .forgotten(job, rememberedUntil: wall + remember.wholeMilliseconds)
        }
    }

    private func beginCommit() {
        guard journal.inCommit == 0, !journal.isFailing, !journal.queue.isEmpty else { return }
        journal.inCommit = journal.queue.count
        scheduleCommit()
    }

    private func scheduleCommit() {
        let most = isActive ? scenario.commitTimeMax : .milliseconds(5)
        schedule.add(.commitEnds(generation), at: after(.microseconds(100), most))
    }

    func commitEnded() {
        guard journal.inCommit > 0 else { return }
        guard !isActive || now >= journalFailsUntil else { return failCommit() }
        let count = journal.inCommit
        journal.inCommit = 0
        keep(journal.queue[..<count].map(\.entry))
        statistics.commits += 1
        let ticket = count == journal.queue.count ? journal.ticketTaken : journal.queue[count - 1].ticket
        journal.queue.removeFirst(count)
        succeed()
        report(through: ticket)
        beginCommit()
    }

    private func failCommit() {
        trace.note(now, "the commit fails")
        statistics.commitFailures += 1
        journal.inCommit = 0
        journal.isFailing = true
        refuse(BusError(.storeFull, "the journal cannot be written", retryAfter: .seconds(2)))
        refuseAcceptances()
        schedule.add(.commitRetried(generation), at: after(.milliseconds(100), .seconds(2)))
    }

    func retryCommit() {
        guard journal.isFailing, journal.inCommit == 0 else { return }
        refuseAcceptances()
        guard journal.queue.isEmpty else {
            journal.inCommit = journal.queue.count
            return scheduleCommit()
        }
        if isActive, now < journalFailsUntil { failCommit() } else { succeed() }
    }

    private func succeed() {
        guard journal.isFailing else { return }
        trace.note(now, "the journal can be written again")
        journal.isFailing = false
        refuse(nil)
    }

    private func refuse(_ error: BusError?) {
        dispatcher.journalRefusal = error
        referee.isJournalRefusing = error != nil
    }

    /// Drops the acceptances that wait, and what belongs to them.
    private func refuseAcceptances() {
        var refused: [JobNumber] = []
        journal.queue.removeAll { item in
            if case .accepted(let request) = item.entry { refused.append(request.number) }
            return refused.contains(item.entry.job)
        }
        guard !refused.isEmpty else { return }
        tell(.refused(refused))
        if journal.queue.isEmpty { report(through: journal.ticketTaken) }
    }

    private func report(through ticket: JournalTicket) {
        guard ticket > journal.ticketReported else { return }
        journal.ticketReported = ticket
        tell(.committed(ticket))
    }

    private func tell(_ news: JournalNews) {
        journal.newsLast = max(journal.newsLast, after(.microseconds(5), .milliseconds(1)))
        schedule.add(.journalTells(generation, news), at: journal.newsLast)
    }

    func hear(_ news: JournalNews) {
        switch news {
        case .committed(let ticket):
            feed(.committed(through: ticket))
        case .refused(let numbers):
            let error = BusError(.storeFull, "the journal cannot be written", retryAfter: .seconds(2))
            feed(.acceptancesLost(numbers, error))
        }
    }
}
