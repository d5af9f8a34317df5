/// Why a configuration was refused. Its text names the file, the place in it, what was found and what was expected.
public struct SettingsError: Error, Sendable, Hashable, CustomStringConvertible {
    /// The kind of trouble; more kinds may come.
    public struct Code: Sendable, Hashable, CustomStringConvertible {
        private enum Kind: String {
            case absent, unreadable, syntax, invalid
        }

        private let kind: Kind
        private init(_ kind: Kind) { self.kind = kind }

        /// There is no such file.
        public static var absent: Self { Self(.absent) }
        /// The file is too large, no regular file, or may not be read.
        public static var unreadable: Self { Self(.unreadable) }
        /// The file is no JSON.
        public static var syntax: Self { Self(.syntax) }
        /// A key is unknown, or a value has the wrong type, is out of range or leads nowhere.
        public static var invalid: Self { Self(.invalid) }

        public var description: String { kind.rawValue }
    }

    /// What kind of trouble.
    public var code: Code
    /// The file as it was named.
    public var file: String?
    /// The place in the file, as `$.policy.jitter`.
    public var path: String?
    /// What was found and what was expected.
    public var message: String

    /// Makes an error.
    public init(code: Code, file: String? = nil, path: String? = nil, message: String) {
        self.code = code
        self.file = file
        self.path = path
        self.message = message
    }

    /// Always false: the same files are refused again.
    public var isRetryable: Bool { false }

    public var description: String {
        [file, path, message].compactMap(\.self).joined(separator: ": ")
    }
}
