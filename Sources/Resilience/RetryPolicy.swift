import BusProtocol
import CoreTypes

/// How often, how soon and for how long one request is tried. The defaults are the article's rules made exact
/// (design, section 4).
public struct RetryPolicy: Sendable, Hashable {
    /// Attempts at one model, the first included. 1...10, default 3.
    public var attemptsPerModel: Int
    /// Wait after the first attempt, before jitter. Above 0 s and at most 60 s, default 0.5 s.
    public var backoffBase: Duration
    /// Growth of the wait from attempt to attempt. 1...10, default 2.
    public var backoffFactor: Double
    /// Longest wait of our own choosing. At least the base and at most 600 s, default 4 s.
    public var backoffCap: Duration
    /// Largest part of a wait that chance takes off, or adds to one that a server named, so that callers do not come back
    /// in step. 0...1, default 0.25.
    public var jitter: Double
    /// Longest wait named by a server that is followed; beyond it the next model is tried at once.
    /// 0 s...1 h, default 60 s.
    public var hintCap: Duration
    /// The limits of each attempt.
    public var timers: CallTimers
    /// What follows each class of failure.
    public var classes: ClassPolicy

    /// Makes a policy; check it with ``validate()`` when the values come from outside.
    public init(
        attemptsPerModel: Int = 3,
        backoffBase: Duration = .milliseconds(500),
        backoffFactor: Double = 2,
        backoffCap: Duration = .seconds(4),
        jitter: Double = 0.25,
        hintCap: Duration = .seconds(60),
        timers: CallTimers = CallTimers(),
        classes: ClassPolicy = ClassPolicy()
    ) {
        self.attemptsPerModel = attemptsPerModel
        self.backoffBase = backoffBase
        self.backoffFactor = backoffFactor
        self.backoffCap = backoffCap
        self.jitter = jitter
        self.hintCap = hintCap
        self.timers = timers
        self.classes = classes
    }

    /// The wait after the `n`th attempt at a model: `min(cap, base * factor^(n-1))`, less up to ``jitter`` of it.
    ///
    /// - Precondition: `n` is at least 1.
    public func backoff(after n: Int, random: inout some RandomNumberGenerator) -> Duration {
        let full = backoffFull(after: n)
        guard jitter > 0 else { return full }
        let part = Double.random(in: 0..<1, using: &random) * jitter
        return .nanoseconds(Int64((Double(full.wholeNanoseconds) * (1 - part)).rounded()))
    }

    /// The wait after the `n`th attempt at a model when the server named `hint`, or nothing: never less than the hint, and
    /// up to ``jitter`` of it more, because everybody whom the server refused at one time was told the same.
    ///
    /// - Parameter limit: The time that is left. It and ``hintCap`` may cut the part that chance adds, never the hint.
    public func wait(
        after n: Int,
        hint: Duration?,
        within limit: Duration,
        random: inout some RandomNumberGenerator
    ) -> Duration {
        let backoff = backoff(after: n, random: &random)
        guard let hint, hint > .zero else { return backoff }
        let part = jitter > 0 ? Double.random(in: 0..<1, using: &random) * jitter : 0
        let spread = Duration.nanoseconds(Int64(Double(max(hint, backoffFull(after: n)).wholeNanoseconds) * part))
        let wait = max(backoff, hint, min(hint + spread, hintCap))
        return wait < limit ? wait : max(backoff, hint)
    }

    /// The wait after the `n`th attempt before jitter takes its part.
    func backoffFull(after n: Int) -> Duration {
        precondition(n >= 1, "backoff after attempt \(n)")
        let cap = Double(backoffCap.wholeNanoseconds)
        var wait = Double(backoffBase.wholeNanoseconds)
        for _ in 1..<n where wait < cap { wait *= backoffFactor }
        return .nanoseconds(Int64(min(cap, wait).rounded()))
    }

    /// Checks every value against its range.
    ///
    /// - Throws: `invalid_policy` naming the key as written in configuration, the value and the expectation.
    public func validate() throws(ResilienceError) {
        try check("attempts_per_model", attemptsPerModel, in: 1...10)
        try check("backoff_base", backoffBase, in: .milliseconds(1) ... .seconds(60))
        guard backoffFactor.isFinite, (1...10).contains(backoffFactor) else {
            throw invalid("backoff_factor", "\(backoffFactor)", "1...10")
        }
        try check("backoff_cap", backoffCap, in: backoffBase ... .seconds(600))
        guard jitter.isFinite, (0...1).contains(jitter) else { throw invalid("jitter", "\(jitter)", "0...1") }
        try check("hint_cap", hintCap, in: .zero ... .seconds(3600))
        try check("timers.connect", timers.connect, in: .milliseconds(1) ... .seconds(600))
        try check("timers.first_token", timers.firstToken, in: .milliseconds(1) ... .seconds(86_400))
        try check("timers.silence", timers.silence, in: .milliseconds(1) ... .seconds(86_400))
        try check("timers.attempt", timers.attempt, in: .milliseconds(1) ... .seconds(86_400))
        for (failure, rule) in classes.overridden.sorted(by: { $0.key.rawValue < $1.key.rawValue }) {
            let key = "classes.\(failure.rawValue)"
            if ClassPolicy.fixed.contains(failure), rule.sameModel != .never || rule.nextModel != .never {
                throw invalid(key, "a retry or a next model", "no override: this class ends the request")
            }
            if failure == .localTimeout, rule.sameModel != .never {
                throw invalid("\(key).same_model", rule.sameModel.rawValue, "never: a time-out is not retried")
            }
            if let attempts = rule.attemptsMax { try check("\(key).attempts", attempts, in: 1...10) }
        }
    }

    private func check<Value: Comparable>(
        _ key: String,
        _ value: Value,
        in range: ClosedRange<Value>
    ) throws(ResilienceError) {
        guard range.contains(value) else {
            throw invalid(key, "\(value)", "\(range.lowerBound)...\(range.upperBound)")
        }
    }

    private func invalid(_ key: String, _ found: String, _ expected: String) -> ResilienceError {
        ResilienceError(code: .invalidPolicy, message: "\(key) is \(found); expected \(expected)")
    }
}
