public import BusProtocol

/// Why a request's body cannot be sent to any provider.
public struct DialectError: Error, Sendable, Hashable, CustomStringConvertible {
    /// What went wrong; more codes may be added.
    public struct Code: Hashable, Sendable, CustomStringConvertible {
        private enum Kind: String {
            case invalidRequest = "invalid_request"
        }

        private let kind: Kind
        private init(_ kind: Kind) { self.kind = kind }

        /// The body is no Chat Completions request. The same body fails again everywhere.
        public static var invalidRequest: Self { Self(.invalidRequest) }

        /// A bounded word, fit for a metric label.
        public var description: String { kind.rawValue }
    }

    /// What went wrong.
    public var code: Code
    /// What was found and what was expected; quotes no content of the request.
    public var message: String

    /// Makes an error.
    public init(code: Code, message: String) {
        self.code = code
        self.message = message
    }

    /// The class of the `FAILURE` that the request ends in, without a call.
    public var failureClass: FailureClass { .invalidRequest }

    /// Always false: the same input fails again.
    public var isRetryable: Bool { false }

    public var description: String { "\(code): \(message)" }
}
