import CoreTypes
import JSON
import Testing

@testable import MockProvider

/// Buckets, headers and refusals, in virtual time.
@Suite struct RateLimitTests {
    private func moment(_ seconds: Double) -> Moment { Moment(nanoseconds: Int64((seconds * 1e9).rounded())) }

    @Test func bucketRefillsEvenlyUpToItsSize() {
        var bucket = TokenBucket(capacity: 10, perMinute: 60)
        bucket.refill(now: moment(100))
        #expect(bucket.remaining == 10)
        bucket.take(10)
        #expect(!bucket.holds(1))
        #expect(bucket.wait(for: 1) == .seconds(1))
        #expect(bucket.wait(for: 4) == .seconds(4))
        #expect(bucket.wait(for: 11) == nil)
        #expect(bucket.timeToFull == .seconds(10))
        bucket.refill(now: moment(100.5))
        #expect(!bucket.holds(1))
        bucket.refill(now: moment(101))
        #expect(bucket.holds(1))
        bucket.refill(now: moment(9999))
        #expect(bucket.remaining == 10)
        #expect(bucket.timeToFull == .zero)
    }

    @Test func manySmallRefillsAreOneLarge() {
        var bucket = TokenBucket(capacity: 500, perMinute: 500)
        bucket.refill(now: .zero)
        bucket.take(500)
        for step in 1...60_000 { bucket.refill(now: moment(Double(step) / 1000)) }
        #expect(bucket.remaining == 500)
    }

    @Test func waitIsExactlyWhatIsNeeded() {
        var generator = SeededGenerator(seed: 3)
        var now = Moment.zero
        var bucket = TokenBucket(capacity: 1000, perMinute: 7919)
        for _ in 0..<5000 {
            bucket.refill(now: now)
            let amount = Int.random(in: 1...1000, using: &generator)
            if let wait = bucket.wait(for: amount), wait > .zero {
                #expect(!bucket.holds(amount))
                now = now.advanced(by: wait)
                bucket.refill(now: now)
            }
            #expect(bucket.holds(amount))
            bucket.take(amount)
            now = now.advanced(by: .microseconds(Int.random(in: 0...100_000, using: &generator)))
        }
    }

    @Test func noMinuteLetsMoreThroughThanBurstAndRefill() {
        var limiter = RateLimiter(MockLimit(model: "*", requests: .init(perMinute: 120, burst: 10)))
        var admitted: [Double] = []
        for step in 0..<12_000 {
            let second = Double(step) / 100
            if limiter.take(model: "m", key: nil, tokens: 1, now: moment(second)).refusal == nil {
                admitted.append(second)
            }
        }
        for start in stride(from: 0.0, to: 60, by: 1) {
            #expect(admitted.count { $0 >= start && $0 < start + 60 } <= 130)
        }
        // Nothing is lost either: two minutes bring 240, the burst 10 more.
        #expect((248...250).contains(admitted.count))
        #expect(limiter.admitted == admitted.count)
        #expect(limiter.refused == 12_000 - admitted.count)
    }

    @Test func refusedCallTakesNothing() {
        let limit = MockLimit(model: "*", requests: .init(perMinute: 2), tokens: .init(perMinute: 100))
        var limiter = RateLimiter(limit)
        let large = limiter.take(model: "m", key: nil, tokens: 101, now: .zero)
        #expect(large.refusal == RateLimiter.Refusal(kind: .tokens, requested: 101, wait: nil))
        #expect(large.requests?.remaining == 2)
        #expect(limiter.take(model: "m", key: nil, tokens: 90, now: .zero).refusal == nil)
        let second = limiter.take(model: "m", key: nil, tokens: 40, now: .zero)
        #expect(second.refusal == RateLimiter.Refusal(kind: .tokens, requested: 40, wait: .seconds(18)))
        #expect(second.requests?.remaining == 1)
        #expect(second.tokens?.remaining == 10)
        #expect(limiter.take(model: "m", key: nil, tokens: 1, now: .zero).refusal == nil)
        #expect(limiter.take(model: "m", key: nil, tokens: 1, now: .zero).refusal?.kind == .requests)
    }

    @Test(arguments: [(MockLimit.Scope.model, 2), (.key, 4), (.limit, 1)])
    func bucketsAreShared(scope: MockLimit.Scope, count: Int) {
        var limiter = RateLimiter(MockLimit(model: "*", requests: .init(perMinute: 1), scope: scope))
        var admitted = 0
        for model in ["a", "b"] {
            for key in ["k", nil, "k"] where limiter.take(model: model, key: key, tokens: 1, now: .zero).refusal == nil
            {
                admitted += 1
            }
        }
        #expect(admitted == count)
        #expect(limiter.buckets.count == count)
        #expect(!limiter.buckets.keys.contains { $0.contains("k ") || $0.hasSuffix(" k") })
    }

    @Test func bucketsHaveALimit() {
        var limiter = RateLimiter(MockLimit(model: "*", requests: .init(perMinute: 1)))
        for number in 0..<(RateLimiter.bucketsMax + 100) {
            _ = limiter.take(model: "m\(number)", key: nil, tokens: 1, now: .zero)
        }
        #expect(limiter.buckets.count == RateLimiter.bucketsMax + 1)
        #expect(limiter.refused == 99)
    }

    @Test(arguments: [
        (0, "0s"), (1, "1ms"), (120, "120ms"), (999, "999ms"), (1000, "1s"), (8640, "8.64s"), (69_696, "1m9.696s"),
        (73_588, "1m13.588s"), (360_000, "6m0s"), (3_600_000, "1h0m0s"), (3_661_050, "1h1m1.05s"), (-5, "0s"),
    ])
    func durationsHaveGosForm(milliseconds: Int, text: String) {
        #expect(GoDuration.text(.milliseconds(milliseconds)) == text)
    }

    // MARK: What providers say

    /// The playbook's decisions about calls of 4000 bytes at the same moment.
    private func decisions(_ limit: MockLimit, model: String, count: Int, tokens: Int = 1000) -> [Playbook.Decision] {
        var playbook = Playbook(script: MockScript(limits: [limit]), countedIDsMax: 10)
        return (0..<count).map { _ in playbook.decide(Playbook.Ask(model: model, tokens: tokens)) }
    }

    private func headers(_ decision: Playbook.Decision) throws -> [String: String] {
        let limit = try #require(decision.limit)
        var headers = limit.headers(unixSeconds: 1_787_150_096)
        if case .status(let status) = decision.outcome { headers += status.headers }
        return Dictionary(headers.map { ($0.name, $0.value) }) { _, last in last }
    }

    private func body(_ decision: Playbook.Decision) throws -> JSONValue {
        guard case .status(let status) = decision.outcome, case .json(let bytes) = status.body else {
            throw MockError(code: .system, message: "no refusal: \(decision.outcome)")
        }
        #expect(status.code == 429)
        return try JSONValue(parsing: bytes)
    }

    @Test func openAISaysWhatIsLeftAndWhenToComeAgain() throws {
        let limit = MockLimit(
            model: "gpt-*",
            requests: .init(perMinute: 500, burst: 2),
            tokens: .init(perMinute: 200_000)
        )
        let all = decisions(limit, model: "gpt-4o", count: 3)
        #expect(all[0].outcome == .answer)
        #expect(
            try headers(all[0]) == [
                "x-ratelimit-limit-requests": "500", "x-ratelimit-remaining-requests": "1",
                "x-ratelimit-reset-requests": "120ms", "x-ratelimit-limit-tokens": "200000",
                "x-ratelimit-remaining-tokens": "199000", "x-ratelimit-reset-tokens": "300ms",
            ]
        )
        let refused = try headers(all[2])
        #expect(refused["retry-after"] == "1")
        #expect(refused["retry-after-ms"] == "120")
        #expect(refused["x-ratelimit-remaining-requests"] == "0")
        let error = try #require(try body(all[2])["error"])
        #expect(error["type"] == "requests")
        #expect(error["code"] == "rate_limit_exceeded")
        #expect(error["param"] == JSONValue.null)
        #expect(
            error["message"]?.stringValue
                == "Rate limit reached for gpt-4o in organization org-mock on requests per min (RPM): Limit 500, Used 2, "
                + "Requested 1. Please try again in 120ms. Visit https://platform.openai.com/account/rate-limits to "
                + "learn more."
        )
    }

    @Test func requestLargerThanTheLimitHasNoHint() throws {
        let all = decisions(MockLimit(model: "*", tokens: .init(perMinute: 500)), model: "gpt-4o", count: 1)
        let error = try #require(try body(all[0])["error"])
        #expect(error["type"] == "tokens")
        #expect(error["message"]?.stringValue?.hasPrefix("Request too large for gpt-4o") == true)
        #expect(try headers(all[0])["retry-after"] == nil)
    }

    @Test func anthropicNamesTheTimeOfFullBuckets() throws {
        let limit = MockLimit(
            model: "*",
            requests: .init(perMinute: 50),
            tokens: .init(perMinute: 20_000, burst: 1500),
            style: .anthropic
        )
        let all = decisions(limit, model: "claude-x", count: 2)
        let first = try headers(all[0])
        #expect(first["anthropic-ratelimit-requests-limit"] == "50")
        #expect(first["anthropic-ratelimit-requests-remaining"] == "49")
        #expect(first["anthropic-ratelimit-requests-reset"] == "2026-08-19T14:34:58Z")
        #expect(first["anthropic-ratelimit-input-tokens-remaining"] == "500")
        #expect(first["anthropic-ratelimit-tokens-reset"] == "2026-08-19T14:34:59Z")
        #expect(first["retry-after"] == nil)
        #expect(try headers(all[1])["retry-after"] == "2")
        let value = try body(all[1])
        #expect(value["type"] == "error")
        #expect(value["error"]?["type"] == "rate_limit_error")
        #expect(value["error"]?["message"]?.stringValue?.contains("of 20,000 input tokens per minute.") == true)
    }

    @Test func geminiSaysItInTheBody() throws {
        let limit = MockLimit(model: "*", requests: .init(perMinute: 40, burst: 1), style: .gemini)
        let all = decisions(limit, model: "gemini-2.5-pro", count: 2)
        #expect(try headers(all[0]).isEmpty)
        let error = try #require(try body(all[1])["error"])
        #expect(error["status"] == "RESOURCE_EXHAUSTED")
        #expect(error["message"]?.stringValue?.hasSuffix("Please retry in 1.5s.") == true)
        let details = error["details"]
        let quota = details?[0]?["violations"]?[0]?["quotaId"]?.stringValue
        #expect(quota?.contains("PerMinute") == true)
        #expect(details?[1]?["retryDelay"] == "1.5s")
    }

    @Test func firstLimitOfTheModelHoldsAndOthersAreFree() {
        let limits = [
            MockLimit(model: "gpt-4o", requests: .init(perMinute: 1)),
            MockLimit(model: "gpt-*", requests: .init(perMinute: 2)),
        ]
        var playbook = Playbook(script: MockScript(limits: limits), countedIDsMax: 10)
        func refused(_ model: String) -> Int {
            (0..<5).count { _ in playbook.decide(model: model, id: nil).outcome != .answer }
        }
        #expect(refused("openai/gpt-4o") == 4)
        #expect(refused("gpt-3") == 3)
        #expect(refused("claude") == 0)
        #expect(playbook.counts.snapshot().statuses == ["200": 8, "429": 7])
    }
}
