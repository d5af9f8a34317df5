import BusProtocol
import JSON
import SQLite

/// Turns events into rows: decodes them, tells new ones from repeated ones, and finds what is missing.
///
/// Pure: no socket, no file, no clock. A PUB socket drops what a subscriber is too slow for, never reorders and never
/// repeats, so a number that jumps marks a gap for good. The sequence numbers count per class and epoch.
struct EventIngest {
    /// Brokers that are followed at the same time. One directory has one; more only while an old one fades out. Events
    /// of an epoch older than all of these are ignored once so many are known.
    static let epochCountMax = 16

    private var progress: [Progress.Key: Progress]
    private var epochs: Set<UInt64>
    private var changed: Set<Progress.Key> = []
    /// Classes of which an event came since this value was made: what is missing before it came too early for us.
    private var heard: Set<Progress.Key> = []
    /// What happened since this value was made.
    private(set) var counts = CollectorCounts()

    /// Goes on from what a database holds.
    init(resuming progress: [Progress.Key: Progress] = [:]) {
        self.progress = progress
        epochs = Set(progress.keys.map(\.epoch)).subtracting([Progress.Key.unreadable.epoch])
    }

    /// Takes one event.
    ///
    /// - Parameter now: Unix milliseconds, to date a gap with.
    /// - Returns: What to write, in this order. ``takeProgress()`` belongs into the same transaction.
    mutating func take(
        _ eventClass: EventClass,
        epoch: UInt64,
        sequence: UInt64,
        json: [UInt8],
        now: Int64
    ) -> [RowChange] {
        guard sequence >= 1, Int64(exactly: sequence) != nil, Int64(exactly: epoch) != nil else {
            takeUnreadable(isUnknown: false)
            return []
        }
        guard admits(epoch) else {
            counts.stale += 1
            return []
        }
        let key = Progress.Key(epoch: epoch, eventClass: eventClass.rawValue)
        var entry = progress[key] ?? Progress()
        changed.insert(key)
        guard sequence > entry.last else {
            entry.duplicates += 1
            counts.duplicates += 1
            progress[key] = entry
            return []
        }
        var changes = advance(&entry, key, to: sequence, now: now)
        do throws(JSONError) {
            let event = try EventFields(json)
            let own = try RowChange.changes(for: event, at: RowChange.Place(epoch: epoch, sequence: sequence))
            let announced = eventClass == .snapshot ? try announcedGaps(event, epoch: epoch, now: now) : []
            changes += own + announced
            if own.isEmpty {
                entry.unknown += 1
                counts.unknown += 1
            } else {
                entry.stored += 1
                counts.stored += 1
            }
        } catch {
            entry.malformed += 1
            counts.malformed += 1
        }
        progress[key] = entry
        return changes
    }

    /// Counts a message that is no event.
    ///
    /// - Parameter isUnknown: It is well-formed, but of a class or version that is not known here.
    mutating func takeUnreadable(isUnknown: Bool) {
        var entry = progress[.unreadable] ?? Progress()
        if isUnknown {
            entry.unknown += 1
            counts.unknown += 1
        } else {
            entry.malformed += 1
            counts.malformed += 1
        }
        progress[.unreadable] = entry
        changed.insert(.unreadable)
    }

    /// The progress that changed since the last call.
    mutating func takeProgress() -> [RowChange] {
        defer { changed.removeAll(keepingCapacity: true) }
        return changed.compactMap { key in progress[key]?.change(key) }
    }

    /// Moves on to `sequence`, which is new; the gap before it, if there is one.
    private mutating func advance(
        _ entry: inout Progress,
        _ key: Progress.Key,
        to sequence: UInt64,
        now: Int64
    ) -> [RowChange] {
        let isFirst = heard.insert(key).inserted
        defer { entry.last = sequence }
        guard sequence > entry.last + 1 else { return [] }
        return [gap(&entry, key, through: sequence - 1, isFirst: isFirst, now: now)]
    }

    /// A snapshot tells how many events of each class were sent before it: later ones than were read are lost.
    private mutating func announcedGaps(
        _ event: EventFields,
        epoch: UInt64,
        now: Int64
    ) throws(JSONError) -> [RowChange] {
        guard let sequences = try event.object("seqs") else { return [] }
        var changes: [RowChange] = []
        for eventClass in EventClass.allCases where eventClass != .snapshot {
            guard let sent = try sequences.integer(eventClass.rawValue), sent > 0 else { continue }
            let key = Progress.Key(epoch: epoch, eventClass: eventClass.rawValue)
            let isFirst = heard.insert(key).inserted
            var entry = progress[key] ?? Progress()
            guard UInt64(sent) > entry.last else { continue }
            changes.append(gap(&entry, key, through: UInt64(sent), isFirst: isFirst, now: now))
            entry.last = UInt64(sent)
            progress[key] = entry
            changed.insert(key)
        }
        return changes
    }

    private mutating func gap(
        _ entry: inout Progress,
        _ key: Progress.Key,
        through last: UInt64,
        isFirst: Bool,
        now: Int64
    ) -> RowChange {
        let count = last - entry.last
        entry.missing += count
        if !isFirst {
            counts.gaps += 1
            counts.missing += count
        }
        return RowChange(
            kind: .gap,
            values: [
                .integer(Int64(clamping: key.epoch)), .text(key.eventClass), .integer(Int64(clamping: entry.last + 1)),
                .integer(Int64(clamping: last)), .text(isFirst ? "absent" : "lost"), .integer(now),
            ]
        )
    }

    /// Makes room for a new epoch by forgetting the oldest ones; false for one that is older than all.
    private mutating func admits(_ epoch: UInt64) -> Bool {
        if epochs.contains(epoch) { return true }
        let kept = epochs.sorted(by: >).prefix(Self.epochCountMax - 1)
        if epochs.count >= Self.epochCountMax {
            guard let oldest = epochs.min(), epoch > oldest else { return false }
            // What the next commit has yet to write stays until the next time.
            progress = progress.filter { key, _ in
                kept.contains(key.epoch) || key == .unreadable || changed.contains(key)
            }
            heard = heard.filter { kept.contains($0.epoch) }
            epochs = Set(kept)
        }
        epochs.insert(epoch)
        return true
    }
}
