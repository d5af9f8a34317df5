/// Why a chain or a policy could not be made from what the outside gave.
public struct ResilienceError: Error, Sendable, Hashable, CustomStringConvertible {
    /// What went wrong; more codes may be added.
    public struct Code: Hashable, Sendable, CustomStringConvertible {
        private enum Kind: String {
            case unknownModel = "unknown_model"
            case chainTooLong = "chain_too_long"
            case invalidPolicy = "invalid_policy"
        }

        private let kind: Kind
        private init(_ kind: Kind) { self.kind = kind }

        /// The primary model is missing, too long or leads to no provider. Ends a request as `unknown_model`.
        public static var unknownModel: Self { Self(.unknownModel) }
        /// More models than a chain may have. Ends a request as `invalid_request`.
        public static var chainTooLong: Self { Self(.chainTooLong) }
        /// A value of the policy is out of range or contradicts another.
        public static var invalidPolicy: Self { Self(.invalidPolicy) }

        /// A bounded word, fit for a metric label.
        public var description: String { kind.rawValue }
    }

    /// What went wrong.
    public var code: Code
    /// The values that mattered and what was expected.
    public var message: String

    /// Makes an error.
    public init(code: Code, message: String) {
        self.code = code
        self.message = message
    }

    /// Always false: the same input fails again.
    public var isRetryable: Bool { false }

    public var description: String { "\(code): \(message)" }
}
