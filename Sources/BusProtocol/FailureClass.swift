/// Why a request, or one attempt of it, failed: the unit of retry policy and of the report.
///
/// The first group is found in a provider's answer, or in its absence; the second is decided by Understudy itself. The
/// raw value is the word used in `FAILURE`, in the trail, in telemetry and in configuration, and a symbol of the error
/// registry (`protocol/errors.json`).
public enum FailureClass: String, Sendable, Hashable, CaseIterable {
    /// The provider's limit of requests or tokens per short time; waiting helps.
    case rateLimited = "rate_limited"
    /// A budget of a day or a month is used up; waiting a minute does not help.
    case quotaExhausted = "quota_exhausted"
    /// The provider or the model has no capacity at the moment.
    case overloaded
    /// The provider failed inside.
    case serverError = "server_error"
    /// A gateway before the provider failed.
    case badGateway = "bad_gateway"
    /// The provider or a gateway reported a time-out of its own.
    case timeout
    /// The key was refused.
    case auth
    /// The key is good but may not do this.
    case permission
    /// The model does not exist, or not for this key.
    case notFound = "not_found"
    /// The request is wrong for this provider.
    case invalidRequest = "invalid_request"
    /// The request is longer than the model's context window.
    case contextLength = "context_length"
    /// The provider refused the content.
    case contentPolicy = "content_policy"
    /// The account cannot pay.
    case billing
    /// The connection could not be made or broke.
    case connection
    /// An answer that is no valid reply.
    case malformedResponse = "malformed_response"

    /// One of our own timers ran out: first token, silence or whole attempt.
    case localTimeout = "local_timeout"
    /// The agent cancelled the request.
    case cancelled
    /// The request's deadline passed.
    case deadline
    /// The worker that had started the request was lost, and `on_loss` allows no further delivery; or the journal lost it.
    case workerLost = "worker_lost"
    /// Workers died too often while holding the request.
    case poison
    /// No model of the chain has a provider with a key.
    case noKey = "no_key"
    /// The model's name leads to no provider.
    case unknownModel = "unknown_model"
    /// The broker stopped while it held the request in memory.
    case shuttingDown = "shutting_down"

    /// True for failures that count as LLM-level in the report: those of a provider or of a worker.
    ///
    /// False where the agent or the operator caused the end: a cancelled or wrong request, a broker told to stop.
    public var isLLMLevel: Bool {
        switch self {
        case .cancelled, .invalidRequest, .unknownModel, .shuttingDown: false
        case .rateLimited, .quotaExhausted, .overloaded, .serverError, .badGateway, .timeout, .auth, .permission,
            .notFound, .contextLength, .contentPolicy, .billing, .connection, .malformedResponse, .localTimeout,
            .deadline, .workerLost, .poison, .noKey:
            true
        }
    }
}
