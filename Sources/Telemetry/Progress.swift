import SQLite

/// How far the events of one class of one broker have been read, and what became of them.
struct Progress: Hashable, Sendable {
    /// Which events.
    struct Key: Hashable, Sendable {
        var epoch: UInt64
        /// The class as in the topic; `-` for messages that could not be told apart.
        var eventClass: String

        /// Messages that are no events: too few frames, a topic of another kind, an unknown class.
        static let unreadable = Key(epoch: 0, eventClass: "-")
    }

    /// The highest sequence number that was read or that is known to be missing; 0 before the first.
    var last: UInt64 = 0
    /// Events that were stored.
    var stored: UInt64 = 0
    /// Events whose JSON is not what it should be.
    var malformed: UInt64 = 0
    /// Events of a name that is not known here: a newer broker's.
    var unknown: UInt64 = 0
    /// Events that came again and were ignored.
    var duplicates: UInt64 = 0
    /// Events that never came.
    var missing: UInt64 = 0

    /// The row that keeps it.
    func change(_ key: Key) -> RowChange {
        let numbers = [last, stored, malformed, unknown, duplicates, missing]
        return RowChange(
            kind: .progress,
            values: [.integer(Int64(clamping: key.epoch)), .text(key.eventClass)]
                + numbers.map { .integer(Int64(clamping: $0)) }
        )
    }
}
