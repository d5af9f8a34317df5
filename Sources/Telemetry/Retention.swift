import SQLite

/// How much the telemetry database keeps. The oldest rows go first, a little at a time, so that no commit waits.
///
/// The file does not shrink; space that became free is used again.
public struct Retention: Hashable, Sendable {
    /// Age in days, by the event's own time, from which a row goes. Default 400: a year and the month to compare it with.
    public var days: Int
    /// Rows that a table keeps. Default 5,000,000: with the trails of the requests roughly 5 GB.
    public var rowCountMax: Int

    /// Rows that are deleted at once from a table.
    static let chunk = 2000

    /// Makes a bound.
    ///
    /// - Precondition: Both are at least 1.
    public init(days: Int = 400, rowCountMax: Int = 5_000_000) {
        precondition(days >= 1 && rowCountMax >= 1, "retention of \(days) days and \(rowCountMax) rows keeps nothing")
        self.days = days
        self.rowCountMax = rowCountMax
    }

    /// Deletes at most one chunk of each table's oldest rows.
    ///
    /// - Parameter now: Unix milliseconds.
    /// - Returns: True when there may be more to delete.
    func prune(_ connection: Connection, now: Int64) throws(SQLiteError) -> Bool {
        let (length, overflow) = Int64(days).multipliedReportingOverflow(by: 86_400_000)
        let cutoff = overflow ? Int64.min : now - length
        var hasMore = false
        for (table, time) in TelemetrySchema.growing {
            let newest = try connection.integer("SELECT max(number) FROM \(table)") ?? 0
            let oldest = try connection.prepare("SELECT number, \(time) FROM \(table) ORDER BY number LIMIT ?")
            try oldest.bind([.integer(Int64(Self.chunk))])
            var count = 0
            var last: Int64?
            while try oldest.step() {
                let number = oldest.integer(0)
                // Numbers are dense but for rows that were refused, so this keeps at most `rowCountMax`.
                guard oldest.integer(1) < cutoff || number <= newest - Int64(rowCountMax) else { break }
                last = number
                count += 1
            }
            oldest.reset()
            guard let last else { continue }
            try connection.prepare("DELETE FROM \(table) WHERE number <= ?").run(.integer(last))
            hasMore = hasMore || count == Self.chunk
        }
        return hasMore
    }
}
