/// A call of SQLite that failed: which call, on which file, for which SQL, and what SQLite said.
public struct SQLiteError: Error, Hashable, Sendable, CustomStringConvertible {
    /// What kind of failure it is: a bounded word, usable as a metric's label.
    public struct Code: Hashable, Sendable, CustomStringConvertible {
        private enum Kind: String {
            case busy, full, readOnly, corrupt, notADatabase, constraint, cannotOpen, inputOutput, usage, other
        }

        private let kind: Kind

        private init(_ kind: Kind) { self.kind = kind }

        /// Another connection holds the lock for longer than the busy timeout.
        public static var busy: Code { Code(.busy) }
        /// The disk, or the page limit, is full.
        public static var full: Code { Code(.full) }
        /// The file or its directory may not be written.
        public static var readOnly: Code { Code(.readOnly) }
        /// The file is damaged.
        public static var corrupt: Code { Code(.corrupt) }
        /// The file is no SQLite database.
        public static var notADatabase: Code { Code(.notADatabase) }
        /// A constraint of the schema refused the row.
        public static var constraint: Code { Code(.constraint) }
        /// The file could not be opened or made.
        public static var cannotOpen: Code { Code(.cannotOpen) }
        /// The operating system reported an error of the disk.
        public static var inputOutput: Code { Code(.inputOutput) }
        /// The SQL, a binding or the order of calls is wrong: a mistake in the calling code.
        public static var usage: Code { Code(.usage) }
        /// Anything else; ``SQLiteError/resultCode`` tells.
        public static var other: Code { Code(.other) }

        /// The kind of SQLite's (extended) result code.
        init(resultCode: Int32) {
            switch resultCode & 0xFF {
            case 5, 6: self = .busy  // SQLITE_BUSY, SQLITE_LOCKED
            case 13: self = .full
            case 3, 8: self = .readOnly  // SQLITE_PERM, SQLITE_READONLY
            case 11: self = .corrupt
            case 26: self = .notADatabase
            case 19: self = .constraint
            case 14: self = .cannotOpen
            case 10: self = .inputOutput
            case 1, 20, 21, 25: self = .usage  // SQLITE_ERROR, SQLITE_MISMATCH, SQLITE_MISUSE, SQLITE_RANGE
            default: self = .other
            }
        }

        public var description: String { kind.rawValue }
    }

    /// What kind of failure it is.
    public var code: Code
    /// SQLite's extended result code, 0 when the error was found by this wrapper.
    public var resultCode: Int32
    /// The function of SQLite that failed, such as `sqlite3_step`.
    public var call: String
    /// The statement, if there was one. Bound values are never part of it.
    public var sql: String?
    /// The database file.
    public var path: String
    /// What SQLite says about it.
    public var message: String

    /// Makes an error; the code follows from `resultCode` unless it is given.
    public init(
        code: Code? = nil,
        resultCode: Int32,
        call: String,
        sql: String? = nil,
        path: String,
        message: String
    ) {
        self.code = code ?? Code(resultCode: resultCode)
        self.resultCode = resultCode
        self.call = call
        self.sql = sql
        self.path = path
        self.message = message
    }

    /// True when the same call may succeed later without anybody mending anything: the lock was taken.
    public var isRetryable: Bool { code == .busy }

    public var description: String {
        let statement = sql.map { " in \"\($0)\"" } ?? ""
        return "\(call)\(statement) on \(path): \(message) (\(code), SQLite code \(resultCode))"
    }
}
