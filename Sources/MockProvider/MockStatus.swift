/// A complete answer that is no chat completion: status, headers and body.
public struct MockStatus: Sendable, Hashable {
    /// HTTP status, `200 ... 599`.
    public var code: Int

    /// Which body goes with it.
    public var body: MockBody

    /// Further headers; they replace the ones the provider would send.
    public var headers: [MockHeader]

    /// The hint when to come again; none unless told.
    public var retryAfter: MockRetryAfter?

    /// Makes an answer; the body is shaped like OpenAI's unless told.
    public init(
        _ code: Int,
        body: MockBody = .openAI,
        headers: [MockHeader] = [],
        retryAfter: MockRetryAfter? = nil
    ) {
        self.code = code
        self.body = body
        self.headers = headers
        self.retryAfter = retryAfter
    }
}

/// A response header.
public struct MockHeader: Sendable, Hashable {
    /// Name, a token of RFC 9110.
    public var name: String

    /// Value without line ends.
    public var value: String

    /// Makes a header.
    public init(_ name: String, _ value: String) {
        self.name = name
        self.value = value
    }
}

/// The body of a ``MockStatus``.
public enum MockBody: Sendable, Hashable {
    /// OpenAI's error envelope with the type, code and text that belong to the status; a completion for 2xx.
    case openAI
    /// Anthropic's error envelope.
    case anthropic
    /// Gemini's error envelope.
    case gemini
    /// A gateway's HTML page.
    case html
    /// A proxy's plain text.
    case text
    /// Nothing.
    case empty
    /// OpenAI's envelope for a spent quota, `insufficient_quota`.
    case quota
    /// OpenAI's envelope for too long a prompt, `context_length_exceeded`.
    case contextLength
    /// OpenAI's envelope for a refused prompt, `content_policy_violation`.
    case contentPolicy
    /// This JSON, byte for byte.
    case json([UInt8])
}

/// The forms in which providers say when to come again.
public enum MockRetryAfter: Sendable, Hashable {
    /// `retry-after` with this text, seconds as a rule.
    case header(String)
    /// `retry-after` with an HTTP date so many seconds from now; dates have whole seconds.
    case date(seconds: Int)
    /// `retry-after-ms`.
    case milliseconds(Int)
    /// "Please try again in …" within the message of the body, for example `1m9.6s`.
    case text(String)
    /// `x-ratelimit-reset-requests`, for example `1m9.6s`.
    case reset(String)
    /// Google's `RetryInfo` detail with this delay, for example `34.4s`; for the Gemini body only.
    case retryInfo(String)
}
