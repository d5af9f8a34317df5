import CoreTypes

/// A bucket of tokens that fills at a steady rate: one token for each request.
///
/// Kept as the time at which the bucket will be full, in whole nanoseconds, which is exact and needs no refilling. Source
/// of the form: the virtual scheduling algorithm of ITU-T I.371 (generic cell rate algorithm).
struct TokenBucket: Sendable {
    /// Time in which one token comes.
    private let interval: Int64
    /// Time in which an empty bucket becomes full.
    private let depth: Int64
    private var fullAt: Moment

    /// A full bucket.
    init(_ rate: TenantLimits.Rate, now: Moment) {
        interval = max(1, Int64((1e9 / rate.requestsPerSecond).rounded()))
        depth = interval * Int64(rate.burst)
        fullAt = now
    }

    /// Whether nothing has been taken that has not come back.
    func isFull(now: Moment) -> Bool { fullAt <= now }

    /// Time until there is a token; zero when there is one.
    func wait(now: Moment) -> Duration {
        max(.zero, now.duration(to: max(fullAt, now)) + .nanoseconds(interval - depth))
    }

    /// Takes a token, which must be there.
    mutating func take(now: Moment) { fullAt = max(fullAt, now).advanced(by: .nanoseconds(interval)) }
}
