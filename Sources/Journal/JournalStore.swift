/// Keeps entries by commits: a journal on a disk, or its twin in memory.
///
/// In this order: ``recover(now:)`` once, ``begin(epoch:)`` once, then commits. Times are Unix milliseconds.
public protocol JournalStore: ~Copyable {
    /// What the journal knows. Tombstones that are out of date at `now` are left out.
    mutating func recover(now: Int64) throws(JournalError) -> RecoveredState

    /// Says that a broker is at work.
    ///
    /// - Returns: The epoch in force: the proposed one, or the next after the last when that is not greater, as after a
    ///   clock was set back.
    mutating func begin(epoch: Int64) throws(JournalError) -> Int64

    /// Keeps all of the entries, or none when it throws.
    ///
    /// Also lets go of some tombstones that are out of date at `now`, see ``TombstoneRule``.
    mutating func commit(_ entries: [JournalEntry], now: Int64) throws(JournalError)
}

/// How commits let go of tombstones: a run of the oldest ones that are out of date, when it is worth a page.
///
/// Ids are kept equally long, so that the oldest are the first to be out of date. Where they were not, because the time
/// was changed in the configuration or the clock was ahead for a while, the oldest hide what is out of date behind them:
/// while the oldest is not out of date, a run from another place is looked for, a different one after each burial.
enum TombstoneRule {
    /// Shorter runs are left for later.
    static let countMin = 32

    /// At most this many go in one commit; more than it adds, so that they do not pile up.
    static func countMax(forgotten: Int) -> Int { max(128, 2 * forgotten) }

    /// The place of the other run, for the places of the oldest and the newest tombstone.
    static func place(first: Int64, last: Int64) -> Int64 {
        let count = max(1, UInt64(bitPattern: last &- first) &+ 1)
        // Multiplied by the golden ratio, places are far from each other.
        return first &+ Int64(bitPattern: ((UInt64(bitPattern: last) &* 0x9E37_79B9_7F4A_7C15) >> 11) % count)
    }
}
