import BusProtocol
import CoreTypes
import JSON
import Testing

@testable import Broker
@testable import Dispatch

/// The documents of `sys.health`, `sys.workers` and `sys.requests`, made without a socket.
@Suite struct SystemDocumentTests {
    private func text(_ snapshot: SystemSnapshot, journalBytes: Int64? = nil) -> String {
        String(decoding: snapshot.document(journalBytes: journalBytes), as: UTF8.self)
    }

    private func health() -> SystemHealth {
        var counters = Counters()
        counters.accepted = 5
        counters.rejected = 1
        counters.replied = 2
        counters.failed = 1
        counters.deliveries = 4
        counters.goes = 4
        counters.queued = 1
        counters.leased = 1
        return SystemHealth(
            epoch: 1_767_225_600_000,
            uptime: .milliseconds(61_000),
            isStopping: false,
            workers: 1,
            counters: counters,
            queuedByPriority: [0, 0, 0, 0, 1, 0, 0, 0, 0, 0],
            gauges: [
                SystemHealth.Gauge(limit: .open, used: 2, most: 100_000),
                SystemHealth.Gauge(limit: .openBytes, used: 180, most: 1 << 30),
                SystemHealth.Gauge(limit: .kept, used: 0, most: 1_000_000),
                SystemHealth.Gauge(limit: .keptBytes, used: 0, most: 1 << 30),
                SystemHealth.Gauge(limit: .remembered, used: 3, most: 16_000_000),
            ],
            journalRefusal: nil,
            rejections: [SystemHealth.Rejection(code: .busy, count: 1)]
        )
    }

    private func worker(_ name: String) -> SystemWorker {
        SystemWorker(
            name: name,
            pid: 4242,
            state: .joined,
            capacity: 1000,
            held: 1,
            credit: 999,
            leaseRemaining: .milliseconds(14_200),
            sessionAge: .seconds(60),
            deliveries: 4
        )
    }

    private func request(_ id: String, task: String?) throws -> SystemRequest {
        SystemRequest(
            id: try #require(RequestID(id)),
            task: task,
            state: .queued,
            priority: 4,
            age: .milliseconds(5),
            remaining: .milliseconds(1_799_995),
            deliveries: 0,
            attempts: 0,
            worker: nil
        )
    }

    /// These are the documents in `protocol/vectors.json`.
    @Test func documentsAreWrittenAsSpecified() throws {
        #expect(
            text(.health(health())) == """
                {"protocol":"UBP/1","version":"\(ProductVersion.text)","epoch":1767225600000,"uptime_ms":61000,\
                "state":"running","workers":1,"queued":1,"queued_by_priority":[0,0,0,0,1,0,0,0,0,0],"in_flight":1,\
                "orphaned":0,"open":2,"open_bytes":180,"kept":0,"kept_bytes":0,"remembered":3,"limits":{"open":100000,\
                "open_bytes":1073741824,"kept":1000000,"kept_bytes":1073741824,"remembered":16000000},"full":[],\
                "totals":{"accepted":5,"rejected":1,"replied":2,"failed":1,"deliveries":4,"go":4,"nogo":0,\
                "lost_deliveries":0,"late":0},"rejections":{"busy":1}}
                """
        )
        #expect(
            text(.workers([worker("w.1")])) == """
                {"workers":[{"name":"w.1","pid":4242,"state":"joined","capacity":1000,"held":1,"credit":999,\
                "lease_remaining_ms":14200,"joined_ms":60000,"deliveries":4}],"truncated":false}
                """
        )
        #expect(
            text(.requests([try request("task-1.call-2", task: "task-1")], isTruncated: true)) == """
                {"requests":[{"id":"task-1.call-2","task":"task-1","state":"queued","priority":4,"age_ms":5,\
                "remaining_ms":1799995,"deliveries":0,"attempts":0}],"truncated":true}
                """
        )
    }

    @Test func aReachedLimitIsNamedAndAJournalHasASize() throws {
        var health = health()
        health.isStopping = true
        health.journalRefusal = BusError(.storeFull, "the disk is full")
        health.gauges[0].used = 100_000
        health.gauges[4].used = 16_000_000
        let json = try JSONValue(parsing: Array(text(.health(health), journalBytes: 4096).utf8))
        #expect(json["full"] == ["open", "remembered"])
        #expect(json["state"] == "stopping")
        #expect(json["journal_bytes"] == 4096)
        #expect(json["journal_refusal"]?.stringValue?.contains("the disk is full") == true)
    }

    @Test func aDocumentStaysWithinItsLimitWhateverNamesAreIn() throws {
        let evil = String(repeating: "\u{1}", count: Limits.taskBytesMax)
        let id = String(repeating: "x", count: Limits.requestIDBytesMax)
        var entry = try request(id, task: evil)
        entry.worker = String(repeating: "\u{2}", count: Limits.peerNameBytesMax)
        let requests = SystemSnapshot.requests(Array(repeating: entry, count: 1000), isTruncated: false).document()
        let workers = SystemSnapshot.workers(Array(repeating: worker(evil), count: 5000)).document()
        for (document, list) in [(requests, "requests"), (workers, "workers")] {
            #expect(document.count <= Limits.systemDocumentBytesMax)
            #expect(document.count > Limits.systemDocumentBytesMax / 2)
            let json = try JSONValue(parsing: document)
            #expect(json["truncated"] == true)
            let entries = try JSONReader(json).member(list).array()
            #expect(entries.count > 100)
        }
    }
}
