import CoreTypes
import JSON

/// What a provider says about a rate limit: headers on every answer, and the 429.
///
/// Sources: OpenAI, "Rate limits", headers and error texts; Anthropic, "Rate limits", response headers and errors;
/// Google, "Gemini API rate limits" with google.rpc `QuotaFailure` and `RetryInfo`.
struct RateLimitAnswer: Equatable {
    var style: MockLimit.Style
    var verdict: RateLimiter.Verdict
    /// Model as named in the request.
    var model: String

    /// The headers that go with any answer of a limited model.
    func headers(unixSeconds: Int64) -> [MockHeader] {
        switch style {
        case .openAI: openAIHeaders()
        case .anthropic: anthropicHeaders(unixSeconds: unixSeconds)
        case .gemini: []
        }
    }

    /// The 429 for a call that was refused.
    func refusal(_ refusal: RateLimiter.Refusal) -> MockStatus {
        var status = MockStatus(429)
        switch style {
        case .openAI:
            status.body = .json(openAIBody(refusal))
            if let wait = refusal.wait {
                status.headers = [
                    MockHeader("retry-after", Self.wholeSeconds(wait)),
                    MockHeader("retry-after-ms", String((wait.wholeNanoseconds + 999_999) / 1_000_000)),
                ]
            }
        case .anthropic:
            status.body = .json(anthropicBody(refusal))
            // A call that never fits is told to come again too; the service does not tell them apart.
            status.headers = [MockHeader("retry-after", Self.wholeSeconds(refusal.wait ?? .seconds(60)))]
        case .gemini:
            status.body = .json(geminiBody(refusal))
        }
        return status
    }

    // MARK: OpenAI

    private func openAIHeaders() -> [MockHeader] {
        var headers: [MockHeader] = []
        for (word, gauge) in [("requests", verdict.requests), ("tokens", verdict.tokens)] {
            guard let gauge else { continue }
            headers += [
                MockHeader("x-ratelimit-limit-\(word)", String(gauge.perMinute)),
                MockHeader("x-ratelimit-remaining-\(word)", String(gauge.remaining)),
                MockHeader("x-ratelimit-reset-\(word)", GoDuration.text(gauge.reset)),
            ]
        }
        return headers
    }

    private func openAIBody(_ refusal: RateLimiter.Refusal) -> [UInt8] {
        let gauge = refusal.kind == .requests ? verdict.requests : verdict.tokens
        let kind = refusal.kind == .requests ? "requests per min (RPM)" : "tokens per min (TPM)"
        let limit = gauge?.perMinute ?? 0
        var message: String
        if let wait = refusal.wait {
            let used = max(0, (gauge?.capacity ?? 0) - (gauge?.remaining ?? 0))
            message =
                "Rate limit reached for \(model) in organization org-mock on \(kind): Limit \(limit), Used \(used), "
                + "Requested \(refusal.requested). Please try again in \(GoDuration.text(wait))."
        } else {
            message =
                "Request too large for \(model) in organization org-mock on \(kind): Limit \(limit), "
                + "Requested \(refusal.requested). The input or output tokens must be reduced in order to run "
                + "successfully."
        }
        message += " Visit https://platform.openai.com/account/rate-limits to learn more."
        let type = refusal.kind == .requests ? "requests" : "tokens"
        return ErrorBody.envelope(ErrorBody.Parts(message: message, type: type, code: .word("rate_limit_exceeded")))
    }

    // MARK: Anthropic

    private func anthropicHeaders(unixSeconds: Int64) -> [MockHeader] {
        // The tokens of this limit are estimated from what is sent: they are input tokens, and the most restrictive
        // of the token limits, which the headers without "input" or "output" show.
        let gauges = [
            ("requests", verdict.requests), ("input-tokens", verdict.tokens), ("tokens", verdict.tokens),
        ]
        var headers: [MockHeader] = []
        for (word, gauge) in gauges {
            guard let gauge else { continue }
            let full = unixSeconds + (gauge.reset.wholeNanoseconds + 999_999_999) / 1_000_000_000
            headers += [
                MockHeader("anthropic-ratelimit-\(word)-limit", String(gauge.perMinute)),
                MockHeader("anthropic-ratelimit-\(word)-remaining", String(gauge.remaining)),
                MockHeader("anthropic-ratelimit-\(word)-reset", WallClock.rfc3339(unixSeconds: full)),
            ]
        }
        return headers
    }

    private func anthropicBody(_ refusal: RateLimiter.Refusal) -> [UInt8] {
        let gauge = refusal.kind == .requests ? verdict.requests : verdict.tokens
        let kind = refusal.kind == .requests ? "requests" : "input tokens"
        var writer = JSONWriter(reserving: 512)
        writer.beginObject()
        writer.member("type", "error")
        writer.key("error")
        writer.beginObject()
        writer.member("type", "rate_limit_error")
        writer.member(
            "message",
            "This request would exceed the rate limit for your organization (00000000-0000-0000-0000-000000000000) of "
                + "\(Self.grouped(gauge?.perMinute ?? 0)) \(kind) per minute. For details, refer to: "
                + "https://docs.anthropic.com/en/api/rate-limits. You can see the response headers for current usage. "
                + "Please reduce the prompt length or the maximum tokens requested, or try again later."
        )
        writer.endObject()
        writer.endObject()
        return writer.finished()
    }

    // MARK: Gemini

    private func geminiBody(_ refusal: RateLimiter.Refusal) -> [UInt8] {
        let gauge = refusal.kind == .requests ? verdict.requests : verdict.tokens
        let isRequests = refusal.kind == .requests
        let metric =
            "generativelanguage.googleapis.com/generate_content_paid_tier_"
            + (isRequests ? "requests" : "input_token_count")
        let limit = String(gauge?.perMinute ?? 0)
        let delay = refusal.wait.map { "\(Double($0.wholeNanoseconds) / 1e9)s" }
        var message =
            "You exceeded your current quota, please check your plan and billing details. For more information on this "
            + "error, head to: https://ai.google.dev/gemini-api/docs/rate-limits.\n* Quota exceeded for metric: "
            + "\(metric), limit: \(limit), model: \(model)"
        if let delay { message += "\nPlease retry in \(delay)." }
        var violation = JSONObject()
        violation["quotaMetric"] = JSONValue(metric)
        violation["quotaId"] = JSONValue(
            isRequests
                ? "GenerateRequestsPerMinutePerProjectPerModel-PaidTier"
                : "GenerateContentPaidTierInputTokensPerModelPerMinute"
        )
        violation["quotaDimensions"] = ["location": "global", "model": JSONValue(model)]
        violation["quotaValue"] = JSONValue(limit)
        var details: [JSONValue] = [
            ["@type": "type.googleapis.com/google.rpc.QuotaFailure", "violations": [.object(violation)]]
        ]
        if let delay {
            details.append(["@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": JSONValue(delay)])
        }
        let error: JSONValue = [
            "error": [
                "code": 429, "message": JSONValue(message), "status": "RESOURCE_EXHAUSTED", "details": .array(details),
            ]
        ]
        return error.serialized()
    }

    // MARK: Words

    /// Whole seconds, rounded up: who comes a moment too early is refused again.
    private static func wholeSeconds(_ wait: Duration) -> String {
        String((wait.wholeNanoseconds + 999_999_999) / 1_000_000_000)
    }

    /// A number with commas between groups of three digits, as in "20,000".
    private static func grouped(_ number: Int) -> String {
        var text = ""
        for (index, digit) in String(number).reversed().enumerated() {
            if index > 0, index.isMultiple(of: 3) { text.append(",") }
            text.append(digit)
        }
        return String(text.reversed())
    }
}

/// Durations in the form of Go's `time.Duration`, which OpenAI's headers and texts use: `0s`, `120ms`, `8.64s`, `6m0s`.
enum GoDuration {
    /// The text of `duration`, rounded up to milliseconds; negative ones are zero.
    static func text(_ duration: Duration) -> String {
        let milliseconds = (max(0, duration.wholeNanoseconds) + 999_999) / 1_000_000
        guard milliseconds > 0 else { return "0s" }
        guard milliseconds >= 1000 else { return "\(milliseconds)ms" }
        let (hours, minutes) = (milliseconds / 3_600_000, milliseconds / 60_000 % 60)
        var text = hours > 0 ? "\(hours)h" : ""
        if hours > 0 || minutes > 0 { text += "\(minutes)m" }
        text += "\(milliseconds / 1000 % 60)"
        let rest = milliseconds % 1000
        if rest > 0 {
            var digits = String(1000 + rest).dropFirst()
            while digits.last == "0" { digits = digits.dropLast() }
            text += ".\(digits)"
        }
        return text + "s"
    }
}
