/// Why a document was refused, or a value was not what its reader expected.
public struct JSONError: Error, Sendable, Hashable, CustomStringConvertible {
    /// The reason as a bounded word, fit for a metric label.
    public struct Code: Sendable, Hashable, CustomStringConvertible {
        private enum Kind: String {
            case syntax, invalidUTF8, loneSurrogate, duplicateKey
            case tooDeep, tooLarge, tooManyMembers, tooManyValues
            case missingMember, unknownMember, wrongType, outOfRange, notAllowed
        }

        private let kind: Kind

        private init(_ kind: Kind) { self.kind = kind }

        /// The bytes are not a JSON text (RFC 8259).
        public static var syntax: Code { Code(.syntax) }
        /// A string holds bytes that are not UTF-8.
        public static var invalidUTF8: Code { Code(.invalidUTF8) }
        /// A string holds half of a surrogate pair, which no Unicode text can show.
        public static var loneSurrogate: Code { Code(.loneSurrogate) }
        /// An object names the same key twice.
        public static var duplicateKey: Code { Code(.duplicateKey) }
        /// Arrays and objects are nested deeper than the limit.
        public static var tooDeep: Code { Code(.tooDeep) }
        /// The document has more bytes than the limit.
        public static var tooLarge: Code { Code(.tooLarge) }
        /// An object has more members than the limit.
        public static var tooManyMembers: Code { Code(.tooManyMembers) }
        /// The document has more values than the limit.
        public static var tooManyValues: Code { Code(.tooManyValues) }
        /// A required member is absent.
        public static var missingMember: Code { Code(.missingMember) }
        /// A member is present that nobody knows.
        public static var unknownMember: Code { Code(.unknownMember) }
        /// The value is of another kind than expected.
        public static var wrongType: Code { Code(.wrongType) }
        /// The number, or the length, lies outside the allowed range.
        public static var outOfRange: Code { Code(.outOfRange) }
        /// The value has the right kind but is not one of those allowed.
        public static var notAllowed: Code { Code(.notAllowed) }

        public var description: String { kind.rawValue }
    }

    /// The reason.
    public var code: Code
    /// What was found and what was expected. Holds short values at most, never a whole payload.
    public var message: String
    /// Where the bytes stopped making sense, counted from 0; nil for errors of typed reading.
    public var offset: Int?
    /// The place in the document, as in `$.models[2].name`; `$` is the document itself.
    public var path: String
    /// The document's name, such as its file; nil when it has none.
    public var source: String?

    /// Makes an error.
    public init(code: Code, message: String, offset: Int? = nil, path: String = "$", source: String? = nil) {
        self.code = code
        self.message = message
        self.offset = offset
        self.path = path
        self.source = source
    }

    /// The whole error in one line: source, path, message.
    public var description: String {
        if let source { return "\(source): \(path): \(message)" }
        return "\(path): \(message)"
    }
}
