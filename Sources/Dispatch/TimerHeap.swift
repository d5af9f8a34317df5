import BusProtocol
import CoreTypes

/// What a timer is for.
enum TimerPurpose {
    /// The request's deadline, or the end of the grace after it.
    case deadline(JobNumber)
    /// The terminal waited long enough for its `ACK`.
    case ttl(JobNumber)
    /// A `GET` waited as long as it said.
    case wait(JobNumber, ticket: UInt64)
    /// The worker of an orphan had time enough to come back.
    case orphan(JobNumber)
    /// Beats and leases.
    case beat
    /// New workers may have room for more.
    case warmUp
}

/// Timers in order of time: a binary heap whose entries are not removed but found void when they come up.
///
/// Most deadlines are void long before they come; `retire()` counts them, and the heap is rebuilt without the void ones
/// when they are the larger part, so that it stays within twice the live timers.
struct TimerHeap {
    struct Entry {
        var due: Moment
        var purpose: TimerPurpose
    }

    private var entries: [Entry] = []
    private var retired = 0

    var nextDue: Moment? { entries.first?.due }
    var count: Int { entries.count }

    mutating func add(_ purpose: TimerPurpose, due: Moment) {
        entries.append(Entry(due: due, purpose: purpose))
        siftUp(entries.count - 1)
    }

    /// Notes that one timer will never be needed. `isNeeded` is asked for each when the heap is rebuilt.
    mutating func retire(_ isNeeded: (TimerPurpose) -> Bool) {
        retired += 1
        guard retired > 1024, retired * 2 > entries.count else { return }
        entries.removeAll { !isNeeded($0.purpose) }
        retired = 0
        for index in stride(from: entries.count / 2 - 1, through: 0, by: -1) { siftDown(index) }
    }

    /// Takes the earliest timer if it is due.
    mutating func popDue(now: Moment) -> TimerPurpose? {
        guard let first = entries.first, first.due <= now else { return nil }
        let last = entries.removeLast()
        if !entries.isEmpty {
            entries[0] = last
            siftDown(0)
        }
        return first.purpose
    }

    private mutating func siftUp(_ start: Int) {
        var index = start
        while index > 0 {
            let parent = (index - 1) / 2
            guard entries[index].due < entries[parent].due else { return }
            entries.swapAt(index, parent)
            index = parent
        }
    }

    private mutating func siftDown(_ start: Int) {
        var index = start
        while true {
            var least = index
            for child in [2 * index + 1, 2 * index + 2]
            where child < entries.count && entries[child].due < entries[least].due { least = child }
            guard least != index else { return }
            entries.swapAt(index, least)
            index = least
        }
    }
}
