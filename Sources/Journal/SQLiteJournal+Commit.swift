import SQLite

extension SQLiteJournal {
    /// Keeps all of the entries, or none when it throws: one append to the log and one sync.
    ///
    /// - Throws: ``JournalError``; `full` has given up the reserve, so that the same commit without new requests is worth
    ///   a try.
    public mutating func commit(_ entries: [JournalEntry], now: Int64) throws(JournalError) {
        guard !entries.isEmpty else { return }
        try checkPlace()
        let batch = Batch(entries)
        try withStatements { (statements) throws(SQLiteError) in
            try statements.transaction { () throws(SQLiteError) in
                for change in batch.changes { try statements.apply(change) }
                try statements.expireTombstones(forgotten: batch.forgottenCount, now: now)
            }
            // Only now: of a commit that failed nothing is written, and the next one has to do it again.
            if !statements.damage.isEmpty {
                for change in batch.changes { statements.damage[change.number] = nil }
            }
        }
    }

    /// Says that a broker is at work; see ``JournalStore/begin(epoch:)``.
    public mutating func begin(epoch proposed: Int64) throws(JournalError) -> Int64 {
        do throws(JournalError) {
            return try writeEpoch(proposed)
        } catch {
            // The reserve has been given up, and this page has room now.
            guard error.code == .full else { throw error }
            return try writeEpoch(proposed)
        }
    }

    private mutating func writeEpoch(_ proposed: Int64) throws(JournalError) -> Int64 {
        defer { notePlace() }
        let clock = clock
        return try withStatements { (statements) throws(SQLiteError) in
            let last = try statements.connection.integer("SELECT epoch FROM meta") ?? 0
            let epoch = max(proposed, last + 1)
            let update = try statements.connection.prepare(
                "UPDATE meta SET epoch = ?, closed = 0, boot = ?, clock_origin = ?"
            )
            try update.run(.integer(epoch), .text(clock.boot), .integer(clock.origin))
            return epoch
        }
    }

    /// Writes and syncs a page that says nothing, to see whether commits work.
    public mutating func probe() throws(JournalError) {
        try checkPlace()
        try withStatements { (statements) throws(SQLiteError) in
            try statements.transaction { () throws(SQLiteError) in
                try statements.connection.execute("UPDATE meta SET probe = probe + 1")
            }
        }
    }

    /// Writes over what a failed commit left in the log, so that the death of this process does not bring it back.
    ///
    /// A commit whose sync failed is whole in the system's cache, which is what the next process reads. The next write
    /// starts at the same place, and what stands behind its one page no longer fits to it. That page need not be synced:
    /// the next process reads it from the same cache.
    ///
    /// - Returns: Whether the page was written. False also when that is not known.
    public mutating func overwriteFailedCommit() -> Bool {
        // The first write of a log syncs the log's header before its first page; that sync, too, can be the one to fail.
        let startsLog = logPageCount == 0
        do throws(JournalError) {
            try probe()
            return true
        } catch {
            return error.cause?.resultCode == Self.syncFailed && !startsLog
        }
    }

    /// Whether a commit that failed so may stand whole in the log. What comes last is the page that makes it count, so that
    /// one does not whose write failed or found the disk full; and without a cause nothing was written.
    static func mayBeWhole(_ error: JournalError) -> Bool {
        guard let cause = error.cause, cause.code != .full else { return false }
        return cause.resultCode != writeFailed
    }

    /// `SQLITE_IOERR_FSYNC`: all was written, and the sync failed.
    private static let syncFailed: Int32 = 1034
    /// `SQLITE_IOERR_WRITE`.
    private static let writeFailed: Int32 = 778
}
