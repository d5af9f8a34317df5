import JSON

/// A chat completion of the mock: the same request always gets the same text.
struct Completion {
    /// Running number of the call, for ids.
    var number: Int
    /// Seconds since 1970.
    var created: Int64
    /// Model as named in the request.
    var model: String
    /// Text of the answer.
    var text: String
    var promptTokens: Int
    var completionTokens: Int

    /// Answers `request`; tokens are guessed at four bytes each.
    init(to request: ChatRequest, number: Int, created: Int64) {
        self.number = number
        self.created = created
        model = request.model
        text = request.userText.isEmpty ? "Mock answer" : "Mock answer to: " + request.userText
        promptTokens = max(1, request.messageBytes / 4)
        completionTokens = max(1, text.utf8.count / 4)
    }

    /// The `chat.completion` object.
    func body() -> [UInt8] {
        var writer = JSONWriter(reserving: 512 + text.utf8.count)
        begin(&writer, object: "chat.completion")
        writer.key("choices")
        writer.beginArray()
        writer.beginObject()
        writer.member("index", 0)
        writer.key("message")
        writer.beginObject()
        writer.member("role", "assistant")
        writer.member("content", text)
        writer.key("refusal")
        writer.null()
        writer.endObject()
        writer.key("logprobs")
        writer.null()
        writer.member("finish_reason", "stop")
        writer.endObject()
        writer.endArray()
        writeUsage(&writer)
        writer.member("system_fingerprint", "fp_mock")
        writer.endObject()
        return writer.bytes
    }

    /// The events of a stream, each a whole `data:` event with its blank line.
    func events(withUsage: Bool) -> [[UInt8]] {
        var events = [chunk { $0.roleDelta() }]
        for piece in pieces() { events.append(chunk { $0.contentDelta(piece) }) }
        events.append(chunk { $0.finish() })
        if withUsage {
            var writer = JSONWriter(reserving: 256)
            begin(&writer, object: "chat.completion.chunk")
            writer.key("choices")
            writer.beginArray()
            writer.endArray()
            writeUsage(&writer)
            writer.endObject()
            events.append(Self.event(writer.bytes))
        }
        events.append(Self.event(Array("[DONE]".utf8)))
        return events
    }

    /// Wraps the data of an event.
    static func event(_ data: [UInt8]) -> [UInt8] {
        Array("data: ".utf8) + data + Array("\n\n".utf8)
    }

    /// The text in at most four pieces of about the same length.
    private func pieces() -> [String] {
        let length = max(1, (text.count + 3) / 4)
        var pieces: [String] = []
        var rest = text[...]
        while !rest.isEmpty {
            pieces.append(String(rest.prefix(length)))
            rest = rest.dropFirst(length)
        }
        return pieces
    }

    private func chunk(_ writeChoice: (inout JSONWriter) -> Void) -> [UInt8] {
        var writer = JSONWriter(reserving: 256)
        begin(&writer, object: "chat.completion.chunk")
        writer.key("choices")
        writer.beginArray()
        writer.beginObject()
        writer.member("index", 0)
        writeChoice(&writer)
        writer.endObject()
        writer.endArray()
        writer.endObject()
        return Self.event(writer.bytes)
    }

    private func begin(_ writer: inout JSONWriter, object: String) {
        writer.beginObject()
        writer.member("id", "chatcmpl-mock-\(number)")
        writer.member("object", object)
        writer.member("created", created)
        writer.member("model", model)
    }

    private func writeUsage(_ writer: inout JSONWriter) {
        writer.key("usage")
        writer.beginObject()
        writer.member("prompt_tokens", promptTokens)
        writer.member("completion_tokens", completionTokens)
        writer.member("total_tokens", promptTokens + completionTokens)
        writer.endObject()
    }
}

extension JSONWriter {
    fileprivate mutating func roleDelta() {
        key("delta")
        beginObject()
        member("role", "assistant")
        key("content")
        string("")
        endObject()
        key("finish_reason")
        null()
    }

    fileprivate mutating func contentDelta(_ text: String) {
        key("delta")
        beginObject()
        member("content", text)
        endObject()
        key("finish_reason")
        null()
    }

    fileprivate mutating func finish() {
        key("delta")
        beginObject()
        endObject()
        member("finish_reason", "stop")
    }
}
