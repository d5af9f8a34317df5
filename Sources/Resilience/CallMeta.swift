/// The `meta` of a `REPLY` or `FAILURE`: what the trail adds up to.
///
/// The first three values are those of the article's `parsed.meta`.
public struct CallMeta: Sendable, Hashable {
    /// The model that answered; nil in a failure.
    public let resolvedModel: ModelName?
    /// Attempts of this delivery at the model that answered, or in a failure at the last one tried.
    public let attempts: Int
    /// ``attempts`` without the first.
    public let retries: Int
    /// Moves to a next model, skipped models included.
    public let fallbacks: Int
    /// Attempts at all models, those of lost deliveries included.
    public let totalAttempts: Int
    /// Deliveries of the request, this one included.
    public let deliveries: Int
    /// Time spent waiting: before this delivery, and between its attempts.
    public let waited: Duration
    /// From the acceptance of the request to its end.
    public let duration: Duration
    /// From the start of the answering attempt to its first token or byte; nil when not measured.
    public let timeToFirstToken: Duration?
    /// The tokens of the reply; nil when the provider told none.
    public let usage: TokenUsage?
    /// The history.
    public let trail: Trail

    /// Adds up `trail`.
    ///
    /// - Parameters:
    ///   - deliveries: Number of this delivery.
    ///   - spent: From the start of this delivery to its end.
    ///   - reply: The good reply to the trail's latest attempt; nil in a failure.
    public init(trail: Trail, deliveries: Int, spent: Duration, reply: ReplySummary? = nil) {
        let attempts = trail.attempts
        let last = attempts.last
        let atLastModel = attempts.count { $0.model == last?.model }
        resolvedModel = reply == nil ? nil : last?.model
        self.attempts = atLastModel
        retries = max(0, atLastModel - 1)
        fallbacks = trail.fallbacks
        totalAttempts = trail.earlierAttempts + attempts.count
        self.deliveries = deliveries
        waited = trail.queued + trail.waited
        duration = trail.queued + spent
        timeToFirstToken = reply?.timeToFirstToken
        usage = reply?.usage
        self.trail = trail
    }
}
