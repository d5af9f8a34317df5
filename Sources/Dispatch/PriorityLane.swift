/// The requests of one tenant and one priority: those that came back from a worker, then the connections by turns.
struct PriorityLane {
    /// What one connection has waiting here.
    private struct Sender {
        /// Nil for requests of before the broker's start.
        let connection: ConnectionID?
        var queue = TicketQueue()
    }

    /// Came back; the last one put here is the first one out.
    private var front: [QueueEntry] = []
    private var frontLive = 0
    private var ring = TurnRing<Sender>()
    private var numbers: [ConnectionID?: Int] = [:]
    /// The place of the connection that was last put to; -1 for none.
    private var latest = -1
    /// Live entries.
    private(set) var waiting = 0

    /// Entries held, void ones included.
    var entryCount: Int { numbers.values.reduce(front.count) { $0 + ring[$1].queue.entryCount } }
    /// Connections remembered, those without anything waiting included.
    var connectionCount: Int { numbers.count }

    mutating func push(_ job: Job, ticket: UInt64, atHead: Bool) {
        waiting += 1
        if atHead {
            front.append(QueueEntry(job: job, ticket: ticket))
            frontLive += 1
            return
        }
        let number = number(of: job.connection)
        ring[number].queue.append(QueueEntry(job: job, ticket: ticket))
        ring.enter(number)
    }

    /// The next job, and whether it came back. It stays the next one until ``take(cameBack:cost:)``. Not to be called when
    /// nothing waits.
    mutating func next() -> (job: Job, cameBack: Bool) {
        if frontLive > 0 {
            while let last = front.last {
                if last.isLive { return (last.job, true) }
                front.removeLast()
            }
        }
        guard let number = ring.next(), let job = ring[number].queue.first() else {
            preconditionFailure("a lane counts \(waiting) and has nothing")
        }
        return (job, false)
    }

    /// Takes out what ``next()`` gave.
    mutating func take(cameBack: Bool, cost: UInt64) {
        waiting -= 1
        if cameBack {
            front.removeLast()
            frontLive -= 1
            if frontLive == 0 { front.removeAll(keepingCapacity: front.count <= 1024) }
        } else {
            ring[ring.current].queue.removeFirst()
            ring.charge(cost)
        }
    }

    /// Notes that `job` waits no more.
    mutating func void(_ job: Job, isAtHead: Bool) {
        waiting -= 1
        guard isAtHead else {
            guard let number = numbers[job.connection] else {
                preconditionFailure("no queue for the connection of \(job.number), which waits")
            }
            ring[number].queue.void(job)
            ring.leave(number)
            return
        }
        frontLive -= 1
        if frontLive == 0 || front.count > 1024 && front.count > 2 * frontLive {
            front.removeAll { !$0.isLive || $0.job === job }
        }
    }

    private mutating func number(of connection: ConnectionID?) -> Int {
        if latest >= 0, ring.places[latest].member.connection == connection { return latest }
        if let number = numbers[connection] {
            latest = number
            return number
        }
        if numbers.count >= 1024, numbers.count >= 2 * ring.listedCount {
            var left = numbers
            ring.removeIdle { left.removeValue(forKey: $0.connection) }
            numbers = left
        }
        latest = ring.add(Sender(connection: connection))
        numbers[connection] = latest
        return latest
    }
}
