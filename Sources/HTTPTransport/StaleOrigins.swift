import CoreTypes

/// Servers that a kept connection was found dead to: others that have been idle since before are not used either.
///
/// When a balancer fails over, or a middlebox forgets, all connections of that time are dead, and each would cost a request
/// an attempt.
struct StaleOrigins {
    private var foundAt: [String: Moment] = [:]

    /// Notes how a call to `origin` ended.
    mutating func note(_ error: TransportError?, reused: Bool, origin: String, now: Moment) {
        guard let error, reused, [.closedBeforeHead, .sendFailed].contains(error.code) else { return }
        foundAt[origin] = now
    }

    /// For how many seconds at most a connection to `origin` may have been idle to be used now; nil for no such limit.
    ///
    /// libcurl counts whole seconds: one that has just been used is given the benefit of the doubt.
    mutating func idleSecondsMax(origin: String, now: Moment) -> Int? {
        guard let found = foundAt[origin] else { return nil }
        let seconds = Int(found.duration(to: now).wholeMilliseconds / 1000)
        guard seconds <= EasyHandle.idleConnectionSecondsMax else {
            foundAt[origin] = nil
            return nil
        }
        return max(0, seconds - 1)
    }
}
