/// A job's place in a queue. Void once the job's ticket is another one or it waits no more.
struct QueueEntry {
    var job: Job
    var ticket: UInt64

    var isLive: Bool {
        if case .queued(let ticket) = job.phase { return ticket == self.ticket }
        return false
    }
}

/// First in, first out, with entries that are not taken out but found void when they come up.
///
/// Void entries never outnumber the live ones beyond a thousand.
struct TicketQueue {
    private var entries: [QueueEntry] = []
    private var head = 0
    /// Live entries.
    private(set) var live = 0

    /// Entries held, void ones included.
    var entryCount: Int { entries.count - head }

    mutating func append(_ entry: QueueEntry) {
        entries.append(entry)
        live += 1
    }

    /// The oldest live job; nil when there is none.
    mutating func first() -> Job? {
        while head < entries.count {
            if entries[head].isLive { return entries[head].job }
            advance()
        }
        return nil
    }

    /// Takes out the job that ``first()`` gave.
    mutating func removeFirst() {
        live -= 1
        if live == 0 { clear() } else { advance() }
    }

    /// Notes that `job` will be void once the caller has changed its phase.
    mutating func void(_ job: Job) {
        live -= 1
        if live == 0 { return clear() }
        guard entryCount > 1024, entryCount > 2 * live else { return }
        entries.removeFirst(head)
        head = 0
        entries.removeAll { !$0.isLive || $0.job === job }
    }

    private mutating func advance() {
        head += 1
        guard head >= 1024, head * 2 >= entries.count else { return }
        entries.removeFirst(head)
        head = 0
    }

    private mutating func clear() {
        if entries.count == 1 {
            entries.removeLast()
            head = 0
            return
        }
        entries.removeAll(keepingCapacity: entries.count <= 1024)
        head = 0
    }
}
