import Benchmarks
import BusProtocol
import CoreTypes
import EventLoop
import Glibc
import JSON
import Telemetry
import ZeroMQ

/// `bench collector`: a collector process and a publisher of events that no broker made.
struct CollectorBench: Sendable {
    /// How often everything is measured.
    var repetitions: Int
    /// Whether a look is enough.
    var isQuick: Bool
    /// Events a second.
    var rate: Double

    private var seconds: Double { isQuick ? 0.5 : 10 }

    /// Measures on `stage`.
    func run(_ stage: BenchStage, _ progress: BenchProgress) async throws -> BenchReport {
        var report = BenchReport("collector", processorCount: Machine.processorCount)
        for repetition in 1...repetitions {
            progress.show("repetition \(repetition) of \(repetitions): \(Int(rate)) events/s")
            if let load = Machine.load { report.loads.append(load) }
            try await measure(repetition, stage, into: &report)
        }
        if let load = Machine.load { report.loads.append(load) }
        return report
    }

    private func measure(_ repetition: Int, _ stage: BenchStage, into report: inout BenchReport) async throws {
        let database = "\(stage.directory.path)/collector-\(repetition).sqlite"
        let loop = try EventLoop(name: "publisher")
        let epoch = UInt64(1_700_000_000_000 + repetition)
        let publisher = EventLoad(on: loop, epoch: epoch)
        try await publisher.open(stage.directory.endpoints)
        let arguments = ["--directory", stage.directory.path, "--database", database]
        let collector = try await stage.start("collect", arguments).meter
        try await publisher.waitForReader()
        guard let before = collector.cpuNanoseconds else { throw CommandFailure(.failed, "the collector is gone") }
        let begun = Machine.nanoseconds
        let last = try await publisher.publish(rate: rate, count: Int(rate * seconds))
        let published = Double(Machine.nanoseconds - begun) / 1e9
        try await waitUntilStored(last, epoch, database)
        let stored = Double(Machine.nanoseconds - begun) / 1e9
        guard let after = collector.cpuNanoseconds else { throw CommandFailure(.failed, "the collector is gone") }
        try await stage.stop(collector)
        await publisher.close()
        loop.shutDown()
        await loop.ended()

        let name = "\(Int(rate)) events/s"
        let total = Double(last.values.reduce(0, +))
        let missing = try TelemetryDatabase(path: database).epochs().reduce(0) { $0 + $1.missing }
        report.add(total / published, "published", unit: "1/s", to: name)
        report.add(total - Double(missing), "stored", to: name)
        report.add(Double(missing), "missing", to: name)
        report.add(stored - published, "behind at the end", unit: "s", to: name)
        report.add(Double(after - before) / 1000 / total, "collector CPU/event", unit: "us", to: name)
    }

    /// Waits until the database tells of the last event of each class, be it stored or missing.
    private func waitUntilStored(_ last: [EventClass: UInt64], _ epoch: UInt64, _ path: String) async throws {
        let until = Machine.nanoseconds + 60_000_000_000
        let database = try TelemetryDatabase(path: path)
        for (eventClass, sequence) in last {
            while try database.lastSequence(eventClass, epoch: epoch) < sequence {
                guard Machine.nanoseconds < until else {
                    throw CommandFailure(.failed, "the collector has not stored the events within a minute")
                }
                try await Task.sleep(for: .milliseconds(20))
            }
        }
    }
}

/// Publishes events like a broker's: of each request one that it was accepted, one of its attempt, one of its end.
actor EventLoad {
    private nonisolated let loop: EventLoop
    private let epoch: UInt64
    private var socket: Socket?
    private var receiver: LoopSocket?
    private var hasReader = false
    private var sequences: [EventClass: UInt64] = [:]

    /// Runs on the loop's thread.
    nonisolated var unownedExecutor: UnownedSerialExecutor { unsafe loop.asUnownedSerialExecutor() }

    /// Makes a publisher; it binds with ``open(_:)``.
    init(on loop: EventLoop, epoch: UInt64) {
        self.loop = loop
        self.epoch = epoch
    }

    /// Takes the broker's place at its telemetry socket.
    func open(_ directory: EndpointDirectory) throws {
        let socket = try Socket(try Context(), .xpub, .publisher)
        try socket.bind(try directory.endpoint("telemetry.sock"))
        receiver = try LoopSocket(socket, on: loop) { message in
            if unsafe message.withBytes(at: 0, { unsafe $0.first == 1 }) { self.hasReader = true }
        }
        self.socket = socket
    }

    /// Waits until somebody subscribes.
    func waitForReader() async throws {
        let until = loop.now().advanced(by: .seconds(20))
        while !hasReader {
            guard loop.now() < until else { throw CommandFailure(.failed, "the collector does not subscribe") }
            try await Task.sleep(for: .milliseconds(2))
        }
        // A snapshot tells the collector where each class begins.
        try publishSnapshot()
    }

    /// Publishes so many events, evenly, and a snapshot.
    ///
    /// - Returns: The last number of each class.
    func publish(rate: Double, count: Int) async throws -> [EventClass: UInt64] {
        let begun = Machine.nanoseconds
        var made = 0
        while made < count {
            let due = min(count, Int(Double(Machine.nanoseconds - begun) / 1e9 * rate))
            while made < due {
                try publish(made)
                made += 1
            }
            try await Task.sleep(for: .milliseconds(1))
        }
        try publishSnapshot()
        return sequences
    }

    /// Gives up the socket.
    func close() {
        receiver?.detach()
        socket?.close()
        socket = nil
    }

    private func publish(_ number: Int) throws {
        let job = UInt64(number / 3 + 1)
        var json = JSONWriter(reserving: 768)
        json.beginObject()
        let eventClass: EventClass
        switch number % 3 {
        case 0:
            eventClass = .request
            writeHead("request.accepted", job, into: &json)
            json.member("job", job)
            json.member("priority", 4)
            json.member("durability", "memory")
        case 1:
            eventClass = .attempt
            writeHead("attempt.ended", job, into: &json)
            json.member("worker", "bench")
            json.member("attempt", 1)
            json.member("model", "mock/ok")
            json.member("gen_ai.provider.name", "mock")
            json.member("gen_ai.request.model", "ok")
            json.member("http.response.status_code", 200)
            json.member("duration_ms", 12)
            json.member("wait_ms", 0)
            json.member("next", "reply")
        default:
            eventClass = .request
            writeHead("request.ended", job, into: &json)
            json.member("job", job)
            json.member("outcome", "reply")
            json.member("by", "worker")
            json.member("deliveries", 1)
            json.member("paid_deliveries", 1)
            json.member("waited_ms", 0)
            json.member("duration_ms", 13)
            json.key("call")
            json.raw(BenchMessages.record)
        }
        json.endObject()
        try send(eventClass, json.finished())
    }

    private func writeHead(_ event: String, _ job: UInt64, into json: inout JSONWriter) {
        json.member("event", event)
        json.member("time_ms", Int64(epoch) + Int64(job))
        json.member("tenant", "uid-0")
        json.member("id", "bench-\(job)")
    }

    private func publishSnapshot() throws {
        var json = JSONWriter(reserving: 512)
        json.beginObject()
        json.member("event", "snapshot")
        json.member("time_ms", Int64(epoch))
        json.key("seqs")
        json.beginObject()
        for eventClass in EventClass.allCases {
            json.member(eventClass.rawValue, sequences[eventClass, default: 0] + (eventClass == .snapshot ? 1 : 0))
        }
        json.endObject()
        for name in ["workers", "open", "queued", "in_flight"] { json.member(name, 0) }
        for name in ["accepted_total", "rejected_total", "replied_total", "failed_total", "go_total"] {
            json.member(name, UInt64(0))
        }
        json.endObject()
        try send(.snapshot, json.finished())
    }

    private func send(_ eventClass: EventClass, _ json: [UInt8]) throws {
        guard let socket else { return }
        sequences[eventClass, default: 0] += 1
        let tenant: Tenant? = eventClass == .snapshot ? nil : .user(0)
        try socket.send(TelemetryFrames.topic(eventClass, tenant: tenant), more: true)
        try socket.send("UBP/1", more: true)
        try socket.send(TelemetryFrames.numberFrame(epoch), more: true)
        try socket.send(TelemetryFrames.numberFrame(sequences[eventClass, default: 0]), more: true)
        try socket.send(json)
    }
}
