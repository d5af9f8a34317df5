import CSQLite
import Glibc

/// One connection to a database file.
///
/// Belongs to one thread at a time, which the compiler checks: it is not `Sendable`. Calls block for as long as the disk
/// takes, and up to the busy timeout when another connection holds the lock. The file is closed when the connection and
/// its statements are gone.
///
/// Durability is the owner's choice, see ``useWriteAheadLog(synchronous:)``.
@safe
public final class Connection {
    /// How a file is opened.
    public enum Access: Hashable, Sendable {
        /// Reads only; the file must exist.
        case readOnly
        /// Reads and writes; the file must exist.
        case readWrite
        /// Reads and writes; a missing file is made, with mode 0600. SQLite gives its side files the same mode.
        case create
    }

    /// When a commit reaches the disk in a write-ahead log. Source: sqlite.org, "PRAGMA synchronous".
    public enum Synchronous: String, Hashable, Sendable {
        /// At checkpoints: a commit survives the death of the process, and may be lost with the power.
        case normal = "NORMAL"
        /// At each commit: it survives the loss of power.
        case full = "FULL"
    }

    /// The file, as given.
    public let path: String
    let handle: OpaquePointer

    /// Opens `path`.
    ///
    /// - Parameters:
    ///   - busyTimeoutMilliseconds: How long a call waits for another connection's lock.
    ///   - fileSystem: The name of the SQLite VFS to go through; nil for the system's.
    public init(
        path: String,
        access: Access,
        busyTimeoutMilliseconds: Int32 = 5000,
        fileSystem: String? = nil
    ) throws(SQLiteError) {
        if access == .create {
            // O_EXCL: closing a descriptor of a file that exists would drop this process's own locks on it.
            let descriptor = unsafe open(path, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0o600)
            if descriptor >= 0 { close(descriptor) }
        }
        let flags: Int32 =
            switch access {
            case .readOnly: SQLITE_OPEN_READONLY
            case .readWrite: SQLITE_OPEN_READWRITE
            case .create: SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE
            }
        var opened: OpaquePointer?
        let allFlags = flags | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE
        let result = unsafe sqlite3_open_v2(path, &opened, allFlags, fileSystem)
        guard result == SQLITE_OK, let handle = unsafe opened else {
            let message = unsafe String(cString: sqlite3_errstr(result))
            let cause = unsafe opened.map { unsafe sqlite3_system_errno($0) } ?? 0
            unsafe sqlite3_close_v2(opened)
            let reason = cause == 0 ? message : "\(message): \(unsafe String(cString: strerror(cause)))"
            throw SQLiteError(resultCode: result, call: "sqlite3_open_v2", path: path, message: reason)
        }
        self.path = path
        unsafe self.handle = handle
        unsafe sqlite3_busy_timeout(handle, busyTimeoutMilliseconds)
        // A file made by somebody else must not run functions through its views and triggers.
        try execute("PRAGMA trusted_schema = OFF")
    }

    deinit {
        // Statements keep their connection alive, so that nothing is left open here.
        unsafe sqlite3_close_v2(handle)
    }

    /// Runs one or more statements that have no parameters; rows are dropped.
    public func execute(_ sql: String) throws(SQLiteError) {
        let result = unsafe sqlite3_exec(handle, sql, nil, nil, nil)
        guard result == SQLITE_OK else { throw error(result, "sqlite3_exec", sql) }
    }

    /// Compiles the one statement in `sql`.
    public func prepare(_ sql: String) throws(SQLiteError) -> Statement {
        try Statement(self, sql)
    }

    /// The first column of the first row of a query, as an integer; nil when there is no row or NULL.
    public func integer(_ sql: String, _ values: Value...) throws(SQLiteError) -> Int64? {
        let statement = try prepare(sql)
        try statement.bind(values)
        return try statement.step() ? statement.optionalInteger(0) : nil
    }

    /// Runs `body` in a transaction that is committed when it returns and rolled back when it throws.
    ///
    /// Takes the write lock at once, so that it fails with ``SQLiteError/Code/busy`` at the start and not in the middle.
    public func transaction<Result>(_ body: () throws(SQLiteError) -> Result) throws(SQLiteError) -> Result {
        try begin()
        do throws(SQLiteError) {
            let result = try body()
            try commit()
            return result
        } catch {
            rollback()
            throw error
        }
    }

    /// Begins a transaction and takes the write lock.
    public func begin() throws(SQLiteError) { try execute("BEGIN IMMEDIATE") }

    /// Commits the open transaction. When it throws, the transaction may still be open.
    public func commit() throws(SQLiteError) { try execute("COMMIT") }

    /// Rolls the open transaction back, if there is one.
    public func rollback() {
        guard isInTransaction else { return }
        // Fails only when SQLite has rolled back by itself, which is what was wanted.
        unsafe sqlite3_exec(handle, "ROLLBACK", nil, nil, nil)
    }

    /// True between ``begin()`` and the end of the transaction.
    public var isInTransaction: Bool { unsafe sqlite3_get_autocommit(handle) == 0 }

    /// Rows that the last INSERT, UPDATE or DELETE changed.
    public var changes: Int { Int(unsafe sqlite3_changes64(handle)) }

    /// The row id of the last INSERT that succeeded.
    public var lastInsertRowID: Int64 { unsafe sqlite3_last_insert_rowid(handle) }

    /// The owner's version of the schema, kept in the file's header; 0 in a new file.
    public func userVersion() throws(SQLiteError) -> Int32 {
        Int32(truncatingIfNeeded: try integer("PRAGMA user_version") ?? 0)
    }

    /// Sets ``userVersion()``.
    public func setUserVersion(_ version: Int32) throws(SQLiteError) {
        try execute("PRAGMA user_version = \(version)")
    }

    /// Whose file it is, kept in the file's header; 0 in a new file.
    public func applicationID() throws(SQLiteError) -> Int32 {
        Int32(truncatingIfNeeded: try integer("PRAGMA application_id") ?? 0)
    }

    /// Sets ``applicationID()``.
    public func setApplicationID(_ identifier: Int32) throws(SQLiteError) {
        try execute("PRAGMA application_id = \(identifier)")
    }

    /// Number of tables, views, indexes and triggers; 0 in a new file.
    public func schemaObjectCount() throws(SQLiteError) -> Int {
        Int(try integer("SELECT count(*) FROM sqlite_schema") ?? 0)
    }

    /// Switches the file to a write-ahead log: readers and the one writer do not block each other.
    ///
    /// Throws when the file system does not support it, as over a network.
    public func useWriteAheadLog(synchronous: Synchronous) throws(SQLiteError) {
        let sql = "PRAGMA journal_mode = WAL"
        let statement = try prepare(sql)
        guard try statement.step(), statement.text(0) == "wal" else {
            throw SQLiteError(
                code: .cannotOpen,
                resultCode: 0,
                call: "sqlite3_step",
                sql: sql,
                path: path,
                message: "the file system allows no write-ahead log; use a local disk"
            )
        }
        statement.reset()
        try execute("PRAGMA synchronous = \(synchronous.rawValue)")
    }

    // MARK: - Checkpoints by the owner

    /// Pages in the write-ahead log after the last commit; 0 until ``takeOverCheckpoints()`` and a commit.
    public private(set) var logPageCount = 0

    /// Ends SQLite's own checkpoints after commits: the owner calls ``checkpoint()`` when ``logPageCount`` says so.
    public func takeOverCheckpoints() {
        let context = unsafe Unmanaged.passUnretained(self).toOpaque()
        // Takes the place of the hook that `wal_autocheckpoint` sets.
        unsafe sqlite3_wal_hook(
            handle,
            { context, _, _, pageCount in
                if let context = unsafe context {
                    unsafe Unmanaged<Connection>.fromOpaque(context).takeUnretainedValue().logPageCount = Int(pageCount)
                }
                return SQLITE_OK
            },
            context
        )
    }

    /// Copies the write-ahead log into the database as far as readers allow, with the syncs that this needs; never waits
    /// for other connections.
    ///
    /// - Returns: True when everything was copied: the next commit then starts the log anew.
    @discardableResult
    public func checkpoint() throws(SQLiteError) -> Bool {
        var logged: Int32 = 0
        var copied: Int32 = 0
        let result = unsafe sqlite3_wal_checkpoint_v2(handle, nil, SQLITE_CHECKPOINT_PASSIVE, &logged, &copied)
        guard result == SQLITE_OK else { throw error(result, "sqlite3_wal_checkpoint_v2", nil) }
        guard copied == logged else { return false }
        logPageCount = 0
        return true
    }

    /// Whether the end of the last connection leaves the write-ahead log as it is, as the death of the process does;
    /// otherwise it is copied into the database and removed, which is SQLite's way.
    public func keepLogAtEnd(_ keeps: Bool) throws(SQLiteError) {
        let result = unsafe understudy_sqlite_keep_log(handle, keeps ? 1 : 0)
        guard result == SQLITE_OK else { throw error(result, "sqlite3_db_config", nil) }
    }

    func error(_ result: Int32, _ call: String, _ sql: String?) -> SQLiteError {
        let message = unsafe String(cString: sqlite3_errmsg(handle))
        return SQLiteError(resultCode: result, call: call, sql: sql, path: path, message: message)
    }
}
