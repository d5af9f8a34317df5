import BusProtocol

/// Holds back what nobody may see before the journal has what it rests on.
///
/// Writes are numbered in the order of the decisions, and a commit covers all up to a number; so a queue is enough, kept
/// in the order of the writes. Nothing leaves later than with its commit: what rests on a terminal must be gone before
/// the terminal may be acknowledged and forgotten.
struct CommitGate {
    /// What waits.
    enum Held {
        /// To be performed as it is.
        case effect(DispatchEffect)
        /// The question for the first attempt of a delivery; to be decided again, because the request may have ended since.
        case go(DeliveryKey, SessionToken)
    }

    private struct Entry {
        var ticket: JournalTicket
        var job: JobNumber
        var held: Held
    }

    private var entries: [Entry] = []
    private var head = 0
    /// Number of the last write.
    private(set) var issued: JournalTicket = 0
    /// Number of the last write that is on disk.
    private(set) var committed: JournalTicket = 0

    /// Entries that wait.
    var count: Int { entries.count - head }

    /// The number of the next write.
    mutating func issue() -> JournalTicket {
        issued += 1
        return issued
    }

    /// Whether nothing has to wait for this write any more.
    func isOpen(_ ticket: JournalTicket) -> Bool { ticket <= committed }

    /// Keeps `held`, which belongs to `job`, until `ticket` is committed.
    mutating func hold(_ held: Held, of job: JobNumber, until ticket: JournalTicket) {
        // Nearly always at the end; what asks again after an older write stands before the newer ones.
        var index = entries.count
        while index > head, entries[index - 1].ticket > ticket { index -= 1 }
        entries.insert(Entry(ticket: ticket, job: job, held: held), at: index)
    }

    /// Notes that all writes up to `ticket` are on disk.
    mutating func commit(through ticket: JournalTicket) { committed = max(committed, ticket) }

    /// The next thing that may go; nil when there is none.
    mutating func popOpen() -> Held? {
        guard head < entries.count, entries[head].ticket <= committed else { return nil }
        let held = entries[head].held
        head += 1
        if head == entries.count {
            entries.removeAll(keepingCapacity: entries.count <= 1024)
            head = 0
        } else if head >= 1024, head * 2 >= entries.count {
            entries.removeFirst(head)
            head = 0
        }
        return held
    }

    /// Takes out all that belongs to `jobs`, in its order.
    mutating func remove(of jobs: Set<JobNumber>) -> [(JobNumber, Held)] {
        let removed = entries[head...].filter { jobs.contains($0.job) }.map { ($0.job, $0.held) }
        entries.removeFirst(head)
        head = 0
        entries.removeAll { jobs.contains($0.job) }
        return removed
    }
}
