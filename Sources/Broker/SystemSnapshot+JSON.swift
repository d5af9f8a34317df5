import BusProtocol
import CoreTypes
import Dispatch
import JSON

extension SystemSnapshot {
    /// The document as JSON, at most ``Limits/systemDocumentBytesMax``: a list is cut where the next entry might not fit.
    ///
    /// - Parameter journalBytes: Size of the journal on disk; nil for a broker without one.
    func document(journalBytes: Int64? = nil) -> [UInt8] {
        var json = JSONWriter(reserving: 1024)
        json.beginObject()
        switch self {
        case .health(let health):
            health.write(into: &json, journalBytes: journalBytes)
        case .workers(let workers):
            Self.writeList("workers", workers, false, into: &json) { $0.write(into: &$1) }
        case .requests(let requests, let isTruncated):
            Self.writeList("requests", requests, isTruncated, into: &json) { $0.write(into: &$1) }
        }
        json.endObject()
        return json.finished()
    }

    /// More than the largest entry and the end of the document: names of 256 bytes of which each may take six.
    private static var reserve: Int { 8 * 1024 }

    private static func writeList<Element>(
        _ key: String,
        _ elements: [Element],
        _ isTruncated: Bool,
        into json: inout JSONWriter,
        _ write: (Element, inout JSONWriter) -> Void
    ) {
        var written = 0
        json.key(key)
        json.beginArray()
        for element in elements {
            guard json.count <= Limits.systemDocumentBytesMax - reserve else { break }
            json.beginObject()
            write(element, &json)
            json.endObject()
            written += 1
        }
        json.endArray()
        json.member("truncated", isTruncated || written < elements.count)
    }
}

extension SystemHealth {
    fileprivate func write(into json: inout JSONWriter, journalBytes: Int64?) {
        json.member("protocol", ProtocolVersion.text)
        json.member("version", ProductVersion.text)
        json.member("epoch", epoch)
        json.member("uptime_ms", uptime.wholeMilliseconds)
        json.member("state", isStopping ? "stopping" : "running")
        json.member("workers", workers)
        json.member("queued", counters.queued)
        json.key("queued_by_priority")
        json.beginArray()
        for count in queuedByPriority { json.int(count) }
        json.endArray()
        json.member("in_flight", counters.leased)
        json.member("orphaned", counters.orphaned)
        for gauge in gauges { json.member(gauge.limit.rawValue, gauge.used) }
        json.member("journal_bytes", journalBytes)
        json.member("journal_refusal", journalRefusal?.description)
        json.key("limits")
        json.beginObject()
        for gauge in gauges { json.member(gauge.limit.rawValue, gauge.most) }
        json.endObject()
        json.member("full", gauges.filter { $0.used >= $0.most }.map(\.limit.rawValue))
        json.key("totals")
        json.beginObject()
        json.member("accepted", counters.accepted)
        json.member("rejected", counters.rejected)
        json.member("replied", counters.replied)
        json.member("failed", counters.failed)
        json.member("deliveries", counters.deliveries)
        json.member("go", counters.goes)
        json.member("nogo", counters.noGoes)
        json.member("lost_deliveries", counters.lostDeliveries)
        json.member("late", counters.lateTerminals)
        json.endObject()
        json.key("rejections")
        json.beginObject()
        for rejection in rejections { json.member(rejection.code.symbol, rejection.count) }
        json.endObject()
    }
}

extension SystemWorker {
    fileprivate func write(into json: inout JSONWriter) {
        json.member("name", name)
        json.member("pid", pid.map(Int.init))
        json.member("state", state.rawValue)
        json.member("capacity", capacity)
        json.member("held", held)
        json.member("credit", credit)
        json.member("lease_remaining_ms", leaseRemaining.wholeMilliseconds)
        json.member("joined_ms", sessionAge.wholeMilliseconds)
        json.member("deliveries", deliveries)
    }
}

extension SystemRequest {
    fileprivate func write(into json: inout JSONWriter) {
        json.member("id", id.text)
        json.member("task", task)
        json.member("state", state.rawValue)
        json.member("priority", priority)
        json.member("age_ms", age.wholeMilliseconds)
        json.member("remaining_ms", remaining?.wholeMilliseconds)
        json.member("deliveries", Int(deliveries))
        json.member("attempts", Int(attempts))
        json.member("worker", worker)
    }
}
