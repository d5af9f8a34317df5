import BusProtocol
import CoreTypes
import Dispatch
import EventLoop
import JSON
import ZeroMQ

/// Publishes telemetry and numbers it, each class on its own. On the loop's thread.
///
/// A subscriber that does not keep up loses messages and sees it by the numbers; it never slows the broker.
final class EventPublisher {
    private let socket: Socket
    private let epoch: [UInt8]
    /// The topics that were used last, one for each class.
    private var topics: [(tenant: Tenant?, frame: [UInt8])?] = Array(repeating: nil, count: EventClass.allCases.count)
    private var unsent: [(topic: [UInt8], sequence: UInt64, json: Bytes)] = []
    private var sequences = [UInt64](repeating: 0, count: EventClass.allCases.count)

    init(_ socket: Socket, epoch: Int64) {
        self.socket = socket
        self.epoch = TelemetryFrames.numberFrame(UInt64(epoch))
    }

    /// Events that wait for ``sendUnsent()``.
    var unsentCount: Int { unsent.count }

    /// Publishes an event with the next ``sendUnsent()``.
    func publish(_ event: EncodedEvent) {
        publish(event.eventClass, tenant: event.tenant, json: Bytes(event.json))
    }

    /// Publishes an event that is JSON already.
    func publish(_ eventClass: EventClass, tenant: Tenant?, json: Bytes) {
        let index = Self.index(eventClass)
        sequences[index] += 1
        unsent.append((topic(eventClass, index, tenant), sequences[index], json))
    }

    /// Sends what was published.
    func sendUnsent() throws(ZeroMQError) {
        for event in unsent {
            guard case .sent = try socket.send(event.topic, more: true) else { continue }
            try socket.send("UBP/1", more: true)
            try socket.send(epoch, more: true)
            try unsafe withUnsafeBytes(of: event.sequence.bigEndian) { (bytes) throws(ZeroMQError) in
                unsafe _ = try socket.send(bytes, more: true)
            }
            try socket.send(event.json)
        }
        unsent.removeAll(keepingCapacity: unsent.count <= Self.unsentKept)
    }

    /// Events for which room is kept from turn to turn.
    private static let unsentKept = 4096

    private func topic(_ eventClass: EventClass, _ index: Int, _ tenant: Tenant?) -> [UInt8] {
        if let last = topics[index], last.tenant == tenant { return last.frame }
        let frame = TelemetryFrames.topic(eventClass, tenant: tenant)
        topics[index] = (tenant, frame)
        return frame
    }

    /// Publishes the absolute counters, with the last number of every class, its own included.
    func publishSnapshot(_ counters: Counters, workers: Int, journalBytes: Int?, time: Int64) {
        var json = JSONWriter(reserving: 512)
        json.beginObject()
        json.member("event", "snapshot")
        json.member("time_ms", time)
        json.key("seqs")
        json.beginObject()
        for eventClass in EventClass.allCases {
            let own: UInt64 = eventClass == .snapshot ? 1 : 0
            json.member(eventClass.rawValue, sequences[Self.index(eventClass)] + own)
        }
        json.endObject()
        json.member("workers", workers)
        json.member("open", counters.open)
        json.member("queued", counters.queued)
        json.member("in_flight", counters.leased)
        json.member("kept", counters.kept)
        json.member("open_bytes", counters.openBytes)
        json.member("journal_bytes", journalBytes)
        json.member("accepted_total", counters.accepted)
        json.member("rejected_total", counters.rejected)
        json.member("replied_total", counters.replied)
        json.member("failed_total", counters.failed)
        json.member("delivery_total", counters.deliveries)
        json.member("go_total", counters.goes)
        json.member("nogo_total", counters.noGoes)
        json.member("lost_delivery_total", counters.lostDeliveries)
        json.member("late_total", counters.lateTerminals)
        json.endObject()
        publish(.snapshot, tenant: nil, json: Bytes(json.finished()))
    }

    private static func index(_ eventClass: EventClass) -> Int {
        switch eventClass {
        case .request: 0
        case .attempt: 1
        case .worker: 2
        case .task: 3
        case .snapshot: 4
        }
    }
}
