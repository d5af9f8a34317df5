import BusProtocol
import CoreTypes
import JSON
import Resilience

/// The record of a request that ended at this worker: F4 of its terminal, published by the broker as `call`.
///
/// Names are OpenTelemetry's for generative AI where it has one. No prompt, no answer, no text of a provider.
struct CallRecord: Sendable {
    /// The model that the chain began with; nil when no chain could be made.
    var primary: ModelName?
    /// The model that answered, or whose failure is shown.
    var called: ModelName?
    /// The good reply; nil in a failure.
    var reply: ReplySummary?
    /// The class of the failure; nil when there was a reply.
    var failure: FailureClass?
    /// What the trail adds up to.
    var meta: CallMeta

    /// The record as JSON.
    var json: [UInt8] {
        var writer = JSONWriter(reserving: 1024)
        writer.beginObject()
        writer.member("gen_ai.operation.name", "chat")
        writer.member("gen_ai.provider.name", called?.provider)
        writer.member("gen_ai.request.model", called?.model)
        if let reply { write(reply, into: &writer) }
        writer.member("error.type", failure?.rawValue)
        writer.member("model", primary?.description)
        writer.key("resolved_model")
        if let resolved = meta.resolvedModel { writer.string(resolved.description) } else { writer.null() }
        writer.member("attempts", meta.attempts)
        writer.member("retries", meta.retries)
        writer.member("fallbacks", meta.fallbacks)
        writer.member("total_attempts", meta.totalAttempts)
        writer.member("ttft_ms", meta.timeToFirstToken?.wholeMilliseconds)
        writer.member("duration_ms", meta.duration.wholeMilliseconds)
        writer.key("trail")
        meta.trail.write(into: &writer)
        writer.endObject()
        return writer.finished()
    }

    private func write(_ reply: ReplySummary, into writer: inout JSONWriter) {
        // Words of a provider: long ones are none that anybody wants to count by.
        writer.member("gen_ai.response.model", reply.responseModel.map { String($0.prefix(256)) })
        if let reason = reply.finishReason {
            writer.member("gen_ai.response.finish_reasons", [String(reason.prefix(64))])
        }
        guard let usage = reply.usage else { return }
        writer.member("gen_ai.usage.input_tokens", usage.promptTokens)
        writer.member("gen_ai.usage.output_tokens", usage.completionTokens)
        writer.member("gen_ai.usage.cache_read.input_tokens", usage.cachedTokens)
        writer.member("gen_ai.usage.reasoning.output_tokens", usage.reasoningTokens)
    }
}

/// The event `attempt.ended`.
struct AttemptEvent: Sendable {
    /// Whose request it is.
    var tenant: Tenant
    /// The agent's id.
    var id: RequestID
    /// The agent's task.
    var task: String?
    /// The worker's name.
    var worker: String
    /// What happened.
    var record: AttemptRecord
    /// Time of day in Unix milliseconds.
    var wallNow: Int64

    /// The event as JSON.
    var json: [UInt8] {
        var writer = JSONWriter(reserving: 384)
        writer.beginObject()
        writer.member("event", "attempt.ended")
        writer.member("time_ms", wallNow)
        writer.member("tenant", tenant.description)
        writer.member("id", id.text)
        writer.member("task", task)
        writer.member("worker", worker)
        writer.member("attempt", Int(record.attempt))
        writer.member("model", record.model.description)
        writer.member("gen_ai.provider.name", record.model.provider)
        writer.member("gen_ai.request.model", record.model.model)
        writer.member("http.response.status_code", record.httpStatus)
        writer.member("error.type", record.failureClass?.rawValue)
        writer.member("duration_ms", record.duration.wholeMilliseconds)
        writer.member("wait_ms", record.wait.wholeMilliseconds)
        writer.member("next", record.next.rawValue)
        writer.endObject()
        return writer.finished()
    }
}
