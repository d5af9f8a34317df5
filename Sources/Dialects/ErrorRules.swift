import BusProtocol
import CoreTypes

/// The rules from evidence to class. Order matters: a rule stands before those it makes an exception of.
struct ErrorRules {
    /// The class, and whether the identical request can succeed at the same model within minutes.
    struct Finding {
        var failureClass: FailureClass
        var sameModel: Bool

        init(_ failureClass: FailureClass, sameModel: Bool? = nil) {
            self.failureClass = failureClass
            self.sameModel = sameModel ?? ErrorRules.isTransient(failureClass)
        }
    }

    let status: Int
    let codes: Set<String>
    let text: String
    let quotaIDs: [String]

    init(status: Int, evidence: ErrorEvidence) {
        self.status = status
        codes = evidence.codes
        text = evidence.text
        quotaIDs = evidence.quotaIDs
    }

    /// Whether failures of a class pass within minutes when nothing else is known.
    static func isTransient(_ failureClass: FailureClass) -> Bool {
        switch failureClass {
        case .rateLimited, .overloaded, .serverError, .badGateway, .timeout, .connection, .malformedResponse: true
        case .quotaExhausted, .auth, .permission, .notFound, .invalidRequest, .contextLength, .contentPolicy, .billing,
            .localTimeout, .cancelled, .deadline, .workerLost, .poison, .noKey, .unknownModel, .shuttingDown:
            false
        }
    }

    /// What happened, given the wait that the answer names.
    func finding(hint: Duration?) -> Finding {
        if status == 429 { return limited(hint: hint) }
        if let finding = byCode() ?? byText() { return finding }
        return byStatus()
    }

    // MARK: 429

    private func limited(hint: Duration?) -> Finding {
        if has(Self.quotaCodes) { return Finding(.quotaExhausted) }
        if has(["billing_not_active"]) || says(["account is not active"]) { return Finding(.billing) }
        // Google names the quota; a day's is spent until midnight whatever RetryInfo says (notes 5.3).
        if quotaIDs.contains(where: { $0.contains("PerDay") || $0.contains("Daily") }) {
            return Finding(.quotaExhausted)
        }
        if quotaIDs.isEmpty, hint == nil, says(["exceeded your current quota"]) { return Finding(.quotaExhausted) }
        if let hint, hint > ErrorReader.rateLimitWaitMax { return Finding(.quotaExhausted) }
        if hint == nil, says(["per-day", "per day"]) { return Finding(.quotaExhausted) }
        if has(["engine_overloaded_error", "overloaded_error"]) || says(["overloaded", "over capacity"]) {
            return Finding(.overloaded)
        }
        // One request alone is above the limit of a whole window: no wait makes it pass.
        if says(["request too large"]) { return Finding(.rateLimited, sameModel: false) }
        return Finding(.rateLimited)
    }

    /// Notes 5.1 and 5.2.
    private static let quotaCodes: Set<String> = [
        "insufficient_quota", "credit_balance_exhausted", "organization_spend_limit_exceeded",
        "project_spend_limit_exceeded", "organization_usage_limit_exceeded", "enforced_spend_limit_reached",
    ]

    // MARK: Codes

    private func byCode() -> Finding? {
        for (failureClass, known) in Self.codeTable where has(known) { return Finding(failureClass) }
        return nil
    }

    private static let codeTable: [(FailureClass, Set<String>)] = [
        (
            .contentPolicy,
            [
                "content_filter", "content_policy_violation", "responsibleaipolicyviolation", "invalid_prompt",
                "moderation_blocked",
            ]
        ),
        (.auth, ["invalid_api_key", "authentication_error", "api_key_invalid", "unauthenticated"]),
        (
            .contextLength,
            [
                "context_length_exceeded", "exceed_context_size_error", "too_many_prompt_tokens",
                "request_too_large",
            ]
        ),
        (.quotaExhausted, quotaCodes),
        (.billing, ["billing_not_active", "billing_error"]),
        (.notFound, ["model_not_found", "invalid_model"]),
        (.permission, ["unsupported_country_region_territory", "permission_error"]),
        // The model wrote a tool call or JSON that the server itself refused: sampling again often works.
        (.malformedResponse, ["tool_use_failed", "json_validate_failed"]),
        (
            .overloaded,
            [
                "server_is_overloaded", "overloaded_error", "engine_overloaded_error",
                "model_capacity_exhausted", "slow_down",
            ]
        ),
    ]

    // MARK: Texts

    private func byText() -> Finding? {
        guard status != 401, status != 402, status != 404 else { return nil }
        if says(["content management policy", "content filtering policy", "violating our usage policy"]) {
            return Finding(.contentPolicy)
        }
        if status < 500 { return byTextOfRefusal() }
        // A fault that sits in front of the provider: Envoy's words.
        if says(["upstream connect error"]) { return Finding(says(["overflow"]) ? .overloaded : .badGateway) }
        if tooLong() { return Finding(.contextLength) }
        // The server cannot do this at all, and says so with the wrong status.
        if says(["not supported", "unsupported", "requires --"]) { return Finding(.invalidRequest) }
        if says(["more system memory"]) { return Finding(.serverError, sameModel: false) }
        if status != 504, says(["overloaded", "over capacity", "no capacity", "loading model"]) {
            return Finding(.overloaded)
        }
        return nil
    }

    /// 400, 403, 413, 422 and the like: many causes in one dress.
    private func byTextOfRefusal() -> Finding? {
        if says(["incorrect api key", "invalid api key", "api key not valid", "key was reported as leaked"]) {
            return Finding(.auth)
        }
        if says(["credit balance is too low", "insufficient balance", "insufficient credits"]) {
            return Finding(.billing)
        }
        if says(["reached your specified api usage limits"]) { return Finding(.quotaExhausted) }
        if tooLong() { return Finding(.contextLength) }
        if says(["location is not supported"]) { return Finding(.permission) }
        if says(
            [
                "model not found", "not a valid model", "invalid model:", "supported api model names", "unknown model",
                "model does not exist",
            ]
        ) {
            return Finding(.notFound)
        }
        return nil
    }

    private func tooLong() -> Bool {
        says(
            [
                "maximum context length", "max context length", "context window", "exceed context limit",
                "available context size", "prompt is too long", "prompt too long", "messages is too long",
                // The default of max_tokens is window minus prompt: a negative one is a prompt beyond the window.
                "max_tokens must be at least 1, got -",
            ]
        )
    }

    // MARK: Status

    /// Words for a wrong request: OpenAI's and Anthropic's, Google's, vLLM's, and those of gateways.
    private static let badRequestCodes: Set<String> = [
        "invalid_request_error", "invalid_argument", "badrequesterror", "bad_request", "invalid_request",
        "validation_error", "unprocessable_entity",
    ]

    private func byStatus() -> Finding {
        switch status {
        case 300...399: Finding(.malformedResponse, sameModel: false)
        case 401: Finding(.auth)
        case 402: Finding(.billing)
        case 403: Finding(.permission)
        // 405: nothing at this address takes a request; 410: what was there is gone.
        case 404, 405, 410: Finding(.notFound)
        // A proxy on the way wants a password; that stays so.
        case 407: Finding(.connection, sameModel: false)
        // 524: the origin took longer than Cloudflare waits; 522: it could not even be reached in time.
        case 408, 499, 504, 522, 524: Finding(.timeout)
        // A conflict or a request that came too early passes.
        case 409, 425: Finding(.serverError)
        case 413: Finding(.contextLength)
        case 400, 415, 422: Finding(.invalidRequest)
        // The connection leads to a server that is not in charge of the name; another one may not.
        case 421: Finding(.connection)
        case 451: Finding(.permission)
        // Nobody documents these. Only a body that blames the request ends the chain: else the next model may do.
        case 400...498 where has(Self.badRequestCodes): Finding(.invalidRequest)
        case 400...498: Finding(.malformedResponse, sameModel: false)
        case 502, 520, 521, 523, 525, 526, 527, 530: Finding(.badGateway)
        case 503, 529: Finding(.overloaded)
        case 500...599: Finding(.serverError)
        default: Finding(.malformedResponse)
        }
    }

    private func has(_ known: Set<String>) -> Bool { !codes.isDisjoint(with: known) }

    private func says(_ phrases: [String]) -> Bool { phrases.contains { text.contains($0) } }
}
