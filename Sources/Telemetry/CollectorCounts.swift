/// What became of the messages a collector received, since it started.
public struct CollectorCounts: Hashable, Sendable, CustomStringConvertible {
    /// Events that are in the database.
    public var stored: UInt64 = 0
    /// Events that came again and were ignored.
    public var duplicates: UInt64 = 0
    /// Messages that are no valid events.
    public var malformed: UInt64 = 0
    /// Events of a name, class or version that is not known here.
    public var unknown: UInt64 = 0
    /// Events of a broker older than the ones that are followed.
    public var stale: UInt64 = 0
    /// Gaps found. What a class and epoch had before the first event that came is in the database, and none of these: it
    /// is unknown, not lost.
    public var gaps: UInt64 = 0
    /// Events that the gaps stand for.
    public var missing: UInt64 = 0

    /// No messages yet.
    public init() {}

    /// One line for people; what is zero is left out, but for the first figure.
    public var description: String {
        let others: [(UInt64, String)] = [
            (missing, "missing in \(gaps) gap\(gaps == 1 ? "" : "s")"), (malformed, "malformed"),
            (unknown, "of unknown kinds"), (duplicates, "repeated"), (stale, "of an old broker"),
        ]
        let parts = others.filter { $0.0 > 0 }.map { "\($0.0) \($0.1)" }
        return (["\(stored) event\(stored == 1 ? "" : "s") stored"] + parts).joined(separator: ", ")
    }
}
