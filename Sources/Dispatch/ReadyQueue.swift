import BusProtocol

/// Requests that wait for a worker, in fair order: tenants by turns, within a tenant priorities by weight, within a
/// priority the connections that sent the `REQUEST` by turns, within a connection first in, first out.
///
/// Turns of tenants and of connections are deficit round robin: a turn is one request and costs ``cost(of:)``, so that in
/// the long run everyone who waits gets the same number of units. What came back from a worker goes before the other
/// requests of its tenant and priority; it takes a turn of its tenant, none of its connection.
///
/// The bound on waiting, whatever others send:
/// 1. Between two requests of a tenant that has more, every other tenant is handed at most c requests, c the cost of the
///    tenant's first of the two. To a tenant that begins to wait the same holds with the cost of its last request; if it
///    had none, every other tenant goes before it at most once.
/// 2. Within a tenant, priority p is passed by at most ``PriorityTurns/overtakenMax`` [p] requests of other priorities
///    until its next one: 54 for the lowest, 6 for the highest.
/// 3. Within a priority, connections wait for each other as tenants do in 1. What came back goes before.
///
/// So with requests of cost 1, T tenants and C connections in its priority, a request that is the oldest of its connection
/// is handed out after at most C (g + 1) - 1 others of its tenant, g the number of 2., and C (g + 1) of every other tenant.
/// A queue is O(1) for each request; entries that were removed stay as void tickets until they are met or compacted.
struct ReadyQueue {
    private var ring = TurnRing<TenantQueue>()
    private var numbers: [Tenant: Int] = [:]
    /// The place of the tenant that was last put to; -1 for none.
    private var latest = -1
    private var ticketLast: UInt64 = 0
    /// Live entries.
    private(set) var count = 0

    var isEmpty: Bool { count == 0 }

    /// Live entries of each priority, the lowest first.
    private(set) var countsByPriority = [Int](repeating: 0, count: Limits.priority.count)

    /// Entries held, void ones included.
    var entryCount: Int { numbers.values.reduce(0) { $0 + ring[$1].entryCount } }
    /// Tenants and connections remembered, those without anything waiting included.
    var rememberedCount: Int { numbers.values.reduce(numbers.count) { $0 + ring[$1].connectionCount } }

    /// What a turn with a body of `byteCount` bytes costs: 1 up to 64 KiB, and 1 more for each further 64 KiB; at most 128.
    static func cost(of byteCount: Int) -> UInt64 { 1 + UInt64(max(0, byteCount - 1)) >> 16 }

    /// Puts `job` behind the others of its connection, or before all of its priority when it comes back from a worker.
    mutating func push(_ job: Job, atHead: Bool = false) {
        // The lowest bit of a ticket says at which end the job stands.
        ticketLast += 2
        let ticket = atHead ? ticketLast | 1 : ticketLast
        job.phase = .queued(ticket: ticket)
        let number = number(of: job.key.tenant)
        ring[number].push(job, ticket: ticket, atHead: atHead)
        ring.enter(number)
        count += 1
        countsByPriority[job.header.priority] += 1
    }

    /// Takes `job` out wherever it stands. The caller changes its phase, which voids its entry.
    mutating func remove(_ job: Job) {
        guard case .queued(let ticket) = job.phase, let number = numbers[job.key.tenant] else {
            preconditionFailure("\(job.number) does not wait")
        }
        ring[number].void(job, isAtHead: ticket & 1 == 1)
        ring.leave(number)
        count -= 1
        countsByPriority[job.header.priority] -= 1
    }

    /// Whose turn it is; nil when nothing waits. The job stays in the queue, and it stays its turn, until ``take(_:)``.
    mutating func next() -> TenantQueue.Turn? {
        guard let number = ring.next() else { return nil }
        return ring[number].next()
    }

    /// Takes out what ``next()`` gave just before, and charges for it. The caller changes its phase.
    mutating func take(_ turn: TenantQueue.Turn) {
        let cost = Self.cost(of: turn.job.body.byteCount)
        ring[ring.current].take(turn, cost: cost)
        ring.charge(cost)
        count -= 1
        countsByPriority[turn.job.header.priority] -= 1
    }

    /// Takes the next job; nil when nothing waits.
    mutating func pop() -> Job? {
        guard let turn = next() else { return nil }
        take(turn)
        return turn.job
    }

    private mutating func number(of tenant: Tenant) -> Int {
        if latest >= 0, ring.places[latest].member.tenant == tenant { return latest }
        if let number = numbers[tenant] {
            latest = number
            return number
        }
        if numbers.count >= 1024, numbers.count >= 2 * ring.listedCount {
            var left = numbers
            ring.removeIdle { left[$0.tenant] = nil }
            numbers = left
        }
        latest = ring.add(TenantQueue(tenant))
        numbers[tenant] = latest
        return latest
    }
}
