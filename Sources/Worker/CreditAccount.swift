/// The `granted_total` of one session: how many `JOB`s, counted from `READY`, the worker takes.
///
/// Grants the capacity less what is held, never more, and never takes back what it granted. A rise is not said while the
/// broker has more than half of what could be granted: each `CREDIT` that goes by itself wakes both sides, and a worker
/// with hundreds of free places would say one for every request.
struct CreditAccount: Sendable, Hashable {
    /// Most deliveries at once.
    let capacity: Int
    /// `JOB`s that came in this session.
    private(set) var received: UInt64 = 0
    /// The last total that was said; 0 at the beginning of a session.
    private(set) var granted: UInt64 = 0

    init(capacity: Int) {
        self.capacity = capacity
    }

    /// Whether the broker gives nothing before the next `CREDIT`.
    private var isAwaited = false

    /// Begins a session.
    mutating func reset() {
        received = 0
        granted = 0
        isAwaited = false
    }

    /// A `RETURN` `full` was said, after which the broker waits for a `CREDIT`.
    mutating func saidFull() { isAwaited = true }

    /// A `JOB` came.
    mutating func jobReceived() {
        received += 1
    }

    /// The total to say now that `held` deliveries are here; nil when there is nothing to say.
    mutating func nextTotal(held: Int) -> UInt64? {
        let room = UInt64(max(0, capacity - held))
        let total = received + room
        let left = granted - min(granted, received)
        guard total > granted, isAwaited || left <= room / 2 else { return nil }
        isAwaited = false
        granted = total
        return total
    }
}
