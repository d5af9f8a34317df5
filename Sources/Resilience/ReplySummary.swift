/// What is worth knowing of a good reply, besides its body.
public struct ReplySummary: Sendable, Hashable {
    /// The HTTP status.
    public var httpStatus: Int
    /// The tokens that the provider counted; nil when it told none.
    public var usage: TokenUsage?
    /// Why the first choice ended: `stop`, `length`, `tool_calls`, …; nil when not told.
    public var finishReason: String?
    /// The model's name in the reply: often more exact than the one asked for.
    public var responseModel: String?
    /// The reply's id at the provider.
    public var responseID: String?
    /// From the start of the attempt to the first token, or without streaming to the first byte; nil when not measured.
    public var timeToFirstToken: Duration?

    /// Makes a summary.
    public init(
        httpStatus: Int = 200,
        usage: TokenUsage? = nil,
        finishReason: String? = nil,
        responseModel: String? = nil,
        responseID: String? = nil,
        timeToFirstToken: Duration? = nil
    ) {
        self.httpStatus = httpStatus
        self.usage = usage
        self.finishReason = finishReason
        self.responseModel = responseModel
        self.responseID = responseID
        self.timeToFirstToken = timeToFirstToken
    }
}

/// The tokens of one reply, counted as OpenAI counts them: the prompt includes what was cached, the completion includes
/// reasoning.
public struct TokenUsage: Sendable, Hashable {
    /// Tokens of the prompt, cached ones included.
    public var promptTokens: Int
    /// Tokens of the completion, reasoning included.
    public var completionTokens: Int
    /// Tokens of the prompt that came from a cache; nil when not told.
    public var cachedTokens: Int?
    /// Tokens of the completion that were reasoning; nil when not told.
    public var reasoningTokens: Int?

    /// Makes a count.
    public init(promptTokens: Int, completionTokens: Int, cachedTokens: Int? = nil, reasoningTokens: Int? = nil) {
        self.promptTokens = promptTokens
        self.completionTokens = completionTokens
        self.cachedTokens = cachedTokens
        self.reasoningTokens = reasoningTokens
    }
}
