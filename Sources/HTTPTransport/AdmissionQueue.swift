/// Who may have a connection and who waits, as a value.
///
/// First come, first served for each origin; origins that wait take turns, so that a busy one does not starve the
/// others. A call that waits here is unknown to libcurl: no clock of it runs.
///
/// Admitted calls look up a name first, each on a thread of libcurl's until the first answer is in its cache. So the
/// lookups of an origin have a limit of their own, or a burst of calls would be a burst of threads.
struct AdmissionQueue<ID: Hashable> {
    private struct Origin {
        var running = 0
        var lookingUp = 0
        var waiting: [ID] = []
        var first = 0

        var isWaiting: Bool { first < waiting.count }

        mutating func removeFirst() -> ID {
            let id = waiting[first]
            first += 1
            if first == waiting.count {
                waiting.removeAll(keepingCapacity: true)
                first = 0
            } else if first >= 64, first * 2 >= waiting.count {
                waiting.removeFirst(first)
                first = 0
            }
            return id
        }
    }

    private let perOriginMax: Int
    private let totalMax: Int
    private let waitingMax: Int
    private let lookupsPerOriginMax: Int
    private var origins: [String: Origin] = [:]
    /// Origins in which somebody waits, the next one to be served first.
    private var turns: [String] = []

    /// Calls that have been admitted and not finished.
    private(set) var running = 0

    /// Calls that wait.
    private(set) var waiting = 0

    /// A queue that admits `perOriginMax` calls of each origin, of which `lookupsPerOriginMax` may look up its name, and
    /// `totalMax` in all, and lets `waitingMax` wait.
    init(perOriginMax: Int, totalMax: Int, waitingMax: Int, lookupsPerOriginMax: Int) {
        self.perOriginMax = perOriginMax
        self.totalMax = totalMax
        self.waitingMax = waitingMax
        self.lookupsPerOriginMax = lookupsPerOriginMax
    }

    /// Lines `id` up; false when too many wait.
    mutating func add(_ id: ID, origin name: String) -> Bool {
        guard waiting < waitingMax || (waiting == 0 && running < totalMax && mayAdmit(name)) else { return false }
        var origin = origins[name] ?? Origin()
        if !origin.isWaiting { turns.append(name) }
        origin.waiting.append(id)
        origins[name] = origin
        waiting += 1
        return true
    }

    /// Admits the next call; nil when nobody waits or nobody may run.
    mutating func admitNext() -> ID? {
        guard running < totalMax else { return nil }
        guard let turn = turns.firstIndex(where: mayAdmit) else { return nil }
        let name = turns.remove(at: turn)
        guard var origin = origins[name], origin.isWaiting else {
            preconditionFailure("an origin had its turn with nobody waiting")
        }
        let id = origin.removeFirst()
        origin.running += 1
        origin.lookingUp += 1
        if origin.isWaiting { turns.append(name) }
        origins[name] = origin
        running += 1
        waiting -= 1
        return id
    }

    private func mayAdmit(_ name: String) -> Bool {
        guard let origin = origins[name] else { return true }
        return origin.running < perOriginMax && origin.lookingUp < lookupsPerOriginMax
    }

    /// An admitted call of this origin has its address, or needs none. To be told once for each admitted call, before
    /// it finishes.
    mutating func endLookup(origin name: String) {
        guard let lookingUp = origins[name]?.lookingUp, lookingUp > 0 else {
            preconditionFailure("a lookup of an origin without lookups ended")
        }
        origins[name]?.lookingUp = lookingUp - 1
    }

    /// An admitted call of this origin is over.
    mutating func finish(origin name: String) {
        guard var origin = origins[name], origin.running > 0 else {
            preconditionFailure("a call of an origin without running calls finished")
        }
        origin.running -= 1
        running -= 1
        origins[name] = origin.running == 0 && !origin.isWaiting ? nil : origin
    }

    /// Takes a waiting call out; false when it does not wait.
    mutating func remove(_ id: ID, origin name: String) -> Bool {
        guard var origin = origins[name],
            let index = origin.waiting[origin.first...].firstIndex(of: id)
        else { return false }
        origin.waiting.remove(at: index)
        waiting -= 1
        if !origin.isWaiting {
            origin.waiting.removeAll()
            origin.first = 0
            turns.removeAll { $0 == name }
        }
        origins[name] = origin.running == 0 && !origin.isWaiting ? nil : origin
        return true
    }
}
