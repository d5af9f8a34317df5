import JSON

extension ErrorBody {
    /// Anthropic's error envelope.
    static func anthropic(_ status: MockStatus) -> [UInt8] {
        let (type, message) = anthropicWords(status.code)
        var writer = JSONWriter(reserving: 128)
        writer.beginObject()
        writer.member("type", "error")
        writer.key("error")
        writer.beginObject()
        writer.member("type", type)
        writer.member("message", message)
        writer.endObject()
        writer.endObject()
        return writer.bytes
    }

    private static func anthropicWords(_ code: Int) -> (type: String, message: String) {
        switch code {
        case 401: ("authentication_error", "invalid x-api-key")
        case 402: ("billing_error", "Your credit balance is too low to access the API.")
        case 403: ("permission_error", "Your API key does not have permission to use the specified resource.")
        case 404: ("not_found_error", "The requested resource could not be found.")
        case 413: ("request_too_large", "Request exceeds the maximum size")
        case 429: ("rate_limit_error", "This request would exceed your organization's rate limit.")
        case 504: ("timeout_error", "The request timed out.")
        case 529: ("overloaded_error", "Overloaded")
        case 500...: ("api_error", "Internal server error")
        default: ("invalid_request_error", "The request is not valid.")
        }
    }

    /// Gemini's error envelope; with the hint as its `RetryInfo` detail.
    static func gemini(_ status: MockStatus) -> [UInt8] {
        let (word, message) = geminiWords(status.code)
        var writer = JSONWriter(reserving: 256)
        writer.beginObject()
        writer.key("error")
        writer.beginObject()
        writer.member("code", status.code)
        writer.member("message", message)
        writer.member("status", word)
        if case .retryInfo(let delay) = status.retryAfter {
            writer.key("details")
            writer.beginArray()
            writer.beginObject()
            writer.member("@type", "type.googleapis.com/google.rpc.RetryInfo")
            writer.member("retryDelay", delay)
            writer.endObject()
            writer.endArray()
        }
        writer.endObject()
        writer.endObject()
        return writer.bytes
    }

    private static func geminiWords(_ code: Int) -> (status: String, message: String) {
        switch code {
        case 401: ("UNAUTHENTICATED", "Request had invalid authentication credentials.")
        case 403: ("PERMISSION_DENIED", "Permission denied on resource.")
        case 404: ("NOT_FOUND", "The model is not found for this API version.")
        case 429: ("RESOURCE_EXHAUSTED", "Resource has been exhausted (e.g. check quota).")
        case 503: ("UNAVAILABLE", "The model is overloaded. Please try again later.")
        case 504: ("DEADLINE_EXCEEDED", "The request timed out. Please try again.")
        case 500...: ("INTERNAL", "An internal error has occurred.")
        default: ("INVALID_ARGUMENT", "Request contains an invalid argument.")
        }
    }
}
