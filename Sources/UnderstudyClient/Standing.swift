public import BusProtocol

/// How far a request is.
public enum Standing: Hashable, Sendable {
    /// It has no terminal yet.
    case open(RequestState)
    /// It has; the broker keeps it until it is acknowledged.
    case ended(Outcome)
}
