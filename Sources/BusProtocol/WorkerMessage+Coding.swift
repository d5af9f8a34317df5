public import CoreTypes
import JSON

extension WorkerMessage {
    /// The verbs that a worker sends.
    public static let verbs: [Verb] = [
        .ready, .credit, .start, .chunk, .reply, .failure, .returned, .beat, .event, .bye,
    ]

    /// What a broker makes of the frames on `workers.sock`, without the routing id that ROUTER put before them.
    ///
    /// Workers are attached: an envelope is refused.
    public static func receive<Frames: FrameSource & ~Copyable>(
        _ frames: borrowing Frames
    ) -> Received<WorkerMessage> {
        received(frames)
    }

    @inline(__always)
    static func received<Frames: FrameSource & ~Copyable>(_ frames: borrowing Frames) -> Received<WorkerMessage> {
        .decoding(frames, after: .none) { (frames, head) throws(BusError) in try WorkerMessage(frames, head) }
    }

    /// Reads the message whose F0 is frame `start`. Lanes, records, the headers of terminals and chunks, and events are
    /// not parsed.
    ///
    /// - Throws: As ``AgentMessage/decode(_:from:)``.
    public static func decode<Frames: FrameSource & ~Copyable>(
        _ frames: borrowing Frames,
        from start: Int = 0
    ) throws(BusError) -> WorkerMessage {
        try WorkerMessage(frames, try MessageHead(frames, from: start))
    }

    private init<Frames: FrameSource & ~Copyable>(
        _ frames: borrowing Frames,
        _ head: MessageHead
    ) throws(BusError) {
        switch head.verb {
        case .ready:
            try head.requireNoID(frames)
            self = .ready(try WorkerReady(frames, head))
        case .credit:
            try head.requireNoBody()
            try head.requireNoID(frames)
            let header = try HeaderReader(frames, head, known: ["granted_total"])
            let total = try header.required("granted_total") { (value) throws(JSONError) in try value.uint64() }
            self = .credit(grantedTotal: total)
        case .start:
            try head.requireNoBody()
            self = .start(try head.deliveryKey(frames, needsAttempt: true))
        case .chunk:
            self = .chunk(try head.deliveryKey(frames, needsAttempt: true))
        case .reply:
            try head.requireBody(2, "at least 2: the record and the body")
            self = .reply(try head.deliveryKey(frames))
        case .failure:
            try head.requireBody(1, "1: the record")
            self = .failure(try head.deliveryKey(frames))
        case .returned:
            try head.requireNoBody()
            let key = try head.deliveryKey(frames)
            let header = try HeaderReader(frames, head, known: ["reason"])
            let reason = try header.required("reason") { (value) throws(JSONError) in
                try value.word(ReturnReason.self)
            }
            self = .returned(key, reason: reason)
        case .beat:
            try head.requireNoBody()
            try head.requireNoID(frames)
            self = .beat(try WorkerBeat(frames, head))
        case .event:
            try head.requireNoBody()
            self = .event(try Self.eventClass(frames, head))
        case .bye:
            try head.requireNoBody()
            try head.requireNoID(frames)
            self = .bye
        default:
            throw head.wrongSender("a worker", sends: Self.verbs)
        }
    }

    private static func eventClass<Frames: FrameSource & ~Copyable>(
        _ frames: borrowing Frames,
        _ head: MessageHead
    ) throws(BusError) -> EventClass {
        let word = unsafe frames.withFrame(head.idFrame) { bytes in unsafe String(decoding: bytes, as: UTF8.self) }
        if let found = EventClass(rawValue: word) { return found }
        throw BusError(
            .malformed,
            "F2 of EVENT is \(head.quotedID(frames)); expected one of "
                + EventClass.allCases.map(\.rawValue).joined(separator: ", ")
        )
    }

    /// The message as frames.
    ///
    /// - Parameters:
    ///   - header: F3 of `START` (see ``Lane``), `CHUNK`, `REPLY`, `FAILURE` and `EVENT`; the others make their own.
    ///   - body: F4.. of `CHUNK`, `REPLY` (record, then body) and `FAILURE` (record); the others make their own.
    public func encoded(header: [UInt8] = [], body: [Bytes] = []) -> OutgoingMessage {
        switch self {
        case .ready(let ready):
            OutgoingMessage(.ready, header: ready.header, body: ready.body)
        case .credit(let total):
            OutgoingMessage(.credit, header: Self.header { $0.member("granted_total", total) })
        case .start(let key):
            OutgoingMessage(.start, id: key.bytes, header: header)
        case .chunk(let key):
            OutgoingMessage(.chunk, id: key.bytes, header: header, body: body)
        case .reply(let key):
            OutgoingMessage(.reply, id: key.bytes, header: header, body: body)
        case .failure(let key):
            OutgoingMessage(.failure, id: key.bytes, header: header, body: body)
        case .returned(let key, let reason):
            OutgoingMessage(.returned, id: key.bytes, header: Self.header { $0.member("reason", reason.rawValue) })
        case .beat(let beat):
            OutgoingMessage(.beat, header: beat.header)
        case .event(let eventClass):
            OutgoingMessage(.event, id: Array(eventClass.rawValue.utf8), header: header)
        case .bye:
            OutgoingMessage(.bye)
        }
    }

    private static func header(_ members: (inout JSONWriter) -> Void) -> [UInt8] {
        var writer = JSONWriter(reserving: 48)
        writer.beginObject()
        members(&writer)
        writer.endObject()
        return writer.bytes
    }
}

extension WorkerBeat {
    fileprivate init<Frames: FrameSource & ~Copyable>(
        _ frames: borrowing Frames,
        _ head: MessageHead
    ) throws(BusError) {
        let header = try HeaderReader(frames, head, known: ["held", "lag_ms", "rss_kib"])
        let held = try header.optional("held") { (value) throws(JSONError) in
            try value.int(in: 0...Limits.heldCountMax)
        }
        let lag = try header.optional("lag_ms") { (value) throws(JSONError) in try value.milliseconds() }
        let resident = try header.optional("rss_kib") { (value) throws(JSONError) in try value.int(in: 0 ... .max) }
        self.init(held: held ?? 0, lag: lag ?? .zero, residentKiB: resident ?? 0)
    }

    fileprivate var header: [UInt8] {
        var writer = JSONWriter(reserving: 64)
        writer.beginObject()
        writer.member("held", held)
        writer.member("lag_ms", milliseconds: lag)
        writer.member("rss_kib", residentKiB)
        writer.endObject()
        return writer.bytes
    }
}
