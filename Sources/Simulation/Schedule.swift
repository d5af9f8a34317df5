import CoreTypes

/// What will happen, in order of time, and at the same time in the order in which it was put in.
struct Schedule {
    private struct Entry {
        var due: Moment
        var number: UInt64
        var occurrence: Occurrence

        func isBefore(_ other: Entry) -> Bool {
            due == other.due ? number < other.number : due < other.due
        }
    }

    private var entries: [Entry] = []
    private var last: UInt64 = 0

    mutating func add(_ occurrence: Occurrence, at due: Moment) {
        last += 1
        var index = entries.count
        let entry = Entry(due: due, number: last, occurrence: occurrence)
        entries.append(entry)
        while index > 0 {
            let parent = (index - 1) / 2
            guard entry.isBefore(entries[parent]) else { break }
            entries[index] = entries[parent]
            index = parent
        }
        entries[index] = entry
    }

    mutating func next() -> (Moment, Occurrence)? {
        guard let first = entries.first, let moved = entries.popLast() else { return nil }
        guard !entries.isEmpty else { return (first.due, first.occurrence) }
        var index = 0
        while true {
            var child = 2 * index + 1
            guard child < entries.count else { break }
            if child + 1 < entries.count, entries[child + 1].isBefore(entries[child]) { child += 1 }
            guard entries[child].isBefore(moved) else { break }
            entries[index] = entries[child]
            index = child
        }
        entries[index] = moved
        return (first.due, first.occurrence)
    }
}

/// One thing that happens in a play. Agents and workers are named by their place in the world's lists.
enum Occurrence {
    /// The next message of a connection reaches the broker.
    case reachesBroker(Connection)
    /// The next message of a connection reaches the peer.
    case reachesPeer(Connection)
    /// The broker sees that a connection closed.
    case closed(Connection)
    /// The broker sees that the process of a worker is gone.
    case gone(Connection)
    /// The broker has received all that a dead worker had sent.
    case drained(Connection)
    /// The dispatcher asked to be woken.
    case wake
    /// The broker stood still for this long.
    case stalled(Duration)
    /// An agent does something.
    case agentActs(Agent)
    /// A worker's time to say `BEAT`.
    case workerBeats(Worker)
    /// A delivery's engine asked to be woken.
    case workerTimer(Worker, Delivery)
    /// A call ends.
    case callEnds(Worker, Delivery, call: Int)
    /// A frozen worker wakes.
    case thaws(Worker)
    /// A worker process starts.
    case workerStarts
    /// Something goes wrong.
    case fault
    /// The time of faults and new requests is over.
    case calm
    /// The commit under way at the journal of this broker ends.
    case commitEnds(Int)
    /// The journal of this broker tries again.
    case commitRetried(Int)
    /// The journal of this broker has news for it.
    case journalTells(Int, JournalNews)
    /// A broker starts after one that died.
    case brokerStarts
    /// A peer finds the new broker.
    case reconnects(Connection)
    /// Looks whether everything has ended.
    case look
    /// The broker is to end everything.
    case endAll
    /// The play is over.
    case curtain
}
