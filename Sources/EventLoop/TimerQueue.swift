import CoreTypes

/// Timers in the order of their moments: a binary heap over a table of handlers.
///
/// Cancelling only empties the table; the heap drops the dead entries when they reach its top, or all at once when
/// they outnumber the living, so that adding and cancelling cost O(log n) and memory follows the living timers.
struct TimerQueue {
    private struct Entry {
        var at: Moment
        var number: UInt64

        /// Earlier moment first; timers of the same moment in the order they were added.
        func precedes(_ other: Entry) -> Bool {
            at == other.at ? number < other.number : at < other.at
        }
    }

    private var heap: [Entry] = []
    private var handlers: [UInt64: () -> Void] = [:]

    /// The number the next timer gets; numbers rise.
    private(set) var nextNumber: UInt64 = 1

    /// Timers that have neither fired nor been cancelled.
    var count: Int { handlers.count }

    /// Entries the heap holds, dead ones included.
    var heapCount: Int { heap.count }

    /// Adds a timer and returns its number.
    mutating func add(at: Moment, _ handler: @escaping () -> Void) -> UInt64 {
        let number = nextNumber
        nextNumber += 1
        handlers[number] = handler
        heap.append(Entry(at: at, number: number))
        siftUp(heap.count - 1)
        return number
    }

    /// Forgets a timer; one that fired or was cancelled already is no error.
    mutating func cancel(_ number: UInt64) {
        guard handlers.removeValue(forKey: number) != nil else { return }
        if heap.count > 64, heap.count > 2 * handlers.count { dropDead() }
    }

    /// The moment of the earliest timer.
    mutating func earliest() -> Moment? {
        dropDeadTop()
        return heap.first?.at
    }

    /// Removes and returns the handler of the earliest timer if it is due and was added before `limit`.
    mutating func popDue(now: Moment, before limit: UInt64) -> (() -> Void)? {
        dropDeadTop()
        guard let top = heap.first, top.at <= now, top.number < limit else { return nil }
        removeTop()
        return handlers.removeValue(forKey: top.number)
    }

    /// Forgets every timer.
    mutating func removeAll() {
        heap.removeAll()
        handlers.removeAll()
    }

    private mutating func dropDeadTop() {
        while let top = heap.first, handlers[top.number] == nil { removeTop() }
    }

    private mutating func dropDead() {
        heap.removeAll { handlers[$0.number] == nil }
        for index in stride(from: heap.count / 2 - 1, through: 0, by: -1) { siftDown(index) }
    }

    private mutating func removeTop() {
        heap.swapAt(0, heap.count - 1)
        heap.removeLast()
        if !heap.isEmpty { siftDown(0) }
    }

    private mutating func siftUp(_ start: Int) {
        var child = start
        while child > 0 {
            let parent = (child - 1) / 2
            guard heap[child].precedes(heap[parent]) else { return }
            heap.swapAt(child, parent)
            child = parent
        }
    }

    private mutating func siftDown(_ start: Int) {
        var parent = start
        while true {
            var least = parent
            for child in [2 * parent + 1, 2 * parent + 2] where child < heap.count {
                if heap[child].precedes(heap[least]) { least = child }
            }
            guard least != parent else { return }
            heap.swapAt(parent, least)
            parent = least
        }
    }
}
