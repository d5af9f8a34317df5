import JSON

/// Bodies of errors as providers send them.
///
/// Shapes and texts follow the answers of the real services: OpenAI, Anthropic, Gemini, and the gateways before them.
enum ErrorBody {
    /// The body of `status` and its content type.
    static func content(of status: MockStatus, model: String) -> (bytes: [UInt8], type: String) {
        let json = "application/json"
        switch status.body {
        case .openAI: return (openAI(status, model: model), json)
        case .anthropic: return (anthropic(status), json)
        case .gemini: return (gemini(status), json)
        case .html: return (html(status.code), "text/html; charset=UTF-8")
        case .text: return (Array(proxyText.utf8), "text/plain")
        case .empty: return ([], json)
        case .quota: return (envelope(quota), json)
        case .contextLength: return (envelope(contextLength), json)
        case .contentPolicy: return (envelope(contentPolicy), json)
        case .json(let bytes): return (bytes, json)
        }
    }

    /// The parts of OpenAI's error envelope.
    struct Parts {
        var message: String
        var type: String
        var param: String?
        var code: Code?

        enum Code {
            case word(String)
            case number(Int)
        }
    }

    /// OpenAI's error envelope.
    static func envelope(_ parts: Parts) -> [UInt8] {
        var writer = JSONWriter(reserving: 256 + parts.message.utf8.count)
        writer.beginObject()
        writer.key("error")
        writer.beginObject()
        writer.member("message", parts.message)
        writer.member("type", parts.type)
        writer.key("param")
        if let param = parts.param { writer.string(param) } else { writer.null() }
        writer.key("code")
        switch parts.code {
        case .word(let word): writer.string(word)
        case .number(let number): writer.int(number)
        case nil: writer.null()
        }
        writer.endObject()
        writer.endObject()
        return writer.bytes
    }

    /// A refused request: an answer with OpenAI's envelope.
    static func refusal(
        _ status: Int,
        _ message: String,
        param: String? = nil,
        code: String? = nil,
        type: String = "invalid_request_error"
    ) -> MockStatus {
        let parts = Parts(message: message, type: type, param: param, code: code.map { .word($0) })
        return MockStatus(status, body: .json(envelope(parts)))
    }

    /// The answer to a model name that begins like a word of the grammar but is none.
    static func unknownModel(_ model: String, reason: String) -> MockStatus {
        refusal(404, "The model `\(model)` does not exist: \(reason).", code: "model_not_found")
    }

    private static let quota = Parts(
        message: "You exceeded your current quota, please check your plan and billing details.",
        type: "insufficient_quota",
        code: .word("insufficient_quota")
    )

    private static let contextLength = Parts(
        message: "This model's maximum context length is 4097 tokens. However, your messages resulted in 4363 tokens. "
            + "Please reduce the length of the messages.",
        type: "invalid_request_error",
        param: "messages",
        code: .word("context_length_exceeded")
    )

    private static let contentPolicy = Parts(
        message: "Your request was rejected as a result of our safety system.",
        type: "invalid_request_error",
        code: .word("content_policy_violation")
    )

    private static let proxyText =
        "upstream connect error or disconnect/reset before headers. reset reason: connection failure, transport "
        + "failure reason: delayed connect error: 111"

    private static func openAI(_ status: MockStatus, model: String) -> [UInt8] {
        var parts = openAIParts(status.code, model: model)
        if case .text(let wait) = status.retryAfter { parts.message += " Please try again in \(wait)." }
        return envelope(parts)
    }

    private static func openAIParts(_ code: Int, model: String) -> Parts {
        let badRequest = "invalid_request_error"
        switch code {
        case 400:
            return Parts(message: "Invalid value for 'temperature'.", type: badRequest, param: "temperature")
        case 401:
            let message = "Incorrect API key provided: mock-***-key. You can find your API key in the settings."
            return Parts(message: message, type: badRequest, code: .word("invalid_api_key"))
        case 402:
            return Parts(message: "Your account is not active, please check your billing.", type: "billing_not_active")
        case 403:
            let message = "Country, region, or territory not supported"
            return Parts(
                message: message,
                type: "request_forbidden",
                code: .word("unsupported_country_region_territory")
            )
        case 404:
            let message = "The model `\(model)` does not exist or you do not have access to it."
            return Parts(message: message, type: badRequest, code: .word("model_not_found"))
        case 408:
            return Parts(message: "Request timed out.", type: "timeout")
        case 413:
            return Parts(message: "The request is too large.", type: badRequest, code: .word("request_too_large"))
        case 429:
            let message =
                "Rate limit reached for \(model) in organization org-mock on requests per min (RPM): Limit 500, "
                + "Used 500, Requested 1."
            return Parts(message: message, type: "requests", code: .word("rate_limit_exceeded"))
        case 500:
            let message = "The server had an error while processing your request. Sorry about that!"
            return Parts(message: message, type: "server_error")
        case 502:
            return Parts(message: "Bad gateway.", type: "cf_bad_gateway", code: .number(502))
        case 503:
            let message =
                "That model is currently overloaded with other requests. You can retry your request, or contact us "
                + "through our help center if the error persists."
            return Parts(message: message, type: "server_error")
        case 504, 522, 524:
            return Parts(message: "Gateway timeout.", type: "cf_gateway_timeout", code: .number(code))
        case 529:
            return Parts(message: "Overloaded", type: "overloaded_error")
        case 500...:
            return Parts(message: "Status \(code).", type: "server_error")
        default:
            return Parts(message: "Status \(code).", type: badRequest)
        }
    }

    private static func html(_ code: Int) -> [UInt8] {
        let title = "\(code) \(HTTPStatus.reason(code))"
        return Array(
            """
            <html>\r
            <head><title>\(title)</title></head>\r
            <body>\r
            <center><h1>\(title)</h1></center>\r
            <hr><center>nginx</center>\r
            </body>\r
            </html>\r

            """.utf8
        )
    }
}
