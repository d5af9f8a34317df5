import BusProtocol
public import CoreTypes
import JSON
import Resilience

/// OpenAI's Chat Completions, without streaming: the dialect of every OpenAI-compatible base URL.
///
/// Source: notes on providers, 5.1.
public struct OpenAIChat: Dialect {
    /// Makes the dialect.
    public init() {}

    /// Replaces `model`, and removes what is Understudy's (`fallback_models`) and what asks for a stream. Every other
    /// byte of the body stays.
    public func makeRequest(_ request: ChatRequest, model: String, stream: Bool, key: String?) -> ProviderRequest {
        var replacing: [(key: String, value: [UInt8])] = [("model", JSONValue(model).serialized())]
        var removing = ["fallback_models"]
        if stream {
            replacing.append(("stream", Array("true".utf8)))
        } else {
            removing += ["stream", "stream_options"]
        }
        var headers = [
            ("Content-Type", "application/json"), ("Accept", stream ? "text/event-stream" : "application/json"),
        ]
        if let key { headers.append(("Authorization", "Bearer \(key)")) }
        return ProviderRequest(
            path: "/chat/completions",
            headers: headers,
            body: JSONSplice.rewriting(
                request.body,
                members: request.members,
                replacing: replacing,
                removing: removing
            )
        )
    }

    /// Reads a whole answer; see ``ErrorReader`` for what makes a failure of which class.
    public func readReply(
        status: Int,
        headers: [(String, String)],
        body: Bytes,
        wallNow: Int64
    ) -> ReplyReading {
        let reader = ErrorReader(status: status, headers: headers, body: body, wallNow: wallNow)
        guard (200...299).contains(status) else { return .failure(reader.failure()) }
        guard let members = Self.members(of: body) else { return .failure(reader.failureOfNoObject()) }
        if members.contains("error"), Self.saysError(member("error", members, body)) {
            return .failure(reader.failure())
        }
        guard let range = members.value(for: "choices"), members.kind(of: "choices") == .array else {
            // Some servers send a bare error envelope with status 200 (`object: error`, or `message` alone).
            let isEnvelope = members.contains("message") || members.contains("detail") || members.contains("code")
            return .failure(isEnvelope ? reader.failure() : reader.malformed("a reply without choices"))
        }
        var summary = ReplySummary(httpStatus: status)
        if let usage = member("usage", members, body) { summary.usage = TokenUsage(openAI: usage) }
        summary.responseModel = member("model", members, body)?.stringValue
        summary.responseID = member("id", members, body)?.stringValue
        guard let choices = try? JSONValue(parsing: body, in: range).arrayValue else {
            // Valid JSON that no Swift string can hold (a lone surrogate): the agent may still want it.
            return .success(summary)
        }
        guard let first = choices.first else { return .failure(reader.malformed("a reply with no choice")) }
        summary.finishReason = first["finish_reason"]?.stringValue
        if let failure = Self.failure(of: first, reader: reader) { return .failure(failure) }
        return .success(summary)
    }

    /// The members of an answer; nil when it is no JSON object. One with duplicate keys is paid for, most agents can read
    /// it, and asking again would bring the same.
    private static func members(of body: Bytes) -> JSONMembers? {
        do throws(JSONError) {
            return try JSONMembers(scanning: body)
        } catch {
            guard error.code == .duplicateKey else { return nil }
            return try? JSONMembers(scanning: body, keepingDuplicates: true)
        }
    }

    /// What is wrong with a choice; nil when it is good.
    private static func failure(of choice: JSONValue, reader: ErrorReader) -> AttemptFailure? {
        if let error = choice["error"], saysError(error) { return reader.failure(of: error) }
        switch choice["finish_reason"]?.stringValue {
        case "content_filter":
            return reader.make(.contentPolicy, message: "the provider's content filter ended the reply")
        case "error":
            return reader.make(.serverError, message: "the provider ended the reply with finish_reason error")
        case nil, "stop":
            guard isEmpty(choice) else { return nil }
            return reader.malformed("a reply without content")
        default:
            guard choice["message"]?.objectValue != nil || choice["text"]?.stringValue != nil else {
                return reader.malformed("a choice without a message")
            }
            // `length` without content is a reply: reasoning used the tokens up, and would do so again.
            return nil
        }
    }

    /// Whether a member `error` tells of one. Some servers always send it, and mean none by null, false, "" or {}. One
    /// that cannot be read counts.
    private static func saysError(_ value: JSONValue?) -> Bool {
        switch value {
        case .null?, .bool(false)?: false
        case .string(let text)?: !text.isEmpty
        case .object(let object)?: !object.isEmpty
        case .array(let list)?: !list.isEmpty
        case .bool?, .number?, nil: true
        }
    }

    private static func isEmpty(_ choice: JSONValue) -> Bool {
        if choice["text"]?.stringValue?.isEmpty == false { return false }
        guard let message = choice["message"]?.objectValue else { return true }
        let answers = [
            "content", "tool_calls", "function_call", "refusal", "audio", "images", "reasoning", "reasoning_content",
            "reasoning_details",
        ]
        return answers.allSatisfy { key in
            switch message[key] {
            case nil, .null?: true
            case .string(let text)?: text.isEmpty
            case .array(let list)?: list.isEmpty
            case .object(let object)?: object.isEmpty
            case .bool?, .number?: false
            }
        }
    }

    private func member(_ key: String, _ members: JSONMembers, _ body: Bytes) -> JSONValue? {
        guard let range = members.value(for: key) else { return nil }
        return try? JSONValue(parsing: body, in: range)
    }
}

extension TokenUsage {
    /// Reads a `usage` object; nil when it has no count of the prompt or is no object. Details that are absent stay nil.
    init?(openAI usage: JSONValue) {
        guard let prompt = usage["prompt_tokens"]?.intValue, prompt >= 0 else { return nil }
        self.init(
            promptTokens: prompt,
            completionTokens: max(0, usage["completion_tokens"]?.intValue ?? 0),
            cachedTokens: usage["prompt_tokens_details"]?["cached_tokens"]?.intValue.map { max(0, $0) },
            reasoningTokens: usage["completion_tokens_details"]?["reasoning_tokens"]?.intValue.map { max(0, $0) }
        )
    }
}
