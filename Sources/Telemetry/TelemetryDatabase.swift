public import BusProtocol
import SQLite

/// A telemetry database, opened for reading while a collector may write to it. Belongs to one thread at a time.
public final class TelemetryDatabase {
    /// What is known of one broker's life.
    public struct Epoch: Hashable, Sendable {
        /// Start of the broker in Unix milliseconds.
        public var epoch: UInt64
        /// The highest number of each class that is in the database, or known to be missing from it.
        public var last: [EventClass: UInt64]
        /// Events that never came.
        public var missing: UInt64
        /// Requests accepted.
        public var requestCount: Int
        /// Requests whose terminal is not known.
        public var openRequestCount: Int
        /// Tasks whose end was reported.
        public var taskCount: Int
    }

    let connection: Connection

    /// Opens the database at `path`.
    ///
    /// - Throws: ``TelemetryError``: `missing`, `foreign`, `newer` or `store`.
    public init(path: String) throws(TelemetryError) {
        connection = try TelemetrySchema.openForReading(path)
    }

    /// The highest number of a class that is in the database: event `n` is stored, or known to be lost, as soon as this
    /// is at least `n`. 0 before the first. A collector commits at least every 200 ms while events come.
    public func lastSequence(_ eventClass: EventClass, epoch: UInt64) throws(TelemetryError) -> UInt64 {
        try query { () throws(SQLiteError) in
            let last = try connection.integer(
                "SELECT last FROM progress WHERE epoch = ? AND class = ?",
                .integer(Int64(clamping: epoch)),
                .text(eventClass.rawValue)
            )
            return UInt64(clamping: last ?? 0)
        }
    }

    /// The brokers whose events are here, the latest first.
    ///
    /// - Parameter limit: At most so many.
    public func epochs(limit: Int = 100) throws(TelemetryError) -> [Epoch] {
        try query { () throws(SQLiteError) in
            let select = try connection.prepare(
                """
                SELECT epoch, class, last, missing FROM progress
                WHERE epoch IN (SELECT DISTINCT epoch FROM progress WHERE epoch > 0 ORDER BY epoch DESC LIMIT ?)
                ORDER BY epoch DESC
                """
            )
            try select.bind([.integer(Int64(limit))])
            var epochs: [Epoch] = []
            while try select.step() {
                let number = UInt64(clamping: select.integer(0))
                if epochs.last?.epoch != number { epochs.append(try counts(number)) }
                epochs[epochs.count - 1].missing += UInt64(clamping: select.integer(3))
                guard let eventClass = EventClass(rawValue: select.text(1)) else { continue }
                epochs[epochs.count - 1].last[eventClass] = UInt64(clamping: select.integer(2))
            }
            return epochs
        }
    }

    private func counts(_ epoch: UInt64) throws(SQLiteError) -> Epoch {
        let key = Value.integer(Int64(clamping: epoch))
        let open = "SELECT count(*) FROM request WHERE epoch = ? AND outcome IS NULL"
        return Epoch(
            epoch: epoch,
            last: [:],
            missing: 0,
            requestCount: Int(try connection.integer("SELECT count(*) FROM request WHERE epoch = ?", key) ?? 0),
            openRequestCount: Int(try connection.integer(open, key) ?? 0),
            taskCount: Int(try connection.integer("SELECT count(*) FROM task WHERE epoch = ?", key) ?? 0)
        )
    }

    /// Runs a query and gives its errors our type.
    func query<Result>(_ body: () throws(SQLiteError) -> Result) throws(TelemetryError) -> Result {
        do throws(SQLiteError) {
            return try body()
        } catch {
            throw TelemetryError(error)
        }
    }
}
