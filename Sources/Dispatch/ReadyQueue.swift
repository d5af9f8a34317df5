import BusProtocol

/// Requests that wait for a worker: first in, first out within a priority, and weights between priorities.
///
/// A priority p has weight p + 1, taken in turn by smooth weighted round robin, so that the lowest one waits but never
/// starves: with all ten priorities full it gets 1 of 55 places. Source of the scheme: nginx, upstream round robin.
/// An entry that was removed stays as a stale ticket until it is met or the queue is compacted.
struct ReadyQueue {
    private struct Lane {
        /// Requeued entries, last one first out.
        var front: [Entry] = []
        var entries: [Entry] = []
        var head = 0
        var live = 0
        var current = 0
    }

    private struct Entry {
        var job: Job
        var ticket: UInt64
    }

    private var lanes = [Lane](repeating: Lane(), count: Limits.priority.count)
    private var ticketLast: UInt64 = 0
    /// Live entries.
    private(set) var count = 0

    var isEmpty: Bool { count == 0 }

    /// Live entries of each priority, the lowest first.
    var countsByPriority: [Int] { lanes.map(\.live) }

    /// Entries held, stale ones included.
    var entryCount: Int { lanes.reduce(0) { $0 + $1.front.count + $1.entries.count - $1.head } }

    /// Puts `job` behind the others of its priority, or before them when it comes back from a lost worker.
    mutating func push(_ job: Job, atHead: Bool = false) {
        ticketLast += 1
        job.phase = .queued(ticket: ticketLast)
        let priority = job.header.priority
        if atHead {
            lanes[priority].front.append(Entry(job: job, ticket: ticketLast))
        } else {
            lanes[priority].entries.append(Entry(job: job, ticket: ticketLast))
        }
        lanes[priority].live += 1
        count += 1
    }

    /// Takes `job` out wherever it stands. The caller changes its phase, which makes the entry stale.
    mutating func remove(_ job: Job) {
        lanes[job.header.priority].live -= 1
        count -= 1
        if lanes[job.header.priority].live == 0 { lanes[job.header.priority] = Lane() }
        compact(job.header.priority, leaving: job)
    }

    /// The next job by weight; nil when nothing waits.
    mutating func pop() -> Job? {
        guard count > 0 else { return nil }
        let priority = nextPriority()
        while true {
            guard let entry = takeEntry(priority) else {
                preconditionFailure("lane \(priority) counts more than it has")
            }
            guard Self.isLive(entry) else { continue }
            lanes[priority].live -= 1
            count -= 1
            if lanes[priority].live == 0 { lanes[priority] = Lane() }
            return entry.job
        }
    }

    private static func isLive(_ entry: Entry) -> Bool {
        if case .queued(let ticket) = entry.job.phase { return ticket == entry.ticket }
        return false
    }

    private mutating func nextPriority() -> Int {
        var best = -1
        var total = 0
        for priority in lanes.indices where lanes[priority].live > 0 {
            if lanes[priority].live == count { return priority }
            lanes[priority].current += priority + 1
            total += priority + 1
            if best < 0 || lanes[priority].current > lanes[best].current { best = priority }
        }
        lanes[best].current -= total
        return best
    }

    private mutating func takeEntry(_ priority: Int) -> Entry? {
        if let entry = lanes[priority].front.popLast() { return entry }
        guard lanes[priority].head < lanes[priority].entries.count else { return nil }
        let entry = lanes[priority].entries[lanes[priority].head]
        lanes[priority].head += 1
        if lanes[priority].head >= 1024, lanes[priority].head * 2 >= lanes[priority].entries.count {
            lanes[priority].entries.removeFirst(lanes[priority].head)
            lanes[priority].head = 0
        }
        return entry
    }

    /// Drops stale entries when they outnumber the live ones, so that cancelled requests do not pile up.
    private mutating func compact(_ priority: Int, leaving gone: Job) {
        let size = lanes[priority].front.count + lanes[priority].entries.count - lanes[priority].head
        guard size > 1024, size > 2 * lanes[priority].live else { return }
        lanes[priority].front.removeAll { !Self.isLive($0) || $0.job === gone }
        lanes[priority].entries.removeFirst(lanes[priority].head)
        lanes[priority].head = 0
        lanes[priority].entries.removeAll { !Self.isLive($0) || $0.job === gone }
    }
}
