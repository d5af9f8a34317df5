/// A rate limit as providers have them: requests and tokens per minute, each with a bucket that refills evenly.
///
/// A call within the limit is played, and its answer carries the provider's headers. A call beyond it takes nothing
/// from the buckets and is answered with 429 as the provider would.
public struct MockLimit: Sendable, Hashable {
    /// What has buckets of its own.
    public enum Scope: String, Sendable, Hashable, CaseIterable {
        /// Each model.
        case model
        /// Each model with each key (`Authorization: Bearer`, or `x-api-key`).
        case key
        /// Nothing: all calls that the limit is for share.
        case limit
    }

    /// Whose headers and errors.
    public enum Style: String, Sendable, Hashable, CaseIterable {
        /// `x-ratelimit-*`, `retry-after`, `retry-after-ms`; the error names the limit and the wait.
        case openAI = "openai"
        /// `anthropic-ratelimit-*` and `retry-after`.
        case anthropic
        /// No headers; `QuotaFailure` and `RetryInfo` in the error.
        case gemini
    }

    /// An amount that comes back within a minute, and how much of it can be saved up.
    public struct Rate: Sendable, Hashable {
        /// Highest rate that can be asked for.
        public static let perMinuteMax = 1_000_000_000

        /// What comes back in a minute, in `1 ... perMinuteMax`.
        public var perMinute: Int
        /// What the bucket holds, in `1 ... perMinuteMax`: as much as a minute brings unless told.
        public var burst: Int

        /// Makes a rate; both values are clamped to their range.
        public init(perMinute: Int, burst: Int? = nil) {
            let range = 1...Self.perMinuteMax
            self.perMinute = min(max(perMinute, range.lowerBound), range.upperBound)
            self.burst = min(max(burst ?? self.perMinute, range.lowerBound), range.upperBound)
        }
    }

    /// Most limits of a script.
    public static let countMax = 1000

    /// Model this limit is for: exact, exact without the provider prefix, a prefix ending in `*`, or `*` for all.
    public var model: String
    /// Calls per minute; nil for no limit.
    public var requests: Rate?
    /// Tokens per minute; nil for no limit. A call asks for a quarter of its bytes, or for its `max_tokens` if that is
    /// more.
    public var tokens: Rate?
    /// What has buckets of its own.
    public var scope: Scope
    /// Whose headers and errors.
    public var style: Style

    /// Makes a limit.
    public init(
        model: String,
        requests: Rate? = nil,
        tokens: Rate? = nil,
        scope: Scope = .model,
        style: Style = .openAI
    ) {
        self.model = model
        self.requests = requests
        self.tokens = tokens
        self.scope = scope
        self.style = style
    }
}
