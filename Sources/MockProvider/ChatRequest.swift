import JSON

/// What the mock reads of a chat completions request; all other members are ignored.
struct ChatRequest: Equatable {
    /// Characters of the user's text that come back in the answer.
    static let echoedCharactersMax = 200

    var model: String
    /// The beginning of the last user message's text; empty when there is none.
    var userText: String
    /// Size of the messages in bytes, from which the token count is guessed.
    var messageBytes: Int
    var isStream = false
    var wantsStreamUsage = false
    /// `max_completion_tokens`, else `max_tokens`; read only when a limit counts tokens.
    var tokensMax: Int?

    /// What the call asks for of a limit of tokens: the more of its size and of what it may be answered with, as OpenAI
    /// estimates it.
    var tokensAsked: Int { max(1, messageBytes / 4, tokensMax ?? 0) }

    /// Reads a request body.
    ///
    /// - Returns: the request, or the answer that refuses it, with the texts of the real service.
    static func read(_ body: [UInt8], withTokens: Bool = false) -> Result<ChatRequest, Refusal> {
        do throws(Refusal) {
            return .success(try ChatRequest(body, withTokens: withTokens))
        } catch {
            return .failure(error)
        }
    }

    /// A request that is no good, and the answer to it.
    struct Refusal: Error, Equatable {
        var answer: MockStatus

        init(_ message: String, param: String? = nil, code: String? = nil) {
            answer = ErrorBody.refusal(400, message, param: param, code: code)
        }
    }

    /// What is known of a request to a service other than chat completions.
    init(model: String, messageBytes: Int, isStream: Bool) {
        self.model = model
        self.messageBytes = messageBytes
        self.isStream = isStream
        userText = ""
    }

    private init(_ body: [UInt8], withTokens: Bool) throws(Refusal) {
        let value: JSONValue
        do throws(JSONError) {
            value = try JSONValue(parsing: body, limits: Self.limits)
        } catch {
            throw Refusal(
                "We could not parse the JSON body of your request. (HINT: This likely means you aren't using your HTTP "
                    + "library correctly. The API expects a JSON payload, but what was sent was not valid JSON: "
                    + "\(error.message))"
            )
        }
        guard let members = value.objectValue else {
            throw Refusal("Invalid body: expected an object, but got \(value.kindWithArticle) instead.")
        }
        guard let model = members["model"] else { throw Refusal("you must provide a model parameter") }
        guard let name = model.stringValue, !name.isEmpty else {
            throw Self.wrongType("model", expected: "a string that is not empty", found: model)
        }
        self.model = name
        guard let messages = members["messages"] else {
            throw Refusal(
                "Missing required parameter: 'messages'.",
                param: "messages",
                code: "missing_required_parameter"
            )
        }
        guard let list = messages.arrayValue else {
            throw Self.wrongType("messages", expected: "an array of objects", found: messages)
        }
        guard !list.isEmpty else {
            throw Refusal(
                "Invalid 'messages': empty array. Expected an array with minimum length 1, but got an empty array "
                    + "instead.",
                param: "messages",
                code: "empty_array"
            )
        }
        for (index, message) in list.enumerated() where message.objectValue == nil {
            throw Self.wrongType("messages[\(index)]", expected: "an object", found: message)
        }
        userText = Self.text(of: list.last { $0["role"]?.stringValue == "user" })
        messageBytes = body.count
        isStream = members["stream"]?.boolValue ?? false
        wantsStreamUsage = members["stream_options"]?["include_usage"]?.boolValue ?? false
        if withTokens { tokensMax = (members["max_completion_tokens"] ?? members["max_tokens"])?.intValue }
    }

    private static let limits = JSONLimits(byteCountMax: RequestParser.bodyBytesMax)

    private static func wrongType(_ name: String, expected: String, found: JSONValue) -> Refusal {
        Refusal(
            "Invalid type for '\(name)': expected \(expected), but got \(found.kindWithArticle) instead.",
            param: name,
            code: "invalid_type"
        )
    }

    /// The text of a message: its content, or the text parts of its content one after the other.
    private static func text(of message: JSONValue?) -> String {
        guard let content = message?["content"] else { return "" }
        if let text = content.stringValue { return beginning(of: text) }
        var text = ""
        for part in content.arrayValue ?? [] {
            guard let piece = part["text"]?.stringValue else { continue }
            text += beginning(of: piece)
            if text.count >= echoedCharactersMax { break }
        }
        return beginning(of: text)
    }

    private static func beginning(of text: String) -> String {
        // No text has more characters than bytes, and bytes need no counting.
        text.utf8.count <= echoedCharactersMax ? text : String(text.prefix(echoedCharactersMax))
    }
}

extension JSONValue {
    /// The kind of value, for a sentence.
    fileprivate var kindWithArticle: String {
        switch self {
        case .null: "null"
        case .bool: "a boolean"
        case .number: "a number"
        case .string: "a string"
        case .array: "an array"
        case .object: "an object"
        }
    }
}
