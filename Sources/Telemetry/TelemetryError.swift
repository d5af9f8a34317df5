public import SQLite

/// The telemetry database, or the way to it, cannot be used. The message says what was found and what to do.
public struct TelemetryError: Error, Hashable, Sendable, CustomStringConvertible {
    /// What is wrong. More may be added.
    public struct Code: Hashable, Sendable, CustomStringConvertible {
        private enum Kind: String {
            case missing, place, foreign, newer, inUse, store, socket
        }

        private let kind: Kind

        private init(_ kind: Kind) { self.kind = kind }

        /// There is no such file.
        public static var missing: Code { Code(.missing) }
        /// The path is no place for a file.
        public static var place: Code { Code(.place) }
        /// The file is something else than a telemetry database.
        public static var foreign: Code { Code(.foreign) }
        /// A newer version of Understudy made the file.
        public static var newer: Code { Code(.newer) }
        /// Another collector writes to the file.
        public static var inUse: Code { Code(.inUse) }
        /// SQLite or the disk failed; ``TelemetryError/cause`` tells.
        public static var store: Code { Code(.store) }
        /// The socket of the events cannot be used.
        public static var socket: Code { Code(.socket) }

        public var description: String { kind.rawValue }
    }

    /// What is wrong.
    public var code: Code
    /// What is wrong, with the path, and what to do.
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
        self.init(.store, "the telemetry database failed: \(cause)", cause: cause)
    }

    /// True when trying again may help without anybody mending anything.
    public var isRetryable: Bool { code == .inUse || cause?.isRetryable == true }

    public var description: String { message }
}
