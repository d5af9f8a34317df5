import BusProtocol

/// A journal in memory: the same entries in, the same state out as from ``SQLiteJournal``.
///
/// It is the model that the one on disk is tested against, and the fast store of simulations. A copy is a snapshot.
public struct MemoryJournal: JournalStore, Hashable, Sendable {
    private struct Buried: Hashable {
        var place: Int64
        var tombstone: RecoveredTombstone
    }

    private var epoch: Int64 = 0
    private var isClosed = true
    private var jobs: [JobNumber: RecoveredJob] = [:]
    /// With their places, which rise and are those of the rows on disk.
    private var tombstones: [Buried] = []

    /// An empty journal.
    public init() {}

    public func recover(now: Int64) -> RecoveredState {
        let numbers = jobs.keys.max()
        let buried = tombstones.map(\.tombstone.number).max()
        return RecoveredState(
            epochLast: epoch,
            wasClosed: isClosed,
            numberLast: [numbers, buried].compactMap(\.self).max(),
            jobs: jobs.values.sorted { $0.number < $1.number },
            tombstones: tombstones.map(\.tombstone).filter { $0.rememberedUntil > now }
        )
    }

    public mutating func begin(epoch proposed: Int64) -> Int64 {
        epoch = max(proposed, epoch + 1)
        isClosed = false
        return epoch
    }

    public mutating func commit(_ entries: [JournalEntry], now: Int64) {
        guard !entries.isEmpty else { return }
        var forgotten = 0
        for entry in entries {
            apply(entry)
            if case .forgotten = entry { forgotten += 1 }
        }
        expireTombstones(forgotten: forgotten, now: now)
    }

    private mutating func expireTombstones(forgotten: Int, now: Int64) {
        guard let first = tombstones.first, let last = tombstones.last else { return }
        let countMax = TombstoneRule.countMax(forgotten: forgotten)
        var start = 0
        if first.tombstone.rememberedUntil > now {
            let place = TombstoneRule.place(first: first.place, last: last.place)
            start = tombstones.firstIndex { $0.place >= place } ?? tombstones.count
        }
        let run = tombstones[start...].prefix(countMax).prefix { $0.tombstone.rememberedUntil <= now }
        if run.count >= TombstoneRule.countMin { tombstones.removeSubrange(run.indices) }
    }

    /// Says that the broker ended in order.
    public mutating func close() { isClosed = true }

    private mutating func apply(_ entry: JournalEntry) {
        switch entry {
        case .accepted(let request):
            if jobs[request.number] == nil { jobs[request.number] = RecoveredJob(request) }
        case .started(let key):
            guard var job = jobs[key.job] else { return }
            if let index = job.started.firstIndex(where: { $0.delivery == key.delivery }) {
                if key.attempt > job.started[index].attempt { job.started[index] = key }
            } else {
                job.started.append(key)
                job.started.sort { $0.delivery < $1.delivery }
            }
            jobs[key.job] = job
        case .died(let number, let deaths):
            guard let job = jobs[number] else { return }
            jobs[number]?.deaths = max(job.deaths, deaths)
        case .ended(let number, let terminal, class: let failureClass, at: let time):
            guard let job = jobs[number], job.ending == nil else { return }
            jobs[number]?.body = []
            jobs[number]?.ending = .init(terminal: terminal, failureClass: failureClass, endedAt: time)
        case .forgotten(let number, rememberedUntil: let time):
            guard let job = jobs.removeValue(forKey: number) else { return }
            let tombstone = RecoveredTombstone(
                number: number,
                key: job.key,
                bodyHash: job.bodyHash,
                rememberedUntil: time
            )
            tombstones.append(Buried(place: (tombstones.last?.place ?? 0) + 1, tombstone: tombstone))
        }
    }
}
