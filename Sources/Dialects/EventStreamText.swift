import JSON

/// A whole server-sent event stream of chat completion chunks, read for one question: did it end well?
struct EventStreamText {
    /// The first error event's envelope; nil when there is none.
    private(set) var error: JSONValue?
    /// True when the stream has its end proof: a finish reason or `[DONE]`.
    private(set) var isFinished = false

    /// Whether `text` is such a stream.
    static func isEventStream(_ text: String, contentType: String?) -> Bool {
        contentType?.hasPrefix("text/event-stream") == true
            || ["data:", "event:", ":"].contains { text.hasPrefix($0) }
    }

    /// Reads the stream's `data:` lines; a line cut short is no event.
    init(_ text: String) {
        for line in text.utf8.split(whereSeparator: { $0 == 0x0A || $0 == 0x0D }) {
            guard line.starts(with: "data:".utf8) else { continue }
            let data = String(decoding: line.dropFirst(5).drop { $0 == 0x20 }, as: UTF8.self)
            if data == "[DONE]" {
                isFinished = true
                continue
            }
            guard let event = try? JSONValue(parsing: data) else { continue }
            if let found = event["error"], !found.isNull {
                error = event
                return
            }
            if event["choices"]?[0]?["finish_reason"]?.stringValue != nil { isFinished = true }
        }
    }
}
