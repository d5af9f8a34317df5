import SQLite

extension SQLiteJournal {
    /// Keeps all of the entries, or none when it throws: one append to the log and one sync.
    ///
    /// - Throws: ``JournalError``; `full` has given up the reserve, so that the same commit without new requests is worth
    ///   a try.
    public mutating func commit(_ entries: [JournalEntry], now: Int64) throws(JournalError) {
        guard !entries.isEmpty else { return }
        let batch = Batch(entries)
        try withStatements { (statements) throws(SQLiteError) in
            try statements.transaction { () throws(SQLiteError) in
                for change in batch.changes { try statements.apply(change) }
                try statements.expireTombstones(forgotten: batch.forgottenCount, now: now)
            }
        }
    }

    /// Says that a broker is at work; see ``JournalStore/begin(epoch:)``.
    public mutating func begin(epoch proposed: Int64) throws(JournalError) -> Int64 {
        try withStatements { (statements) throws(SQLiteError) in
            let last = try statements.connection.integer("SELECT epoch FROM meta") ?? 0
            let epoch = max(proposed, last + 1)
            let update = try statements.connection.prepare("UPDATE meta SET epoch = ?, closed = 0")
            try update.run(.integer(epoch))
            return epoch
        }
    }

    /// Writes and syncs a page that says nothing, to see whether commits work.
    public mutating func probe() throws(JournalError) {
        try withStatements { (statements) throws(SQLiteError) in
            try statements.transaction { () throws(SQLiteError) in
                try statements.connection.execute("UPDATE meta SET probe = probe + 1")
            }
        }
    }
}
