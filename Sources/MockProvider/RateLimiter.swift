import CoreTypes

/// The buckets of one ``MockLimit``. A value without a clock.
///
/// Bounded: ``bucketsMax`` models or keys have buckets of their own, all further ones share.
struct RateLimiter {
    /// Most pairs of buckets.
    static let bucketsMax = 4096

    /// One kind of what is limited, and its bucket as a call found it.
    struct Gauge: Equatable {
        /// What flows back per minute.
        var perMinute: Int
        /// Most that the bucket holds.
        var capacity: Int
        /// What is left after the call.
        var remaining: Int
        /// How long until the bucket is full.
        var reset: Duration

        init(_ bucket: TokenBucket) {
            perMinute = Int(bucket.perMinute)
            capacity = Int(bucket.capacity)
            remaining = bucket.remaining
            reset = bucket.timeToFull
        }
    }

    /// Which limit refused a call.
    struct Refusal: Equatable {
        enum Kind: Equatable {
            case requests
            case tokens
        }

        var kind: Kind
        /// What the call asked for.
        var requested: Int
        /// How long until it could be had; nil when never, for the bucket is too small.
        var wait: Duration?
    }

    /// What came of a call.
    struct Verdict: Equatable {
        var requests: Gauge?
        var tokens: Gauge?
        /// Nil: the call is within the limit.
        var refusal: Refusal?
    }

    /// The two buckets of a model or key.
    struct Buckets {
        var requests: TokenBucket?
        var tokens: TokenBucket?
    }

    let limit: MockLimit
    /// Calls that were refused.
    private(set) var refused = 0
    /// Calls that were let through.
    private(set) var admitted = 0
    private(set) var buckets: [String: Buckets] = [:]

    init(_ limit: MockLimit) {
        self.limit = limit
    }

    /// Lets a call through or refuses it; one that is refused takes nothing.
    mutating func take(model: String, key: String?, tokens: Int, now: Moment) -> Verdict {
        var name = Self.name(model: model, key: key, scope: limit.scope)
        if buckets[name] == nil, buckets.count >= Self.bucketsMax { name = Self.sharedName }
        var verdict = Verdict()
        Self.take(&buckets[name, default: Self.full(limit)], tokens: max(1, tokens), now: now, &verdict)
        if verdict.refusal == nil { admitted += 1 } else { refused += 1 }
        return verdict
    }

    /// The bucket of what has none of its own.
    private static let sharedName = "(others)"

    private static func name(model: String, key: String?, scope: MockLimit.Scope) -> String {
        switch scope {
        case .model: model
        // A key is a secret and long: a short hash tells them apart as well.
        case .key: "\(model) \(key.map(hash) ?? "without key")"
        case .limit: "all"
        }
    }

    private static func hash(_ key: String) -> String {
        var hash = StableHash()
        hash.combine(key)
        return "key-" + String(UInt32(hash.unit * 4_294_967_296), radix: 16)
    }

    private static func full(_ limit: MockLimit) -> Buckets {
        Buckets(
            requests: limit.requests.map { TokenBucket(capacity: $0.burst, perMinute: $0.perMinute) },
            tokens: limit.tokens.map { TokenBucket(capacity: $0.burst, perMinute: $0.perMinute) }
        )
    }

    private static func take(_ buckets: inout Buckets, tokens: Int, now: Moment, _ verdict: inout Verdict) {
        buckets.requests?.refill(now: now)
        buckets.tokens?.refill(now: now)
        if let bucket = buckets.requests, !bucket.holds(1) {
            verdict.refusal = Refusal(kind: .requests, requested: 1, wait: bucket.wait(for: 1))
        } else if let bucket = buckets.tokens, !bucket.holds(tokens) {
            verdict.refusal = Refusal(kind: .tokens, requested: tokens, wait: bucket.wait(for: tokens))
        } else {
            buckets.requests?.take(1)
            buckets.tokens?.take(tokens)
        }
        verdict.requests = buckets.requests.map(Gauge.init)
        verdict.tokens = buckets.tokens.map(Gauge.init)
    }
}
