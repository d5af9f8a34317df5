import CoreTypes

/// A bucket that holds up to `capacity` tokens and is refilled evenly. A value without a clock.
///
/// Both OpenAI and Anthropic limit so: what was used comes back continuously, not at the end of a minute.
struct TokenBucket: Equatable {
    /// Most tokens it holds, at least 1.
    let capacity: Double
    /// Tokens that come back in a minute, above zero.
    let perMinute: Double
    private var level: Double
    private var updated: Moment?

    /// A full bucket.
    init(capacity: Int, perMinute: Int) {
        self.capacity = Double(max(1, capacity))
        self.perMinute = Double(max(1, perMinute))
        level = self.capacity
    }

    /// Whole tokens in it.
    var remaining: Int { Int(level + Self.rounding) }

    /// Lets what came back since the last time flow in.
    mutating func refill(now: Moment) {
        if let updated, updated < now {
            let elapsed = Double(updated.duration(to: now).wholeNanoseconds)
            level = min(capacity, level + elapsed * perMinute / Self.minute)
        }
        updated = now
    }

    /// True when `amount` can be taken now.
    func holds(_ amount: Int) -> Bool { level + Self.rounding >= Double(amount) }

    /// Takes `amount`, which it holds.
    mutating func take(_ amount: Int) {
        level = max(0, level - Double(amount))
    }

    /// How long until it holds `amount`; nil when it never will.
    func wait(for amount: Int) -> Duration? {
        guard Double(amount) <= capacity else { return nil }
        return time(for: Double(amount) - level)
    }

    /// How long until it is full.
    var timeToFull: Duration { time(for: capacity - level) }

    private func time(for missing: Double) -> Duration {
        guard missing > Self.rounding else { return .zero }
        return .nanoseconds(Int64((missing * Self.minute / perMinute).rounded(.up)))
    }

    private static let minute = 60e9
    /// Sums of many small refills may miss a whole number by their rounding.
    private static let rounding = 1e-6
}
