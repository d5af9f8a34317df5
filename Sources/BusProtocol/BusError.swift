/// An error as it stands in `ERROR`, `REJECTED` and `FAILURE`: a code of the registry, a sentence, perhaps a wait.
public struct BusError: Error, Hashable, Sendable, CustomStringConvertible {
    /// The registry's entry.
    public var code: ErrorCode
    /// What was wrong and what was expected, for people. Never a prompt, an answer or a key.
    public var message: String
    /// When trying again may help.
    public var retryAfter: Duration?

    /// Makes an error.
    public init(_ code: ErrorCode, _ message: String, retryAfter: Duration? = nil) {
        self.code = code
        self.message = message
        self.retryAfter = retryAfter
    }

    public var description: String { "\(code.number) \(code.symbol): \(message)" }
}
