import SQLite

/// Writes rows to the database in large transactions. Belongs to one thread at a time.
///
/// A process that dies loses at most the open transaction, and the next collector marks it as a gap.
final class EventStore {
    /// Changes that were applied and not committed.
    private(set) var pendingCount = 0

    private let connection: Connection
    private let statements: [[Statement]]

    /// Opens or makes the database at `path`.
    init(path: String) throws(TelemetryError) {
        connection = try TelemetrySchema.openForWriting(path)
        do throws(SQLiteError) {
            var statements: [[Statement]] = []
            for kind in RowChange.Kind.allCases {
                var alternatives: [Statement] = []
                for sql in RowChange.statements(kind) { alternatives.append(try connection.prepare(sql)) }
                statements.append(alternatives)
            }
            self.statements = statements
        } catch {
            throw TelemetryError(error)
        }
    }

    /// The progress of the brokers that were followed last.
    func progress() throws(TelemetryError) -> [Progress.Key: Progress] {
        do throws(SQLiteError) {
            let select = try connection.prepare(
                """
                SELECT epoch, class, last, stored, malformed, unknown, duplicates, missing FROM progress
                WHERE epoch = 0 OR epoch IN (SELECT DISTINCT epoch FROM progress ORDER BY epoch DESC LIMIT ?)
                """
            )
            try select.bind([.integer(Int64(EventIngest.epochCountMax))])
            var progress: [Progress.Key: Progress] = [:]
            while try select.step() {
                let key = Progress.Key(epoch: UInt64(clamping: select.integer(0)), eventClass: select.text(1))
                let numbers = (2...7).map { UInt64(clamping: select.integer($0)) }
                progress[key] = Progress(
                    last: numbers[0],
                    stored: numbers[1],
                    malformed: numbers[2],
                    unknown: numbers[3],
                    duplicates: numbers[4],
                    missing: numbers[5]
                )
            }
            return progress
        } catch {
            throw TelemetryError(error)
        }
    }

    /// Applies changes within the open transaction; begins one when there is none.
    func apply(_ changes: [RowChange]) throws(TelemetryError) {
        do throws(SQLiteError) {
            if !connection.isInTransaction { try connection.begin() }
            for change in changes {
                for statement in statements[change.kind.rawValue] {
                    try statement.bind(change.values)
                    while try statement.step() {}
                    if connection.changes > 0 { break }
                }
                pendingCount += 1
            }
        } catch {
            throw TelemetryError(error)
        }
    }

    /// Applies the last changes and commits.
    func commit(_ changes: [RowChange]) throws(TelemetryError) {
        try apply(changes)
        do throws(SQLiteError) {
            try connection.commit()
        } catch {
            throw TelemetryError(error)
        }
        pendingCount = 0
    }

    /// Deletes what `retention` no longer keeps, a little at a time; true when there may be more.
    func prune(_ retention: Retention, now: Int64) throws(TelemetryError) -> Bool {
        do throws(SQLiteError) {
            return try connection.transaction { () throws(SQLiteError) in
                try retention.prune(connection, now: now)
            }
        } catch {
            throw TelemetryError(error)
        }
    }
}
