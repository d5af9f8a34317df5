/// Which of several pools of connections a call goes to, as a value.
///
/// For each call libcurl walks through the connections of a multi handle, twice (`ConnectionExists`, and
/// `close_connect_only` in `curl_multi_remove_handle`): with 5,000 of them that costs as much as the rest of the call. So
/// there are pools of a bounded size. A call goes to where a connection to its origin was left last, else to the first
/// pool with room, so that as few pools are used as will do.
struct PoolChoice {
    private let callsPerPoolMax: Int
    /// Calls in each pool.
    private var running: [Int] = []
    /// The pools in which calls left a connection, by origin, the last one at the end. A hint: a server may have closed
    /// it since.
    private var idle: [String: [Int]] = [:]
    /// Pools with a connection that its server closed. libcurl closes its own side when the next call begins there.
    private var stale: Set<Int> = []

    init(callsPerPoolMax: Int) { self.callsPerPoolMax = callsPerPoolMax }

    /// Whether nobody is in a pool.
    func isEmpty(_ pool: Int) -> Bool { running[pool] == 0 }

    /// The pool for a call that begins; the number of pools so far when it takes one more.
    mutating func begin(origin: String) -> Int {
        let pool = takeStale() ?? takeIdle(origin) ?? running.firstIndex { $0 < callsPerPoolMax } ?? running.count
        if pool == running.count { running.append(0) }
        running[pool] += 1
        return pool
    }

    /// A call has left its pool.
    mutating func end(_ pool: Int, origin: String, leavesConnection: Bool) {
        running[pool] -= 1
        // No more than there can be: who begins takes a hint away if there is one.
        if leavesConnection { idle[origin, default: []].append(pool) }
    }

    /// A server closed a connection of a pool.
    mutating func noteClosed(in pool: Int) { stale.insert(pool) }

    /// The connections of a pool were closed.
    mutating func forget(_ pool: Int) {
        stale.remove(pool)
        for origin in idle.keys {
            idle[origin]?.removeAll { $0 == pool }
            if idle[origin]?.isEmpty == true { idle[origin] = nil }
        }
    }

    private mutating func takeStale() -> Int? {
        guard !stale.isEmpty, let pool = stale.first(where: { running[$0] < callsPerPoolMax }) else { return nil }
        stale.remove(pool)
        return pool
    }

    private mutating func takeIdle(_ origin: String) -> Int? {
        while let pool = idle[origin]?.popLast() {
            if running[pool] < callsPerPoolMax { return pool }
        }
        return nil
    }
}
