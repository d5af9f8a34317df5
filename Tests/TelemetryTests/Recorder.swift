import BusProtocol
import JSON
import SQLite

@testable import Telemetry

/// Plays a broker's events into a database, without a socket.
final class Recorder {
    /// 2026-02-15 00:00:00 UTC.
    static let day: Int64 = 1_771_113_600_000

    let path: String
    let epoch: UInt64
    private(set) var ingest: EventIngest
    private let store: EventStore
    private var sequences: [EventClass: UInt64] = [:]
    private var job: Int64 = 0
    /// Time of the next event.
    var time = Recorder.day

    init(_ path: String, epoch: UInt64 = 1) throws {
        self.path = path
        self.epoch = epoch
        store = try EventStore(path: path)
        ingest = EventIngest(resuming: try store.progress())
    }

    /// Stores one event, under the next number of its class unless one is given.
    func put(_ eventClass: EventClass, _ members: JSONObject, sequence: UInt64? = nil) throws {
        var members = members
        if members["time_ms"] == nil { members["time_ms"] = .number(JSONNumber(time)) }
        let number = sequence ?? (sequences[eventClass] ?? 0) + 1
        sequences[eventClass] = max(number, sequences[eventClass] ?? 0)
        try put(eventClass, sequence: number, json: JSONValue.object(members).serialized())
    }

    func put(_ eventClass: EventClass, sequence: UInt64, json: [UInt8]) throws {
        try store.apply(ingest.take(eventClass, epoch: epoch, sequence: sequence, json: json, now: time))
        try store.commit(ingest.takeProgress())
    }

    /// A request from acceptance to its end; `outcome` nil leaves it open. Gives its job number.
    @discardableResult
    func request(
        _ id: String,
        task: String? = nil,
        outcome: String? = "reply",
        failure: String? = nil,
        model: String = "a/one",
        resolved: String? = nil,
        tenant: String = "uid-1",
        takes milliseconds: Int64 = 10
    ) throws -> Int64 {
        job += 1
        var accepted: JSONObject = [
            "event": "request.accepted", "tenant": .string(tenant), "id": .string(id),
            "job": .number(JSONNumber(job)), "priority": 4, "durability": "memory",
        ]
        if let task { accepted["task"] = .string(task) }
        try put(.request, accepted)
        guard let outcome else { return job }
        time += milliseconds
        var call: JSONObject = ["model": .string(model), "gen_ai.provider.name": .string(String(model.prefix(1)))]
        call["resolved_model"] = outcome == "reply" ? .string(resolved ?? model) : .null
        if let failure { call["error.type"] = .string(failure) }
        var ended: JSONObject = [
            "event": "request.ended", "tenant": .string(tenant), "id": .string(id), "job": .number(JSONNumber(job)),
            "outcome": .string(outcome), "by": "worker", "deliveries": 1, "paid_deliveries": 1, "waited_ms": 1,
            "duration_ms": .number(JSONNumber(milliseconds)), "call": .object(call),
        ]
        if let task { ended["task"] = .string(task) }
        try put(.request, ended)
        return job
    }

    /// An attempt that ended.
    func attempt(_ id: String, model: String = "a/one", next: String = "end", failure: String? = nil) throws {
        var members: JSONObject = [
            "event": "attempt.ended", "tenant": "uid-1", "id": .string(id), "worker": "w1", "attempt": 1,
            "model": .string(model), "gen_ai.provider.name": .string(String(model.prefix(1))),
            "gen_ai.request.model": "one", "duration_ms": 5, "wait_ms": 0, "next": .string(next),
        ]
        if let failure { members["error.type"] = .string(failure) }
        try put(.attempt, members)
    }

    /// An agent's report on its task.
    func task(_ name: String, _ outcome: String, kind: String? = nil, tenant: String = "uid-1") throws {
        var members: JSONObject = [
            "event": "task.ended", "tenant": .string(tenant), "task": .string(name), "outcome": .string(outcome),
        ]
        if let kind { members["kind"] = .string(kind) }
        try put(.task, members)
    }

    func report(_ columns: Report.Columns = .day, _ filter: Report.Filter = Report.Filter()) throws -> Report {
        try Report(reading: TelemetryDatabase(path: path), by: columns, filter: filter)
    }

    func integer(_ sql: String) throws -> Int64? {
        try Connection(path: path, access: .readOnly).integer(sql)
    }

    /// The rows of `gap`, one text each.
    func gaps() throws -> [String] {
        let select = try Connection(path: path, access: .readOnly)
            .prepare("SELECT class || ' ' || first || '-' || last || ' ' || reason FROM gap ORDER BY number")
        var rows: [String] = []
        while try select.step() { rows.append(select.text(0)) }
        return rows
    }

    func prune(_ retention: Retention, now: Int64) throws -> Bool {
        try store.prune(retention, now: now)
    }
}
