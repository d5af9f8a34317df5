import JSON

extension Report {
    /// The report for programs: one JSON object, without a line feed at its end.
    ///
    /// The keys are stable; more may be added. `by`: `day`, `model`, `provider` or `epochs`. `columns`: an array of
    /// objects with `title` (string) and the integers `total_tasks`, `completed`, `failed`, `open`, `llm_calls`,
    /// `llm_level_failures`, `attempts`, `retries`, `fallbacks`, `application_failures` and `rejected`, and with
    /// `success_rate`, in percent with one decimal, null without tasks. `gaps`: an object with the integers `count`
    /// (runs of missing events) and `events` (missing events).
    public func json() -> [UInt8] {
        var writer = JSONWriter()
        writer.beginObject()
        writer.member("by", by.word)
        writer.key("columns")
        writer.beginArray()
        for column in columns { column.write(to: &writer) }
        writer.endArray()
        writer.key("gaps")
        writer.beginObject()
        writer.member("count", gaps.count)
        writer.member("events", gaps.events)
        writer.endObject()
        writer.endObject()
        return writer.bytes
    }
}

extension Report.Columns {
    fileprivate var word: String {
        switch self {
        case .day: "day"
        case .model: "model"
        case .provider: "provider"
        case .epochs: "epochs"
        }
    }
}

extension Report.Column {
    fileprivate func write(to writer: inout JSONWriter) {
        writer.beginObject()
        writer.member("title", title)
        writer.member("total_tasks", totalTasks)
        writer.member("completed", completed)
        writer.member("failed", failed)
        writer.member("open", open)
        writer.key("success_rate")
        if let successPermille {
            writer.raw(Array("\(successPermille / 10).\(successPermille % 10)".utf8))
        } else {
            writer.null()
        }
        writer.member("llm_calls", llmCalls)
        writer.member("llm_level_failures", llmLevelFailures)
        writer.member("attempts", attempts)
        writer.member("retries", retries)
        writer.member("fallbacks", fallbacks)
        writer.member("application_failures", applicationFailures)
        writer.member("rejected", rejected)
        writer.endObject()
    }
}
