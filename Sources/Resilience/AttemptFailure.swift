public import BusProtocol

/// How an attempt failed, as the dialect or the transport read it.
public struct AttemptFailure: Sendable, Hashable {
    /// What happened.
    public var failureClass: FailureClass
    /// The HTTP status; nil when no answer came.
    public var httpStatus: Int?
    /// Whether the identical request can succeed at the same model within minutes; nil when nothing tells.
    public var sameModelAdvice: Bool?
    /// The wait that the server named; nil when it named none.
    public var hint: Duration?
    /// What the provider or the transport said. May quote the request: for the agent's `FAILURE` only, never for the
    /// trail, a log or an event.
    public var message: String
    /// The body of the provider's error, shortened to ``providerErrorBytesMax``; nil when there is none.
    public var providerError: [UInt8]?
    /// Whether the request may have reached the provider; false when it provably never left.
    public var wasSent: Bool

    /// Longest text kept of a failure, in bytes.
    public static let messageBytesMax = 2048
    /// Most bytes kept of a provider's error body.
    public static let providerErrorBytesMax = 4096

    /// Makes a failure; message and body are shortened to their limits.
    public init(
        _ failureClass: FailureClass,
        httpStatus: Int? = nil,
        sameModelAdvice: Bool? = nil,
        hint: Duration? = nil,
        message: String,
        providerError: [UInt8]? = nil,
        wasSent: Bool = true
    ) {
        self.failureClass = failureClass
        self.httpStatus = httpStatus
        self.sameModelAdvice = sameModelAdvice
        self.hint = hint.map { max($0, .zero) }
        self.message = message.utf8Prefix(Self.messageBytesMax)
        self.providerError = providerError.map { Array($0.prefix(Self.providerErrorBytesMax)) }
        self.wasSent = wasSent
    }

    /// Whether the provider may have charged for the attempt. What is free by its class is so only as a refusal: the same
    /// words within an answer of 200, or from a gateway in mid-work, come after tokens were spent.
    var mayBeBilled: Bool {
        guard wasSent else { return false }
        let isRefusal = httpStatus.map { (400..<500).contains($0) || $0 == 503 || $0 == 529 } ?? true
        return !isRefusal || ErrorCode(failureClass).billed == .maybe
    }
}

extension String {
    /// The longest beginning of at most `count` bytes that cuts no character in two.
    func utf8Prefix(_ count: Int) -> String {
        guard utf8.count > count else { return self }
        var end = utf8.index(startIndex, offsetBy: count)
        while end > startIndex, end.samePosition(in: self) == nil { end = utf8.index(before: end) }
        return String(self[..<end])
    }
}
