/// The origins whose last connection spoke HTTP/2, as a value.
///
/// A call to one of them may wait for a connection that is being opened, to share it. Anywhere else that wait is for
/// nothing: HTTP/1.1 shares no connection, and where connecting fails or hangs every waiter would be charged with an
/// attempt it never made.
struct HTTP2Origins {
    /// Most origins that are remembered. One that is forgotten costs a few connections and is learned again.
    static let countMax = 256

    private var known: Set<String> = []

    /// Whether connections to `origin` can be shared.
    func contains(_ origin: String) -> Bool { known.contains(origin) }

    /// Learns from a response of `origin`: what counts is what its last connection spoke.
    mutating func answered(_ origin: String, overHTTP2 isHTTP2: Bool) {
        guard isHTTP2 else {
            known.remove(origin)
            return
        }
        guard !known.contains(origin) else { return }
        if known.count >= Self.countMax { known.removeAll(keepingCapacity: true) }
        known.insert(origin)
    }

    /// No connection to `origin` came about; true when that is news.
    mutating func failedToConnect(_ origin: String) -> Bool {
        known.remove(origin) != nil
    }
}
