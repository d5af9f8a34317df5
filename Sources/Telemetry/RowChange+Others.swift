import JSON
import SQLite

// Events of the classes `attempt`, `task`, `worker` and `snapshot`.
extension RowChange {
    static let attemptSQL = """
        INSERT INTO attempt (
            epoch, seq, time_ms, tenant, id, task, worker, attempt, model, provider, request_model, status, class,
            duration_ms, wait_ms, next
        ) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16)
        """

    static func attempt(_ event: EventFields, _ place: Place) throws(JSONError) -> RowChange {
        let values: [Value] = [
            .integer(try event.requiredInteger("time_ms")), .text(try event.requiredString("tenant")),
            .text(try event.requiredString("id")), Value(try event.string("task")), Value(try event.string("worker")),
            Value(try event.integer("attempt")), Value(try event.string("model")),
            Value(try event.string("gen_ai.provider.name")), Value(try event.string("gen_ai.request.model")),
            Value(try event.integer("http.response.status_code")), Value(try event.string("error.type")),
            Value(try event.integer("duration_ms")), Value(try event.integer("wait_ms")),
            Value(try event.string("next")),
        ]
        return RowChange(kind: .attempt, values: place.values + values)
    }

    /// A later report on the same task of the same broker replaces the earlier one.
    static let taskSQL = """
        INSERT INTO task (epoch, tenant, task, time_ms, outcome, kind) VALUES (?1, ?2, ?3, ?4, ?5, ?6)
        ON CONFLICT (tenant, task, epoch) DO UPDATE SET
            time_ms = excluded.time_ms, outcome = excluded.outcome, kind = excluded.kind
        """

    static func task(_ event: EventFields, _ place: Place) throws(JSONError) -> RowChange {
        let values: [Value] = [
            place.values[0], .text(try event.requiredString("tenant")), .text(try event.requiredString("task")),
            .integer(try event.requiredInteger("time_ms")), .text(try outcome(event, ["completed", "failed"])),
            Value(try event.string("kind")),
        ]
        return RowChange(kind: .task, values: values)
    }

    static let workerSQL = """
        INSERT INTO worker (
            epoch, seq, time_ms, event, worker, pid, capacity, requeued, failed, reason, tenant, id, job, delivery,
            attempt
        ) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15)
        """

    static func worker(_ event: EventFields, _ place: Place) throws(JSONError) -> RowChange {
        let values: [Value] = [
            .integer(try event.requiredInteger("time_ms")), .text(try event.requiredString("event")),
            Value(try event.string("worker")), Value(try event.integer("pid")), Value(try event.integer("capacity")),
            Value(try event.integer("requeued")), Value(try event.integer("failed")),
            Value(try event.string("reason")), Value(try event.string("tenant")), Value(try event.string("id")),
            Value(try event.integer("job")), Value(try event.integer("delivery")), Value(try event.integer("attempt")),
        ]
        return RowChange(kind: .worker, values: place.values + values)
    }

    /// One row per broker: the latest counters stand.
    static let snapshotSQL = """
        INSERT INTO broker (
            epoch, seq, time_ms, queued, in_flight, workers, open, accepted_total, rejected_total, replied_total,
            failed_total, go_total
        ) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)
        ON CONFLICT (epoch) DO UPDATE SET
            seq = excluded.seq, time_ms = excluded.time_ms, queued = excluded.queued, in_flight = excluded.in_flight,
            workers = excluded.workers, open = excluded.open, accepted_total = excluded.accepted_total,
            rejected_total = excluded.rejected_total, replied_total = excluded.replied_total,
            failed_total = excluded.failed_total, go_total = excluded.go_total
        """

    static func snapshot(_ event: EventFields, _ place: Place) throws(JSONError) -> RowChange {
        var values = place.values
        values.append(.integer(try event.requiredInteger("time_ms")))
        for key in [
            "queued", "in_flight", "workers", "open", "accepted_total", "rejected_total", "replied_total",
            "failed_total", "go_total",
        ] {
            values.append(Value(try event.integer(key)))
        }
        return RowChange(kind: .snapshot, values: values)
    }

    static let progressSQL = """
        INSERT INTO progress (epoch, class, last, stored, malformed, unknown, duplicates, missing)
        VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)
        ON CONFLICT (epoch, class) DO UPDATE SET
            last = excluded.last, stored = excluded.stored, malformed = excluded.malformed,
            unknown = excluded.unknown, duplicates = excluded.duplicates, missing = excluded.missing
        """
}
