import SQLite

/// A journal in an SQLite file: what a commit returned for survives the loss of power.
///
/// One connection writes and checkpoints, alone: it holds the file's lock for as long as the journal lives. A commit is
/// one append to the write-ahead log and one `fdatasync` of it, because `synchronous` is FULL. Nothing else is synced
/// but at checkpoints, which come when the log has grown, see ``checkpointIfUseful(isIdle:)``.
///
/// After a commit that failed the connection goes on, also after a failed sync. SQLite then still ends the log before
/// the failed commit, and the next commit overwrites it; what the disk lost is written again. A connection made anew
/// would read the failed commit back from the system's cache as if it were on the disk, and append to it what a loss of
/// power then cuts off. Until something is written over it, a failed commit may come back if the process dies: see
/// ``overwriteFailedCommit()``.
///
/// A file that was removed or replaced while it is open takes every commit and keeps none for the next process. From
/// ``begin(epoch:)`` on each write first looks whether the path still leads to the open files, and fails when it does
/// not: until the same files are back there, for nobody else could say what became of what they hold.
///
/// To let go of the value is to crash: the file stays as it is. ``close()`` ends in order.
public struct SQLiteJournal: JournalStore, ~Copyable {
    /// The file. Beside it: `-wal`, and `.reserve` when space is set aside.
    public let path: String
    /// How it is kept.
    public let settings: JournalSettings
    /// Tells the time of what is written and read from now on.
    public private(set) var clock = JournalClock.continuing(nil)
    /// Where a damaged file, or what was left of one, was moved, and why, to be told to the operator; nil when there was none.
    public private(set) var setAside: String?
    /// Which rows were damaged or passed over at recovery, and what follows, to be told to the operator; nil when all could be
    /// read.
    public internal(set) var passedOver: String?

    /// Pages of the log from which on everybody waits for a checkpoint (64 MiB): reading the log at start stays short.
    static let logPageCountMax = 16384

    let file: JournalFile
    let schema: JournalSchema
    /// Nil only while a damaged file is replaced.
    private var statements: Statements?
    private var reserve: SpaceReserve
    /// The database and its log as they were found at ``begin(epoch:)``; empty before.
    private var files: [FileIdentity?] = []

    /// Opens the journal at `path`; makes it, with mode 0600, when there is none.
    ///
    /// A damaged file is moved to `path.corrupt-TIME` and a new one begun, see ``setAside``.
    ///
    /// - Throws: ``JournalError``: `foreign` or `newer` (the file is left as it is), `inUse`, `unusable`, `full`,
    ///   `inputOutput`.
    public static func open(
        path: String,
        settings: JournalSettings = JournalSettings()
    ) throws(JournalError) -> SQLiteJournal {
        // Before anything is left beside a file that is none of ours.
        _ = try JournalFile(path: path).isJournal(.current)
        return try SQLiteJournal(path: path, settings: settings, schema: .current)
    }

    init(path: String, settings: JournalSettings, schema: JournalSchema) throws(JournalError) {
        self.path = path
        self.settings = settings
        self.schema = schema
        file = JournalFile(path: path)
        reserve = SpaceReserve(path: path + ".reserve", byteCount: settings.reserveByteCount)
        do throws(JournalError) {
            try start()
        } catch {
            // On a full disk the reserve is there for this, too: what was accepted can then end, and nothing new comes.
            guard error.code == .full else { throw error }
            reserve.giveUp()
            try start()
        }
        clock = JournalClock.continuing(statements.flatMap { Self.storedClock($0.connection) })
    }

    /// Makes the file if there is none, and connects.
    private mutating func start() throws(JournalError) {
        if try !file.isJournal(schema) {
            // A log without its database; SQLite would take it for the new one's.
            if let moved = try file.setAside() {
                setAside =
                    "the journal \(path) is gone and has left a log; it was moved to \(moved), and a new journal begun"
            }
            try file.create(settings, schema)
        }
        do throws(JournalError) {
            statements = try Self.connect(file, settings, schema)
        } catch {
            try replace(error)
        }
    }

    /// Moves a damaged file away and begins a new one; throws every other error again.
    private mutating func replace(_ error: JournalError) throws(JournalError) {
        guard error.code == .corrupt else { throw error }
        statements = nil
        let moved = try file.setAside() ?? "nowhere"
        setAside =
            "the journal \(path) is damaged (\(error.cause?.message ?? error.message)); it was moved to \(moved), and a new "
            + "journal begun: what it held is lost to the bus"
        try file.create(settings, schema)
        statements = try Self.connect(file, settings, schema)
    }

    /// Lends the statements; the file's errors become the journal's.
    mutating func withStatements<Result>(
        _ body: (Statements) throws(SQLiteError) -> Result
    ) throws(JournalError) -> Result {
        guard let statements else { throw JournalError(.unusable, "the journal \(path) could not be begun anew") }
        do throws(SQLiteError) {
            return try body(statements)
        } catch {
            if error.code == .full { reserve.giveUp() }
            throw JournalError(error)
        }
    }

    /// Runs `body`, and once more on a new file when the file turns out to be damaged.
    mutating func replacingDamaged<Result>(
        _ body: (inout SQLiteJournal) throws(JournalError) -> Result
    ) throws(JournalError) -> Result {
        do throws(JournalError) {
            return try body(&self)
        } catch {
            try replace(error)
            return try body(&self)
        }
    }

    // MARK: - Place

    /// Takes the files at the path for those that are open.
    mutating func notePlace() { files = filesAtPath }

    /// Throws when the path leads to other files than those that are open, or to none.
    func checkPlace() throws(JournalError) {
        guard !files.isEmpty, files != filesAtPath || files.contains(nil) else { return }
        throw JournalError(
            .unusable,
            "the journal \(path), or its log beside it, was removed or replaced while the broker runs: what it wrote now "
                + "would be lost with it. Put the same files back, or start the broker again: what the old files hold and "
                + "are not put back with is lost to the bus"
        )
    }

    private var filesAtPath: [FileIdentity?] { [FileIdentity(path: path), FileIdentity(path: path + "-wal")] }

    // MARK: - Room

    /// Bytes on the disk: the database and its log.
    public var byteCount: Int { file.byteCount }

    /// Bytes of the database that are in use.
    public var byteCountInUse: Int {
        get throws(JournalError) {
            guard let statements else { return 0 }
            do throws(SQLiteError) {
                return try statements.byteCountInUse()
            } catch {
                throw JournalError(error)
            }
        }
    }

    /// Whether new requests must be refused: the journal has reached its limit, or the disk was full and the reserve has
    /// been given up.
    public var isFull: Bool {
        get throws(JournalError) {
            guard reserve.isHeld else { return true }
            return try byteCountInUse >= settings.byteCountMax
        }
    }

    /// What must be so before new requests are taken, in words; nil when they are.
    public var need: String? {
        guard reserve.isHeld else { return "its disk has \(Self.mebibytes(reserve.byteCountNeeded)) MiB free" }
        guard let inUse = try? byteCountInUse, inUse >= settings.byteCountMax else { return nil }
        return "it holds less than its limit of \(Self.mebibytes(settings.byteCountMax)) MiB"
    }

    private static func mebibytes(_ byteCount: Int) -> Int { (byteCount + (1 << 20) - 1) >> 20 }

    /// Tries to set the reserve aside again after it was given up; true when it is held.
    public mutating func restoreReserve() -> Bool {
        reserve.take()
        return reserve.isHeld
    }

    // MARK: - Log and end

    /// Pages in the log after the last commit; 0 before the first and after a checkpoint that copied all.
    var logPageCount: Int { statements?.connection.logPageCount ?? 0 }

    /// Copies the log into the database when it has grown enough.
    ///
    /// - Parameter isIdle: Whether nobody waits for a commit; then a smaller log is enough.
    public mutating func checkpointIfUseful(isIdle: Bool) throws(JournalError) {
        let limit = isIdle ? settings.logPageCountIdle : Self.logPageCountMax
        try withStatements { (statements) throws(SQLiteError) in
            if statements.connection.logPageCount >= limit { try statements.connection.checkpoint() }
        }
    }

    /// Copies the log into the database now, if it holds anything: the next commit then has the log's room.
    mutating func checkpoint() throws(JournalError) {
        try withStatements { (statements) throws(SQLiteError) in
            if statements.connection.logPageCount > 0 { try statements.connection.checkpoint() }
        }
    }

    /// Ends in order: everything is in the database, which says so, and the log is gone. The reserve stays.
    ///
    /// When it throws, the file is as after a crash: nothing that was committed is lost.
    public consuming func close() throws(JournalError) {
        // SQLite would remove the log by its name, and that may be another broker's by now.
        try checkPlace()
        try withStatements { (statements) throws(SQLiteError) in
            try statements.connection.execute("UPDATE meta SET closed = 1")
            try statements.connection.checkpoint()
            try statements.connection.keepLogAtEnd(false)
        }
    }
}
