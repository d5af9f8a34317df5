import SQLite

/// How a journal's file is opened.
extension SQLiteJournal {
    /// Opens the database for one broker, brings its tables forward and checks it.
    static func connect(
        _ file: JournalFile,
        _ settings: JournalSettings,
        _ schema: JournalSchema
    ) throws(JournalError) -> Statements {
        let connection = try translating(file) { () throws(SQLiteError) in
            let connection = try Connection(
                path: file.path,
                access: .readWrite,
                busyTimeoutMilliseconds: settings.busyMilliseconds,
                fileSystem: settings.fileSystem
            )
            try connection.keepLogAtEnd(true)
            // Before the first access: the index of the log is then in memory, and no other process gets in.
            try connection.execute("PRAGMA locking_mode = EXCLUSIVE")
            return connection
        }
        // The log may hold a newer version than the file's own header.
        let (owner, version) = try translating(file) { () throws(SQLiteError) in
            (try connection.applicationID(), try connection.userVersion())
        }
        try file.check(applicationID: owner, version: version, schema)
        try translating(file) { () throws(SQLiteError) in
            try connection.useWriteAheadLog(synchronous: .full)
            connection.takeOverCheckpoints()
            // Deleted text is overwritten where that costs no page; this library's default would write every free page.
            try connection.execute(
                """
                PRAGMA secure_delete = FAST; PRAGMA cache_size = -16384; PRAGMA cell_size_check = ON;
                PRAGMA temp_store = MEMORY; PRAGMA journal_size_limit = \(logPageCountMax * 4096)
                """
            )
            try schema.migrate(connection)
        }
        try verify(connection, file, settings)
        return try translating(file) { () throws(SQLiteError) in try Statements(connection) }
    }

    /// Checks what is promised: that commits are synced, and after an unclean stop that the file is whole.
    private static func verify(
        _ connection: Connection,
        _ file: JournalFile,
        _ settings: JournalSettings
    ) throws(JournalError) {
        let (synchronous, closed) = try translating(file) { () throws(SQLiteError) in
            (
                try connection.integer("PRAGMA synchronous"),
                try connection.integer("SELECT closed FROM meta WHERE id = 0")
            )
        }
        guard synchronous == 2 else {
            throw JournalError(
                .unusable,
                "SQLite syncs the journal \(file.path) with level \(synchronous ?? -1); expected 2 (FULL): what was "
                    + "accepted could be lost with the power"
            )
        }
        guard let closed else { throw JournalError(.corrupt, "the journal \(file.path) has no row in its table meta") }
        guard settings.check == .afterUncleanStop, closed == 0 else { return }
        let verdict = try translating(file) { () throws(SQLiteError) in
            let check = try connection.prepare("PRAGMA quick_check(1)")
            defer { check.reset() }
            return try check.step() ? check.text(0) : "no answer"
        }
        guard verdict == "ok" else { throw JournalError(.corrupt, "the check found: \(verdict)") }
    }

    /// The clock of what was written so far; nil when nothing was, or when it cannot be read, of which recovery will tell.
    static func storedClock(_ connection: Connection) -> JournalClock? {
        guard let meta = try? connection.prepare("SELECT boot, clock_origin FROM meta WHERE id = 0") else { return nil }
        defer { meta.reset() }
        guard (try? meta.step()) == true else { return nil }
        return JournalClock(boot: meta.text(0), origin: meta.integer(1))
    }

    private static func translating<Result>(
        _ file: JournalFile,
        _ body: () throws(SQLiteError) -> Result
    ) throws(JournalError) -> Result {
        do throws(SQLiteError) {
            return try body()
        } catch {
            guard error.code == .busy else { throw JournalError(error) }
            throw JournalError(
                .inUse,
                "another process holds the journal \(file.path): stop the other broker, or name another file",
                cause: error
            )
        }
    }
}
