/// What a broker tells about itself: `GET` with one of these ids is answered `STATE` with one JSON document.
public enum SystemSubject: String, Sendable, Hashable, CaseIterable {
    /// Sizes, totals and limits of the broker.
    case health = "sys.health"
    /// The workers with a session.
    case workers = "sys.workers"
    /// The requests of the tenant who asks, newest first.
    case requests = "sys.requests"

    /// The subject that `id` names; nil for every other id.
    public init?(_ id: RequestID) { self.init(rawValue: id.text) }

    /// The id to `GET`.
    public var id: RequestID {
        guard let id = RequestID(rawValue) else { preconditionFailure("\(rawValue) is no id") }
        return id
    }
}
