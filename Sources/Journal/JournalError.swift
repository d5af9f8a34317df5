public import SQLite

/// The journal cannot be used, or a commit failed and left nothing behind. The message says what was found, what was
/// expected and what to do.
public struct JournalError: Error, Hashable, Sendable, CustomStringConvertible {
    /// What is wrong: a bounded word, usable as a metric's label. More may be added.
    public struct Code: Hashable, Sendable, CustomStringConvertible {
        private enum Kind: String {
            case inUse, foreign, newer, corrupt, full, inputOutput, unusable, misuse
        }

        private let kind: Kind

        private init(_ kind: Kind) { self.kind = kind }

        /// Another broker holds the file.
        public static var inUse: Code { Code(.inUse) }
        /// The file is something else than a journal.
        public static var foreign: Code { Code(.foreign) }
        /// A newer version of Understudy made the file.
        public static var newer: Code { Code(.newer) }
        /// The file is damaged.
        public static var corrupt: Code { Code(.corrupt) }
        /// The disk is full, or the journal has reached its limit.
        public static var full: Code { Code(.full) }
        /// The disk failed.
        public static var inputOutput: Code { Code(.inputOutput) }
        /// The file or its directory cannot be used as they are: permissions, or a file system without what is needed.
        public static var unusable: Code { Code(.unusable) }
        /// A mistake in this program.
        public static var misuse: Code { Code(.misuse) }

        public var description: String { kind.rawValue }
    }

    /// What is wrong.
    public var code: Code
    /// What was found, what was expected and what to do, with the path.
    public var message: String
    /// SQLite's error, where there is one.
    public var cause: SQLiteError?

    /// Makes an error of its parts.
    public init(_ code: Code, _ message: String, cause: SQLiteError? = nil) {
        self.code = code
        self.message = message
        self.cause = cause
    }

    init(_ cause: SQLiteError) {
        let code: Code =
            switch cause.code {
            case .busy: .inUse
            case .full: .full
            case .corrupt, .notADatabase: .corrupt
            case .readOnly, .cannotOpen: .unusable
            case .usage, .constraint: .misuse
            default: .inputOutput
            }
        self.init(code, "the journal failed: \(cause)", cause: cause)
    }

    /// Whether the same commit may succeed later: space was made, the disk came back, the lock was let go.
    public var isTransient: Bool {
        switch code {
        case .inUse, .full, .inputOutput, .unusable: true
        default: false
        }
    }

    public var description: String { message }
}
