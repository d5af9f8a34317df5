import BusProtocol
import CoreTypes
public import JSON

extension CallMeta {
    /// Most entries of a trail that are written; of a longer one the first and the last, and how many are left out.
    ///
    /// Keeps a header below 64 KiB whatever the models are called.
    public static let trailEntriesWrittenMax = 48

    /// Writes the object that `REPLY` and `FAILURE` carry as `meta`.
    ///
    /// Durations are whole milliseconds. `resolved_model` is null in a failure; `ttft_ms` and `usage` are absent when
    /// they are not known.
    public func write(into writer: inout JSONWriter) {
        writer.beginObject()
        writer.key("resolved_model")
        if let resolvedModel { writer.string(resolvedModel.description) } else { writer.null() }
        writer.member("attempts", attempts)
        writer.member("retries", retries)
        writer.member("fallbacks", fallbacks)
        writer.member("total_attempts", totalAttempts)
        writer.member("deliveries", deliveries)
        writer.member("waited_ms", waited.wholeMilliseconds)
        writer.member("duration_ms", duration.wholeMilliseconds)
        writer.member("ttft_ms", timeToFirstToken?.wholeMilliseconds)
        if let usage {
            writer.key("usage")
            usage.write(into: &writer)
        }
        writer.key("trail")
        trail.write(into: &writer)
        writer.endObject()
    }

    /// The same object as bytes.
    public var json: [UInt8] {
        var writer = JSONWriter(reserving: 512)
        write(into: &writer)
        return writer.finished()
    }
}

extension Trail {
    /// Writes the array `trail`: at most ``CallMeta/trailEntriesWrittenMax`` entries.
    public func write(into writer: inout JSONWriter) {
        writer.beginArray()
        if entries.count <= CallMeta.trailEntriesWrittenMax {
            for entry in entries { entry.write(into: &writer) }
        } else {
            let half = CallMeta.trailEntriesWrittenMax / 2
            for entry in entries.prefix(half) { entry.write(into: &writer) }
            writer.beginObject()
            writer.member("omitted", entries.count - 2 * half)
            writer.endObject()
            for entry in entries.suffix(half) { entry.write(into: &writer) }
        }
        writer.endArray()
    }
}

extension TokenUsage {
    /// Writes the object `usage`; the names are OpenAI's, details flattened.
    public func write(into writer: inout JSONWriter) {
        writer.beginObject()
        writer.member("prompt_tokens", promptTokens)
        writer.member("completion_tokens", completionTokens)
        writer.member("cached_tokens", cachedTokens)
        writer.member("reasoning_tokens", reasoningTokens)
        writer.endObject()
    }
}

extension TrailEntry {
    /// Writes one line of the trail.
    public func write(into writer: inout JSONWriter) {
        switch self {
        case .attempt(let record):
            record.write(into: &writer)
        case .skipped(let model, let reason):
            writer.beginObject()
            writer.member("model", model.description)
            writer.member("provider", model.provider.isEmpty ? nil : model.provider)
            writer.member("skipped", reason.rawValue)
            writer.endObject()
        case .lostDelivery(let lost):
            writer.beginObject()
            writer.member("lost_delivery", Int64(lost.delivery))
            if lost.attempt > 0 { writer.member("attempt", Int64(lost.attempt)) }
            writer.member("held_ms", lost.held.wholeMilliseconds)
            writer.endObject()
        }
    }
}

extension AttemptRecord {
    /// Writes the attempt's line of the trail; `class` and `status` are absent when there is none.
    public func write(into writer: inout JSONWriter) {
        writer.beginObject()
        writer.member("attempt", Int64(attempt))
        writer.member("model", model.description)
        writer.member("provider", model.provider)
        writer.member("class", failureClass?.rawValue)
        writer.member("status", httpStatus)
        writer.member("next", next.rawValue)
        writer.member("wait_ms", wait.wholeMilliseconds)
        writer.member("started_ms", started.wholeMilliseconds)
        writer.member("duration_ms", duration.wholeMilliseconds)
        writer.endObject()
    }
}
