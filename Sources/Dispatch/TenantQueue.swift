import BusProtocol

/// The requests of one tenant: priorities by weight.
struct TenantQueue {
    /// Whose turn it is within the tenant.
    struct Turn {
        let job: Job
        /// It came back from a worker.
        let cameBack: Bool
        /// In the order of priorities.
        let place: Int
    }

    let tenant: Tenant
    private var lanes = [PriorityLane](repeating: PriorityLane(), count: Limits.priority.count)
    /// A bit for each priority that has something waiting.
    private var priorities: UInt16 = 0
    private let order = PriorityTurns.order
    /// The place in the order of priorities that was used last.
    private var place: Int

    init(_ tenant: Tenant) {
        self.tenant = tenant
        place = order.count - 1
    }

    /// Entries held, void ones included.
    var entryCount: Int { lanes.reduce(0) { $0 + $1.entryCount } }
    /// Connections remembered.
    var connectionCount: Int { lanes.reduce(0) { $0 + $1.connectionCount } }

    mutating func push(_ job: Job, ticket: UInt64, atHead: Bool) {
        let priority = job.header.priority
        lanes[priority].push(job, ticket: ticket, atHead: atHead)
        priorities |= 1 << UInt16(priority)
    }

    /// Whose turn it is. It stays so until ``take(_:cost:)``. Not to be called when nothing waits.
    mutating func next() -> Turn {
        var place = place
        let priority: Int
        if priorities & (priorities - 1) == 0 {
            priority = priorities.trailingZeroBitCount
        } else {
            place = PriorityTurns.place(after: place, of: priorities, in: order)
            priority = Int(order[place])
        }
        let (job, cameBack) = lanes[priority].next()
        return Turn(job: job, cameBack: cameBack, place: place)
    }

    /// Takes out what ``next()`` gave.
    mutating func take(_ turn: Turn, cost: UInt64) {
        place = turn.place
        let priority = turn.job.header.priority
        lanes[priority].take(cameBack: turn.cameBack, cost: cost)
        left(priority)
    }

    /// Notes that `job` waits no more.
    mutating func void(_ job: Job, isAtHead: Bool) {
        lanes[job.header.priority].void(job, isAtHead: isAtHead)
        left(job.header.priority)
    }

    private mutating func left(_ priority: Int) {
        guard lanes[priority].waiting == 0 else { return }
        priorities &= ~(1 << UInt16(priority))
        // Nobody waits, so nobody is wronged: the next ones begin with the most urgent.
        if priorities == 0 { place = order.count - 1 }
    }
}
