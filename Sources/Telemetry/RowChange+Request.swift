import JSON
import SQLite

// Events of the class `request`: each statement stands beside the function that makes its values.
extension RowChange {
    /// A trail longer than this is not kept; the counts in the same record are.
    static let trailBytesMax = 64 << 10

    static let acceptedSQL = """
        INSERT INTO request (epoch, tenant, job, id, task, priority, durability, accepted_ms)
        VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8) ON CONFLICT DO NOTHING
        """

    /// The same id accepted by a later broker is the same request: its older row, whose broker is gone, stops counting.
    static let movedSQL = """
        UPDATE request SET outcome = 'moved' WHERE tenant = ?2 AND id = ?3 AND epoch < ?1 AND outcome IS NULL
        """

    static func accepted(_ event: EventFields, _ place: Place) throws(JSONError) -> [RowChange] {
        let tenant = Value.text(try event.requiredString("tenant"))
        let id = Value.text(try event.requiredString("id"))
        let values: [Value] = [
            place.values[0], tenant, .integer(try event.requiredInteger("job")), id,
            Value(try event.string("task")), Value(try event.integer("priority")),
            Value(try event.string("durability")), .integer(try event.requiredInteger("time_ms")),
        ]
        return [
            RowChange(kind: .requestMoved, values: [place.values[0], tenant, id]),
            RowChange(kind: .requestAccepted, values: values),
        ]
    }

    static let rejectedSQL = """
        INSERT INTO rejection (epoch, seq, time_ms, tenant, id, task, code, symbol)
        VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)
        """

    static func rejected(_ event: EventFields, _ place: Place) throws(JSONError) -> RowChange {
        let values: [Value] = [
            .integer(try event.requiredInteger("time_ms")), .text(try event.requiredString("tenant")),
            Value(try event.string("id")), Value(try event.string("task")), Value(try event.integer("code")),
            Value(try event.string("symbol")),
        ]
        return RowChange(kind: .requestRejected, values: place.values + values)
    }

    private static let endedColumns = """
        ended_ms = ?6, ended_epoch = ?1, outcome = ?7, ended_by = ?8, class = ?9, deliveries = ?10,
        paid_deliveries = ?11, waited_ms = ?12, duration_ms = ?13, provider = ?14, request_model = ?15,
        response_model = ?16, model = ?17, resolved_model = ?18, attempts = ?19, retries = ?20, fallbacks = ?21,
        total_attempts = ?22, input_tokens = ?23, output_tokens = ?24, cached_tokens = ?25, reasoning_tokens = ?26,
        finish_reasons = ?27, ttft_ms = ?28, call_ms = ?29, trail = ?30
        """

    /// The row of the acceptance. `?4` and `?5` are named only so that all three statements have the same parameters.
    static let endedSQL = """
        UPDATE request SET \(endedColumns), id = ?4, task = coalesce(?5, task)
        WHERE epoch = ?1 AND job = ?3 AND tenant = ?2 AND (outcome IS NULL OR outcome = 'moved')
        """

    /// A job that outlived its broker was accepted in an earlier epoch.
    static let endedElsewhereSQL = """
        UPDATE request SET \(endedColumns), task = coalesce(?5, task)
        WHERE number = (
            SELECT number FROM request WHERE tenant = ?2 AND id = ?4 AND epoch < ?1 AND outcome IS NULL AND ?3 IS NOT NULL
            ORDER BY epoch DESC LIMIT 1
        )
        """

    /// The acceptance was never seen: its time follows from the duration.
    static let endedAloneSQL = """
        INSERT INTO request (
            epoch, tenant, job, id, task, accepted_ms, ended_ms, ended_epoch, outcome, ended_by, class, deliveries,
            paid_deliveries, waited_ms, duration_ms, provider, request_model, response_model, model, resolved_model,
            attempts, retries, fallbacks, total_attempts, input_tokens, output_tokens, cached_tokens,
            reasoning_tokens, finish_reasons, ttft_ms, call_ms, trail
        ) VALUES (
            ?1, ?2, ?3, ?4, ?5, ?6 - coalesce(?13, 0), ?6, ?1, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17,
            ?18, ?19, ?20, ?21, ?22, ?23, ?24, ?25, ?26, ?27, ?28, ?29, ?30
        ) ON CONFLICT DO NOTHING
        """

    static func ended(_ event: EventFields, _ place: Place) throws(JSONError) -> RowChange {
        let outcome = try outcome(event, ["reply", "failure"])
        let call = try event.object("call")
        // The broker names the class only of a FAILURE of its own making.
        var failure = try event.string("class")
        if failure == nil { failure = try call?.string("error.type") }
        let own: [Value] = [
            place.values[0], .text(try event.requiredString("tenant")), .integer(try event.requiredInteger("job")),
            .text(try event.requiredString("id")), Value(try event.string("task")),
            .integer(try event.requiredInteger("time_ms")), .text(outcome), Value(try event.string("by")),
            Value(failure), Value(try event.integer("deliveries")), Value(try event.integer("paid_deliveries")),
            Value(try event.integer("waited_ms")), Value(try event.integer("duration_ms")),
        ]
        return RowChange(kind: .requestEnded, values: own + (try callValues(call)))
    }

    /// `?14` to `?30` of an end: the worker's record of the call, all NULL without one.
    private static func callValues(_ call: EventFields?) throws(JSONError) -> [Value] {
        guard let call else { return Array(repeating: .null, count: 17) }
        return [
            Value(try call.string("gen_ai.provider.name")), Value(try call.string("gen_ai.request.model")),
            Value(try call.string("gen_ai.response.model")), Value(try call.string("model")),
            Value(try call.string("resolved_model")), Value(try call.integer("attempts")),
            Value(try call.integer("retries")), Value(try call.integer("fallbacks")),
            Value(try call.integer("total_attempts")), Value(try call.integer("gen_ai.usage.input_tokens")),
            Value(try call.integer("gen_ai.usage.output_tokens")),
            Value(try call.integer("gen_ai.usage.cache_read.input_tokens")),
            Value(try call.integer("gen_ai.usage.reasoning.output_tokens")),
            Value(call.json("gen_ai.response.finish_reasons", bytesMax: 1024)), Value(try call.integer("ttft_ms")),
            Value(try call.integer("duration_ms")), Value(call.json("trail", bytesMax: trailBytesMax)),
        ]
    }

    static let lateSQL = """
        INSERT INTO late (
            epoch, seq, time_ms, tenant, id, job, delivery, outcome, model, provider, input_tokens, output_tokens
        ) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)
        """

    static func late(_ event: EventFields, _ place: Place) throws(JSONError) -> RowChange {
        let call = try event.object("call")
        let values: [Value] = [
            .integer(try event.requiredInteger("time_ms")), .text(try event.requiredString("tenant")),
            .text(try event.requiredString("id")), .integer(try event.requiredInteger("job")),
            Value(try event.integer("delivery")), .text(try outcome(event, ["reply", "failure"])),
            Value(try call?.string("resolved_model")), Value(try call?.string("gen_ai.provider.name")),
            Value(try call?.integer("gen_ai.usage.input_tokens")),
            Value(try call?.integer("gen_ai.usage.output_tokens")),
        ]
        return RowChange(kind: .requestLate, values: place.values + values)
    }

    static func outcome(_ event: EventFields, _ known: [String]) throws(JSONError) -> String {
        let outcome = try event.requiredString("outcome")
        guard known.contains(outcome) else {
            let message = "found another word, expected one of \(known.joined(separator: ", "))"
            throw JSONError(code: .notAllowed, message: message, path: "$.outcome")
        }
        return outcome
    }
}
