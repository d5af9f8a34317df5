/// What a mock provider has counted since its start or its last reset.
///
/// A call counts when its request has been read completely, whether or not it is answered.
public struct MockCounts: Sendable, Hashable {
    /// All calls to chat completions.
    public var total = 0

    /// Calls per request id (the header `x-understudy-request-id`).
    public var requests: [String: Int] = [:]

    /// Calls per model, by the name in the request; the ones without a readable model are missing.
    public var models: [String: Int] = [:]

    /// Calls per way they were played: the HTTP status, or `silent`, `reset-before`, `reset-after-head`, `truncated`,
    /// `malformed`, `empty`, `error-200`.
    public var statuses: [String: Int] = [:]

    /// Calls whose client closed the connection before the whole answer was sent; silent ones end so, too.
    public var aborted = 0

    /// Calls without a request id.
    public var withoutID = 0

    /// Calls of ids beyond the limit of counted ids.
    public var uncountedIDs = 0

    /// Nothing counted.
    public init() {}
}
