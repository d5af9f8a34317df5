import BusProtocol
import CoreTypes
import JSON
import SQLite
import Testing

@testable import Telemetry

struct EventIngestTests {
    @Test func aRequestIsOneRowWithItsCall() throws {
        let file = TemporaryFile()
        let recorder = try Recorder(file.path)
        try recorder.put(
            .request,
            [
                "event": "request.accepted", "tenant": "uid-1", "id": "r\"1", "job": 7, "task": "t", "priority": 4,
                "durability": "memory",
            ]
        )
        recorder.time += 1500
        let trail: JSONValue = [["model": "a/one", "class": "overloaded"], ["model": "b/two"]]
        try recorder.put(
            .request,
            [
                "event": "request.ended", "tenant": "uid-1", "id": "r\"1", "job": 7, "task": "t", "outcome": "reply",
                "by": "worker", "deliveries": 2, "paid_deliveries": 1, "waited_ms": 3, "duration_ms": 1500,
                "call": [
                    "gen_ai.operation.name": "chat", "gen_ai.provider.name": "b", "gen_ai.request.model": "two",
                    "gen_ai.response.model": "two-1", "gen_ai.usage.input_tokens": 11,
                    "gen_ai.usage.output_tokens": 22, "gen_ai.response.finish_reasons": ["stop"], "model": "a/one",
                    "resolved_model": "b/two", "attempts": 1, "retries": 0, "fallbacks": 1, "total_attempts": 2,
                    "duration_ms": 1400.6, "trail": trail,
                ],
            ]
        )
        let row = try Connection(path: file.path, access: .readOnly).prepare(
            """
            SELECT epoch, tenant, job, id, task, accepted_ms, ended_ms, outcome, ended_by, class, deliveries,
                paid_deliveries, waited_ms, duration_ms, provider, request_model, response_model, model,
                resolved_model, attempts, retries, fallbacks, total_attempts, input_tokens, output_tokens,
                cached_tokens, finish_reasons, ttft_ms, call_ms, trail, priority, durability, ended_epoch
            FROM request
            """
        )
        #expect(try row.step())
        let found = (0..<row.columnCount).map { row.optionalText($0) }
        let start = String(Recorder.day)
        let end = String(Recorder.day + 1500)
        let trailText = String(decoding: trail.serialized(), as: UTF8.self)
        let expected: [String?] = [
            "1", "uid-1", "7", "r\"1", "t", start, end, "reply", "worker", nil, "2", "1", "3", "1500", "b", "two",
            "two-1", "a/one", "b/two", "1", "0", "1", "2", "11", "22", nil, "[\"stop\"]", nil, "1401", trailText, "4",
            "memory", "1",
        ]
        #expect(found == expected)
        #expect(try row.step() == false)
    }

    @Test func anEndWithoutItsAcceptanceIsARowToo() throws {
        let file = TemporaryFile()
        let recorder = try Recorder(file.path)
        try recorder.put(
            .request,
            [
                "event": "request.ended", "tenant": "uid-1", "id": "r", "job": 1, "outcome": "failure",
                "class": "worker_lost", "by": "broker", "duration_ms": 400,
            ],
            sequence: 2
        )
        #expect(
            try recorder.integer("SELECT accepted_ms FROM request WHERE class = 'worker_lost'") == Recorder.day - 400
        )
        #expect(try recorder.gaps() == ["request 1-1 absent"])
    }

    @Test func aRequestSentAgainToANewBrokerCountsOnce() throws {
        let file = TemporaryFile()
        do {
            let recorder = try Recorder(file.path, epoch: 1)
            try recorder.request("r", outcome: nil)
        }
        let recorder = try Recorder(file.path, epoch: 2)
        try recorder.request("r")
        let column = try #require(try recorder.report().columns.first)
        #expect(column.totalTasks == 1 && column.llmCalls == 1 && column.completed == 1 && column.open == 0)
    }

    @Test func aJobThatOutlivesItsBrokerEndsItsOwnRow() throws {
        let file = TemporaryFile()
        do {
            let recorder = try Recorder(file.path, epoch: 1)
            try recorder.request("r", outcome: nil)
        }
        let recorder = try Recorder(file.path, epoch: 2)
        try recorder.put(
            .request,
            ["event": "request.ended", "tenant": "uid-1", "id": "r", "job": 1, "outcome": "reply", "by": "worker"]
        )
        #expect(try recorder.integer("SELECT count(*) FROM request") == 1)
        #expect(try recorder.integer("SELECT ended_epoch FROM request WHERE epoch = 1 AND outcome = 'reply'") == 2)
    }

    @Test func everyEventOfTheProtocolIsStored() throws {
        let file = TemporaryFile()
        let recorder = try Recorder(file.path)
        try recorder.put(
            .request,
            [
                "event": "request.rejected", "tenant": "uid-1", "id": "r", "task": "t", "code": 429, "symbol": "busy",
            ]
        )
        try recorder.put(
            .request,
            [
                "event": "request.late", "tenant": "uid-1", "id": "r", "job": 1, "delivery": 1, "outcome": "reply",
                "call": ["resolved_model": "a/one", "gen_ai.usage.output_tokens": 5],
            ]
        )
        try recorder.attempt("r", next: "retry", failure: "overloaded")
        try recorder.task("t", "failed", kind: "llm")
        try recorder.put(.worker, ["event": "worker.joined", "worker": "w", "pid": 12, "capacity": 8])
        try recorder.put(.worker, ["event": "worker.left", "worker": "w", "pid": 12])
        try recorder.put(
            .worker,
            ["event": "worker.lost", "worker": "w", "pid": 12, "requeued": 1, "failed": 0, "reason": "died"]
        )
        try recorder.put(
            .worker,
            [
                "event": "delivery.lost", "tenant": "uid-1", "id": "r", "job": 1, "delivery": 1, "attempt": 2,
                "worker": "w",
            ]
        )
        try recorder.put(
            .snapshot,
            ["event": "snapshot", "seqs": ["request": 2], "queued": 3, "accepted_total": 9, "go_total": 10]
        )
        #expect(recorder.ingest.counts.stored == 9)
        #expect(recorder.ingest.counts.malformed == 0 && recorder.ingest.counts.missing == 0)
        for (table, count) in [
            ("rejection", 1), ("late", 1), ("attempt", 1), ("task", 1), ("worker", 4), ("broker", 1),
        ] {
            #expect(try recorder.integer("SELECT count(*) FROM \(table)") == Int64(count), "rows of \(table)")
        }
        #expect(try recorder.integer("SELECT go_total FROM broker") == 10)
    }

    @Test func aNumberThatJumpsLeavesAGap() throws {
        let file = TemporaryFile()
        let recorder = try Recorder(file.path)
        for sequence: UInt64 in [3, 4, 9, 10] {
            try recorder.put(.worker, ["event": "worker.left", "worker": "w"], sequence: sequence)
        }
        #expect(try recorder.gaps() == ["worker 1-2 absent", "worker 5-8 lost"])
        #expect(recorder.ingest.counts.gaps == 1 && recorder.ingest.counts.missing == 4)
    }

    @Test func classesCountForThemselves() throws {
        let file = TemporaryFile()
        let recorder = try Recorder(file.path)
        try recorder.put(.worker, ["event": "worker.left", "worker": "w"], sequence: 1)
        try recorder.task("t", "completed")
        try recorder.put(.worker, ["event": "worker.left", "worker": "w"], sequence: 2)
        #expect(try recorder.gaps() == [])
    }

    @Test func aSnapshotTellsWhatWasLostAtTheEnd() throws {
        let file = TemporaryFile()
        let recorder = try Recorder(file.path)
        try recorder.put(.worker, ["event": "worker.left", "worker": "w"])
        try recorder.put(
            .snapshot,
            ["event": "snapshot", "seqs": ["request": 0, "attempt": 2, "worker": 4, "task": 0, "snapshot": 9]]
        )
        #expect(try recorder.gaps() == ["attempt 1-2 absent", "worker 2-4 lost"])
        // The next event follows on what the snapshot told.
        try recorder.put(.worker, ["event": "worker.left", "worker": "w"], sequence: 5)
        #expect(try recorder.gaps().count == 2)
        let database = try TelemetryDatabase(path: file.path)
        #expect(try database.lastSequence(.worker, epoch: 1) == 5)
        #expect(try database.lastSequence(.attempt, epoch: 1) == 2)
        #expect(try database.lastSequence(.request, epoch: 1) == 0)
        #expect(try database.lastSequence(.worker, epoch: 2) == 0)
    }

    @Test func whatComesAgainIsIgnored() throws {
        let file = TemporaryFile()
        let recorder = try Recorder(file.path)
        for sequence: UInt64 in [1, 2, 2, 1, 3] {
            try recorder.put(.worker, ["event": "worker.left", "worker": "w"], sequence: sequence)
        }
        #expect(try recorder.integer("SELECT count(*) FROM worker") == 3)
        #expect(recorder.ingest.counts.duplicates == 2)
        #expect(try recorder.gaps() == [])
    }

    @Test func aNewCollectorGoesOnWhereTheLastOneStopped() throws {
        let file = TemporaryFile()
        do {
            let recorder = try Recorder(file.path)
            try recorder.put(.worker, ["event": "worker.left", "worker": "w"], sequence: 1)
        }
        let recorder = try Recorder(file.path)
        try recorder.put(.worker, ["event": "worker.left", "worker": "w"], sequence: 1)
        try recorder.put(.worker, ["event": "worker.left", "worker": "w"], sequence: 4)
        #expect(try recorder.gaps() == ["worker 2-3 absent"])
        #expect(recorder.ingest.counts.duplicates == 1)
        let epochs = try TelemetryDatabase(path: file.path).epochs()
        #expect(epochs.map(\.epoch) == [1])
        #expect(epochs.first?.last == [.worker: 4] && epochs.first?.missing == 2)
    }

    @Test(
        arguments: [
            "", "{", "[]", "null", "{}", #"{"event":7}"#, #"{"event":"worker.left"}"#,
            #"{"event":"worker.left","time_ms":"now"}"#, #"{"event":"worker.left","time_ms":1e99}"#,
            #"{"event":"request.accepted","time_ms":1,"tenant":"uid-1","id":"r"}"#,
            #"{"event":"request.ended","time_ms":1,"tenant":"u","id":"r","job":1,"outcome":"perhaps"}"#,
            #"{"event":"request.ended","time_ms":1,"tenant":"u","id":"r","job":1,"outcome":"reply","call":[]}"#,
            #"{"event":"task.ended","time_ms":1,"tenant":"u","task":"\ud800","outcome":"failed"}"#,
            #"{"event":"snapshot","time_ms":1,"seqs":{"request":"7"}}"#,
        ]
    )
    func malformedEventsAreCountedAndNothingElse(json: String) throws {
        var ingest = EventIngest()
        let eventClass: EventClass = json.contains("snapshot") ? .snapshot : .worker
        let changes = ingest.take(eventClass, epoch: 1, sequence: 1, json: Array(json.utf8), now: 0)
        #expect(changes.isEmpty)
        #expect(ingest.counts.malformed == 1 && ingest.counts.stored == 0)
        // It came, so it is no gap.
        let next = Array(#"{"event":"worker.left","time_ms":1}"#.utf8)
        #expect(ingest.take(eventClass, epoch: 1, sequence: 2, json: next, now: 0).map(\.kind) == [.worker])
    }

    @Test func eventsOfANewerBrokerAreCountedAndSkipped() {
        var ingest = EventIngest()
        let json = Array(#"{"event":"worker.sang","time_ms":1}"#.utf8)
        #expect(ingest.take(.worker, epoch: 1, sequence: 1, json: json, now: 0).isEmpty)
        #expect(ingest.counts.unknown == 1)
        ingest.takeUnreadable(isUnknown: true)
        ingest.takeUnreadable(isUnknown: false)
        #expect(ingest.counts.unknown == 2 && ingest.counts.malformed == 1)
        #expect(ingest.takeProgress().count == 2)
        #expect(ingest.takeProgress().isEmpty)
    }

    @Test func numbersBeyondTheDatabasesRangeAreMalformed() {
        var ingest = EventIngest()
        let json = Array(#"{"event":"worker.left","time_ms":1}"#.utf8)
        for (epoch, sequence): (UInt64, UInt64) in [(1, 0), (1, .max), (.max, 1)] {
            #expect(ingest.take(.worker, epoch: epoch, sequence: sequence, json: json, now: 0).isEmpty)
        }
        #expect(ingest.counts.malformed == 3)
    }

    @Test func onlyTheLatestBrokersAreFollowed() {
        var ingest = EventIngest()
        let json = Array(#"{"event":"worker.left","time_ms":1}"#.utf8)
        let count = UInt64(EventIngest.epochCountMax)
        for epoch in 1...count + 5 {
            #expect(ingest.take(.worker, epoch: epoch + 100, sequence: 1, json: json, now: 0).count == 1)
        }
        #expect(ingest.take(.worker, epoch: 50, sequence: 1, json: json, now: 0).isEmpty)
        #expect(ingest.counts.stale == 1)
        #expect(ingest.take(.worker, epoch: 100 + count + 5, sequence: 1, json: json, now: 0).isEmpty)
        #expect(ingest.counts.duplicates == 1)
    }

    @Test func mutatedEventsNeverStopTheIngest() throws {
        let file = TemporaryFile()
        let store = try EventStore(path: file.path)
        var ingest = EventIngest()
        var generator = SeededGenerator(seed: 20_260_215)
        let originals = [
            #"{"event":"request.accepted","time_ms":1,"tenant":"u","id":"r","job":1,"task":"t"}"#,
            #"{"event":"request.ended","time_ms":2,"tenant":"u","id":"r","job":1,"outcome":"reply","call":{"model":"a/b","attempts":1,"trail":[{"a":1}]}}"#,
            #"{"event":"attempt.ended","time_ms":3,"tenant":"u","id":"r","attempt":1,"next":"retry"}"#,
            #"{"event":"snapshot","time_ms":4,"seqs":{"request":5,"attempt":1,"worker":0,"task":0},"queued":1}"#,
        ].map { Array($0.utf8) }
        for sequence in 1...4000 {
            var json = originals[Int.random(in: 0..<originals.count, using: &generator)]
            for _ in 0..<Int.random(in: 0...3, using: &generator) {
                let position = Int.random(in: 0..<json.count, using: &generator)
                switch Int.random(in: 0..<3, using: &generator) {
                case 0: json[position] = UInt8.random(in: 0...255, using: &generator)
                case 1: json.remove(at: position)
                default: json.insert(UInt8.random(in: 32...126, using: &generator), at: position)
                }
            }
            let eventClass = EventClass.allCases[Int.random(in: 0..<5, using: &generator)]
            let changes = ingest.take(eventClass, epoch: 1, sequence: UInt64(sequence), json: json, now: 0)
            try store.apply(changes)
        }
        try store.commit(ingest.takeProgress())
        let counts = ingest.counts
        #expect(counts.stored > 0 && counts.malformed > 0)
        // A mutated snapshot may announce more than was sent; what follows then counts as repeated.
        #expect(counts.stored + counts.malformed + counts.unknown + counts.duplicates == 4000)
    }
}
