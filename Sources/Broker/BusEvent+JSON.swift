import BusProtocol
import CoreTypes
import Dispatch
import JSON

/// A telemetry event ready to be published.
struct EncodedEvent {
    var eventClass: EventClass
    var tenant: Tenant?
    var json: [UInt8]
}

extension BusEvent {
    /// The event as JSON.
    ///
    /// - Parameters:
    ///   - time: Unix milliseconds.
    ///   - record: The record of the worker whose terminal is in hand, as raw JSON.
    func encoded(time: Int64, record: Bytes?) -> EncodedEvent {
        var json = JSONWriter(reserving: 256 + (record?.count ?? 0))
        json.beginObject()
        json.member("event", name)
        json.member("time_ms", time)
        write(into: &json, record: record)
        json.endObject()
        return EncodedEvent(eventClass: eventClass, tenant: tenant, json: json.finished())
    }

    private var name: String {
        switch self {
        case .requestAccepted: "request.accepted"
        case .requestRejected: "request.rejected"
        case .requestEnded: "request.ended"
        case .requestLate: "request.late"
        case .workerJoined: "worker.joined"
        case .workerLeft: "worker.left"
        case .workerLost: "worker.lost"
        case .deliveryLost: "delivery.lost"
        case .taskEnded: "task.ended"
        }
    }

    private var eventClass: EventClass {
        switch self {
        case .requestAccepted, .requestRejected, .requestEnded, .requestLate: .request
        case .workerJoined, .workerLeft, .workerLost, .deliveryLost: .worker
        case .taskEnded: .task
        }
    }

    private var tenant: Tenant? {
        switch self {
        case .requestAccepted(let key, _, _, _, _), .requestRejected(let key, _, _): key.tenant
        case .requestEnded(let ending): ending.key.tenant
        case .requestLate(let key, _, _): key?.tenant
        case .taskEnded(let tenant, _): tenant
        case .workerJoined, .workerLeft, .workerLost, .deliveryLost: nil
        }
    }

    private func write(into json: inout JSONWriter, record: Bytes?) {
        switch self {
        case .requestAccepted(let key, let job, let task, let priority, let durability):
            Self.write(key, into: &json)
            json.member("job", job.value)
            json.member("task", task)
            json.member("priority", priority)
            json.member("durability", durability.rawValue)
        case .requestRejected(let key, let task, let code):
            Self.write(key, into: &json)
            json.member("task", task)
            json.member("code", code.number)
            json.member("symbol", code.symbol)
        case .requestEnded(let ending):
            Self.write(ending, into: &json, record: record)
        case .requestLate(let key, let delivery, let isReply):
            if let key { Self.write(key, into: &json) }
            json.member("job", delivery.job.value)
            json.member("delivery", Int(delivery.delivery))
            json.member("outcome", isReply ? "reply" : "failure")
            Self.write(record: record, into: &json)
        case .workerJoined(let name, let pid, let capacity):
            json.member("worker", name)
            json.member("pid", pid.map(Int.init))
            json.member("capacity", capacity)
        case .workerLeft(let name, let pid):
            json.member("worker", name)
            json.member("pid", pid.map(Int.init))
        case .workerLost(let name, let pid, let reason, let requeued, let failed):
            json.member("worker", name)
            json.member("pid", pid.map(Int.init))
            json.member("reason", reason.rawValue)
            json.member("requeued", requeued)
            json.member("failed", failed)
        case .deliveryLost(let key, let delivery, let worker):
            Self.write(key, into: &json)
            json.member("job", delivery.job.value)
            json.member("delivery", Int(delivery.delivery))
            json.member("attempt", Int(delivery.attempt))
            json.member("worker", worker)
        case .taskEnded(let tenant, let report):
            json.member("tenant", tenant.description)
            json.member("task", report.task.text)
            json.member("outcome", report.outcome == .completed ? "completed" : "failed")
            if report.outcome == .failedInApplication { json.member("kind", "application") }
            if report.outcome == .failedInLLM { json.member("kind", "llm") }
        }
    }

    private static func write(_ key: RequestKey, into json: inout JSONWriter) {
        json.member("tenant", key.tenant.description)
        json.member("id", key.id.text)
    }

    private static func write(_ ending: Ending, into json: inout JSONWriter, record: Bytes?) {
        write(ending.key, into: &json)
        json.member("job", ending.job.value)
        json.member("task", ending.task)
        json.member("outcome", ending.isReply ? "reply" : "failure")
        json.member("class", ending.brokerClass?.rawValue)
        json.member("by", ending.brokerClass == nil ? "worker" : "broker")
        json.member("deliveries", Int(ending.deliveries))
        json.member("paid_deliveries", Int(ending.paidDeliveries))
        json.member("waited_ms", ending.waited.wholeMilliseconds)
        json.member("duration_ms", ending.duration.wholeMilliseconds)
        if ending.brokerClass == nil { write(record: record, into: &json) }
    }

    private static func write(record: Bytes?, into json: inout JSONWriter) {
        guard let record, !record.isEmpty else { return }
        json.key("call")
        json.raw(record)
    }
}
