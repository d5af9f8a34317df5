import SQLite

/// The tables of a journal, as the steps that lead to them: step `n` brings a file of version `n` to version `n + 1`.
///
/// Times are Unix milliseconds by the ``JournalClock``, which `meta` keeps. A job's row stays small and its bytes are in `content`, so that marks do not rewrite
/// them; nothing has a second index, because the broker finds ids in its memory.
struct JournalSchema: Sendable {
    /// `Udjr`: tells a journal from other SQLite files.
    static let applicationID: Int32 = 0x5564_6A72

    static let current = JournalSchema(steps: [
        """
        CREATE TABLE meta (
            id INTEGER PRIMARY KEY CHECK (id = 0), epoch INTEGER NOT NULL, closed INTEGER NOT NULL,
            probe INTEGER NOT NULL
        ) STRICT;
        INSERT INTO meta VALUES (0, 0, 1, 0);
        CREATE TABLE job (
            number INTEGER PRIMARY KEY, tenant INTEGER NOT NULL, id TEXT NOT NULL, hash BLOB NOT NULL,
            header BLOB NOT NULL, body_bytes INTEGER NOT NULL, accepted INTEGER NOT NULL, expires INTEGER NOT NULL,
            ttl INTEGER NOT NULL, outcome INTEGER, class TEXT, ended INTEGER
        ) STRICT;
        CREATE TABLE content (number INTEGER PRIMARY KEY, frames BLOB NOT NULL) STRICT;
        CREATE TABLE started (
            number INTEGER NOT NULL, delivery INTEGER NOT NULL, attempt INTEGER NOT NULL,
            PRIMARY KEY (number, delivery)
        ) STRICT, WITHOUT ROWID;
        CREATE TABLE tombstone (
            seq INTEGER PRIMARY KEY, number INTEGER NOT NULL, tenant INTEGER NOT NULL, id TEXT NOT NULL,
            hash BLOB NOT NULL, until INTEGER NOT NULL
        ) STRICT;
        """,
        """
        CREATE TABLE death (number INTEGER PRIMARY KEY, count INTEGER NOT NULL) STRICT;
        """,
        """
        ALTER TABLE meta ADD COLUMN boot TEXT NOT NULL DEFAULT '';
        ALTER TABLE meta ADD COLUMN clock_origin INTEGER NOT NULL DEFAULT 0;
        """,
    ])

    /// The SQL of each step; each runs in a transaction of its own.
    let steps: [String]

    /// The version that the last step leads to.
    var version: Int32 { Int32(steps.count) }

    /// Takes the steps that a file lacks.
    func migrate(_ connection: Connection) throws(SQLiteError) {
        var found = Int(try connection.userVersion())
        while found < steps.count {
            try connection.transaction { () throws(SQLiteError) in
                try connection.execute(steps[found])
                try connection.setApplicationID(Self.applicationID)
                try connection.setUserVersion(Int32(found + 1))
            }
            found += 1
        }
    }
}
