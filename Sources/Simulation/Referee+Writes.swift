import BusProtocol
import Dispatch

/// What is written, and what rests on it.
extension Referee {
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
}
