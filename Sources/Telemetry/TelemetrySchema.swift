import Glibc
import SQLite

/// The tables of the telemetry database, and the check that a file is one.
///
/// Times are Unix milliseconds, durations milliseconds. Every table is in the order of arrival (`number`), which is
/// what the retention goes by.
enum TelemetrySchema {
    /// `Udst`: tells a telemetry database from other SQLite files.
    static let applicationID: Int32 = 0x5564_7374
    /// The version of the tables below.
    static let version: Int32 = 1

    /// Tables that grow, with the column that dates a row.
    static let growing = [
        ("request", "accepted_ms"), ("attempt", "time_ms"), ("task", "time_ms"), ("rejection", "time_ms"),
        ("late", "time_ms"), ("worker", "time_ms"), ("gap", "time_ms"),
    ]

    static let tables = """
        CREATE TABLE request (
            number INTEGER PRIMARY KEY, epoch INTEGER NOT NULL, tenant TEXT NOT NULL, job INTEGER NOT NULL,
            id TEXT NOT NULL, task TEXT, priority INTEGER, durability TEXT, accepted_ms INTEGER NOT NULL,
            ended_ms INTEGER, ended_epoch INTEGER, outcome TEXT, ended_by TEXT, class TEXT, deliveries INTEGER,
            paid_deliveries INTEGER, waited_ms INTEGER, duration_ms INTEGER, provider TEXT, request_model TEXT,
            response_model TEXT, model TEXT, resolved_model TEXT, attempts INTEGER, retries INTEGER,
            fallbacks INTEGER, total_attempts INTEGER, input_tokens INTEGER, output_tokens INTEGER,
            cached_tokens INTEGER, reasoning_tokens INTEGER, finish_reasons TEXT, ttft_ms INTEGER, call_ms INTEGER,
            trail TEXT, UNIQUE (epoch, job, tenant)
        );
        CREATE INDEX request_open ON request (tenant, id) WHERE outcome IS NULL;
        CREATE INDEX request_task ON request (tenant, task) WHERE task IS NOT NULL;
        CREATE INDEX request_time ON request (accepted_ms);
        CREATE TABLE attempt (
            number INTEGER PRIMARY KEY, epoch INTEGER NOT NULL, seq INTEGER NOT NULL, time_ms INTEGER NOT NULL,
            tenant TEXT NOT NULL, id TEXT NOT NULL, task TEXT, worker TEXT, attempt INTEGER, model TEXT, provider TEXT,
            request_model TEXT, status INTEGER, class TEXT, duration_ms INTEGER, wait_ms INTEGER, next TEXT
        );
        CREATE INDEX attempt_time ON attempt (time_ms);
        CREATE TABLE task (
            number INTEGER PRIMARY KEY, epoch INTEGER NOT NULL, tenant TEXT NOT NULL, task TEXT NOT NULL,
            time_ms INTEGER NOT NULL, outcome TEXT NOT NULL, kind TEXT, UNIQUE (tenant, task, epoch)
        );
        CREATE TABLE rejection (
            number INTEGER PRIMARY KEY, epoch INTEGER NOT NULL, seq INTEGER NOT NULL, time_ms INTEGER NOT NULL,
            tenant TEXT NOT NULL, id TEXT, task TEXT, code INTEGER, symbol TEXT
        );
        CREATE TABLE late (
            number INTEGER PRIMARY KEY, epoch INTEGER NOT NULL, seq INTEGER NOT NULL, time_ms INTEGER NOT NULL,
            tenant TEXT NOT NULL, id TEXT NOT NULL, job INTEGER NOT NULL, delivery INTEGER, outcome TEXT, model TEXT,
            provider TEXT, input_tokens INTEGER, output_tokens INTEGER
        );
        CREATE TABLE worker (
            number INTEGER PRIMARY KEY, epoch INTEGER NOT NULL, seq INTEGER NOT NULL, time_ms INTEGER NOT NULL,
            event TEXT NOT NULL, worker TEXT, pid INTEGER, capacity INTEGER, requeued INTEGER, failed INTEGER,
            reason TEXT, tenant TEXT, id TEXT, job INTEGER, delivery INTEGER, attempt INTEGER
        );
        CREATE TABLE gap (
            number INTEGER PRIMARY KEY, epoch INTEGER NOT NULL, class TEXT NOT NULL, first INTEGER NOT NULL,
            last INTEGER NOT NULL, reason TEXT NOT NULL, time_ms INTEGER NOT NULL
        );
        CREATE TABLE broker (
            epoch INTEGER PRIMARY KEY, seq INTEGER NOT NULL, time_ms INTEGER NOT NULL, queued INTEGER,
            in_flight INTEGER, workers INTEGER, open INTEGER, accepted_total INTEGER, rejected_total INTEGER,
            replied_total INTEGER, failed_total INTEGER, go_total INTEGER
        );
        CREATE TABLE progress (
            epoch INTEGER NOT NULL, class TEXT NOT NULL, last INTEGER NOT NULL, stored INTEGER NOT NULL,
            malformed INTEGER NOT NULL, unknown INTEGER NOT NULL, duplicates INTEGER NOT NULL,
            missing INTEGER NOT NULL, PRIMARY KEY (epoch, class)
        ) WITHOUT ROWID;
        """

    /// Opens a file that must be a telemetry database, to read it.
    static func openForReading(_ path: String) throws(TelemetryError) -> Connection {
        guard unsafe access(path, R_OK) == 0 else {
            guard errno != EACCES else {
                throw TelemetryError(.place, "this user may not read \(path): it belongs to another user's bus")
            }
            throw TelemetryError(
                .missing,
                "there is no telemetry database at \(path): start `understudy collect` or `understudy up` first, or "
                    + "name another file"
            )
        }
        let connection = try checked(path) { () throws(SQLiteError) in try Connection(path: path, access: .readOnly) }
        guard try check(connection) else {
            throw TelemetryError(.foreign, "\(path) is an empty database: no collector has written to it")
        }
        return connection
    }

    /// Opens a file to write to it, and makes the tables when it is new. Another program's file is left untouched.
    static func openForWriting(_ path: String) throws(TelemetryError) -> Connection {
        let connection = try checked(path) { () throws(SQLiteError) in try Connection(path: path, access: .create) }
        let hasTables = try check(connection)
        do throws(SQLiteError) {
            try connection.useWriteAheadLog(synchronous: .normal)
            // Fewer, larger checkpoints (16 MiB): each of them syncs the disk.
            try connection.execute("PRAGMA wal_autocheckpoint = 4096; PRAGMA journal_size_limit = 67108864")
            try connection.execute("PRAGMA cache_size = -16384")
            guard !hasTables else { return connection }
            try connection.transaction { () throws(SQLiteError) in
                try connection.execute(tables)
                try connection.setApplicationID(applicationID)
                try connection.setUserVersion(version)
            }
            return connection
        } catch {
            throw TelemetryError(error)
        }
    }

    /// True when the file has our tables, false when it is new.
    private static func check(_ connection: Connection) throws(TelemetryError) -> Bool {
        let path = connection.path
        let (owner, found, objects) = try checked(path) { () throws(SQLiteError) in
            (try connection.applicationID(), try connection.userVersion(), try connection.schemaObjectCount())
        }
        if owner == 0, found == 0, objects == 0 { return false }
        guard owner == applicationID else {
            throw TelemetryError(
                .foreign,
                "\(path) is the database of another program (application id \(owner), expected \(applicationID)); it "
                    + "is left as it is: name another file"
            )
        }
        guard found <= version else {
            throw TelemetryError(
                .newer,
                "\(path) has version \(found) of the telemetry tables, and this program knows \(version): use the "
                    + "newer Understudy that made it, or name another file"
            )
        }
        return true
    }

    private static func checked<Result>(
        _ path: String,
        _ body: () throws(SQLiteError) -> Result
    ) throws(TelemetryError) -> Result {
        do throws(SQLiteError) {
            return try body()
        } catch {
            guard error.code == .notADatabase else { throw TelemetryError(error) }
            throw TelemetryError(
                .foreign,
                "\(path) is no SQLite database; it is left as it is: name another file",
                cause: error
            )
        }
    }
}
