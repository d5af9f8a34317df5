import BusProtocol
import CoreTypes
import EventLoop
import SQLite
import Testing
import ZeroMQ

@testable import Telemetry

@Suite(.timeLimit(.minutes(10)))
struct CollectorTests {
    private func event(_ sequence: UInt64, epoch: UInt64 = 1) -> FrameList {
        let json = #"{"event":"worker.left","time_ms":\#(Recorder.day),"worker":"w","pid":1}"#
        return TelemetryFrames(.worker, tenant: nil, epoch: epoch, sequence: sequence, json: Bytes(json)).frameList
    }

    @Test func whatWasPublishedBeforeTheStopIsStored() async throws {
        let file = TemporaryFile()
        let socket = TemporaryFile("telemetry.sock")
        let context = try Context()
        let publisher = try Publisher(context, socketPath: socket.path)
        let loop = try EventLoop(name: "collector")
        var settings = Collector.Settings(endpoint: publisher.endpoint, databasePath: file.path)
        // A busy machine may keep libzmq's thread waiting.
        settings.drainSilence = .seconds(1)
        let collector = Collector(settings, context: context, on: loop)
        async let counts = collector.run()
        try await publisher.awaitSubscriber()
        for sequence: UInt64 in 1...5000 where sequence != 4000 { try await publisher.send(event(sequence)) }
        try await publisher.send(FrameList(texts: ["evt.worker.-.", "nonsense"]))
        try await publisher.send(FrameList(texts: ["evt.weather.-.", "UBP/1", "12345678", "12345678", "{}"]))
        collector.stop()
        let result = try await counts
        #expect(result.stored == 4999 && result.missing == 1 && result.gaps == 1)
        #expect(result.malformed == 1 && result.unknown == 1)
        let database = try TelemetryDatabase(path: file.path)
        #expect(try database.lastSequence(.worker, epoch: 1) == 5000)
        #expect(try Connection(path: file.path, access: .readOnly).integer("SELECT count(*) FROM worker") == 4999)
        await publisher.close()
        loop.shutDown()
    }

    @Test func anotherConnectionSeesEventsWhileTheCollectorRuns() async throws {
        let file = TemporaryFile()
        let socket = TemporaryFile("telemetry.sock")
        let context = try Context()
        let publisher = try Publisher(context, socketPath: socket.path)
        let loop = try EventLoop(name: "collector")
        var settings = Collector.Settings(endpoint: publisher.endpoint, databasePath: file.path)
        settings.batchTimeMax = .milliseconds(1)
        let collector = Collector(settings, context: context, on: loop)
        async let counts = collector.run()
        try await publisher.awaitSubscriber()
        try await publisher.send(event(1))
        let database = try TelemetryDatabase(path: file.path)
        while try database.lastSequence(.worker, epoch: 1) < 1 { await Task.yield() }
        collector.stop()
        collector.stop()
        #expect(try await counts.stored == 1)
        await publisher.close()
        loop.shutDown()
    }

    @Test func aCollectorStoppedBeforeItRunsReturns() async throws {
        let file = TemporaryFile()
        let loop = try EventLoop(name: "collector")
        let settings = Collector.Settings(endpoint: "ipc://\(file.path).sock", databasePath: file.path)
        let collector = Collector(settings, context: try Context(), on: loop)
        collector.stop()
        #expect(try await collector.run() == CollectorCounts())
        loop.shutDown()
    }

    @Test func aSecondCollectorOnTheDatabaseIsRefused() async throws {
        let file = TemporaryFile()
        let lock = try DatabaseLock(databasePath: file.path)
        let loop = try EventLoop(name: "collector")
        let settings = Collector.Settings(endpoint: "ipc://\(file.path).sock", databasePath: file.path)
        let collector = Collector(settings, context: try Context(), on: loop)
        let error = await #expect(throws: TelemetryError.self) { try await collector.run() }
        #expect(error?.code == .inUse)
        withExtendedLifetime(lock) {}
        loop.shutDown()
    }

    @Test func aDatabaseThatFailsEndsTheCollector() async throws {
        let file = TemporaryFile()
        let socket = TemporaryFile("telemetry.sock")
        let context = try Context()
        let publisher = try Publisher(context, socketPath: socket.path)
        let loop = try EventLoop(name: "collector")
        let settings = Collector.Settings(endpoint: publisher.endpoint, databasePath: file.path)
        let collector = Collector(settings, context: context, on: loop)
        let run = Task { try await collector.run() }
        try await publisher.awaitSubscriber()
        try Connection(path: file.path, access: .readWrite).execute("DROP TABLE worker")
        try await publisher.send(event(1))
        let error = await #expect(throws: TelemetryError.self) { try await run.value }
        #expect(error?.code == .store && error?.cause?.call == "sqlite3_step")
        #expect(error?.message.contains("no such table: worker") == true)
        // The lock is free again.
        _ = try DatabaseLock(databasePath: file.path)
        await publisher.close()
        loop.shutDown()
    }

    @Test func theCollectorFollowsABrokersRestart() async throws {
        let file = TemporaryFile()
        let socket = TemporaryFile("telemetry.sock")
        let context = try Context()
        let loop = try EventLoop(name: "collector")
        var settings = Collector.Settings(endpoint: "ipc://" + socket.path, databasePath: file.path)
        settings.batchTimeMax = .milliseconds(1)
        let collector = Collector(settings, context: context, on: loop)
        async let counts = collector.run()
        for epoch: UInt64 in [1, 2] {
            let publisher = try Publisher(context, socketPath: socket.path)
            try await publisher.awaitSubscriber()
            try await publisher.send(event(1, epoch: epoch))
            let database = try TelemetryDatabase(path: file.path)
            while try database.lastSequence(.worker, epoch: epoch) < 1 { await Task.yield() }
            await publisher.close()
        }
        collector.stop()
        let result = try await counts
        #expect(result.stored == 2 && result.missing == 0)
        #expect(try TelemetryDatabase(path: file.path).epochs().map(\.epoch) == [2, 1])
        loop.shutDown()
    }

    @Test func countsReadWell() {
        var counts = CollectorCounts()
        #expect(counts.description == "0 events stored")
        counts.stored = 1
        counts.gaps = 1
        counts.missing = 3
        counts.malformed = 2
        #expect(counts.description == "1 event stored, 3 missing in 1 gap, 2 malformed")
    }
}
