public import CoreTypes
import JSON

extension BrokerMessage {
    /// The verbs that a broker sends to a worker.
    public static let verbs: [Verb] = [.welcome, .job, .go, .noGo, .cancel, .acknowledge, .beat, .error]

    /// Reads the message whose F0 is frame `start`; surplus body frames are ignored.
    ///
    /// - Throws: As ``AgentMessage/decode(_:from:)``.
    public static func decode<Frames: FrameSource & ~Copyable>(
        _ frames: borrowing Frames,
        from start: Int = 0
    ) throws(BusError) -> BrokerMessage {
        try decoded(frames, from: start)
    }

    @inline(__always)
    static func decoded<Frames: FrameSource & ~Copyable>(
        _ frames: borrowing Frames,
        from start: Int
    ) throws(BusError) -> BrokerMessage {
        try BrokerMessage(frames, try MessageHead(frames, from: start))
    }

    private init<Frames: FrameSource & ~Copyable>(
        _ frames: borrowing Frames,
        _ head: MessageHead
    ) throws(BusError) {
        switch head.verb {
        case .welcome:
            self = .welcome(try WorkerWelcome(frames, head))
        case .job:
            try head.requireBody(1, "at least 1")
            self = .job(try head.deliveryKey(frames), try JobHeader(frames, head))
        case .go:
            let key = try head.deliveryKey(frames, needsAttempt: true)
            self = .go(key, session: try Self.session(try HeaderReader(frames, head, known: ["session"])))
        case .noGo:
            let key = try head.deliveryKey(frames, needsAttempt: true)
            let header = try HeaderReader(frames, head, known: ["session", "reason", "wait_ms"])
            self = .noGo(
                key,
                session: try Self.session(header),
                reason: try header.required("reason") { (value) throws(JSONError) in
                    try value.word(NoGoReason.self)
                },
                wait: try header.optional("wait_ms") { (value) throws(JSONError) in try value.milliseconds() }
            )
        case .cancel:
            let key = try head.deliveryKey(frames)
            self = .cancel(key, session: try Self.session(try HeaderReader(frames, head, known: ["session"])))
        case .acknowledge:
            self = .acknowledge(try head.deliveryKey(frames))
        case .beat:
            let header = try HeaderReader(frames, head, known: ["state"])
            self = .beat(
                try header.required("state") { (value) throws(JSONError) in try value.word(BeatOrder.self) }
            )
        case .error:
            self = .error(id: head.rawID(frames), try BusError(frames, head))
        default:
            throw head.wrongSender("a broker to a worker", sends: Self.verbs)
        }
    }

    private static func session(_ header: HeaderReader) throws(BusError) -> SessionToken {
        try header.required("session") { (value) throws(JSONError) in try value.session() }
    }

    /// The message as frames.
    ///
    /// - Parameter body: F4.. of a `JOB`: the request's body; other messages make their own.
    public func encoded(body: [Bytes] = []) -> OutgoingMessage {
        switch self {
        case .welcome(let welcome):
            OutgoingMessage(.welcome, header: welcome.header, body: welcome.body)
        case .job(let key, let header):
            OutgoingMessage(.job, id: key.bytes, header: header.encoded, body: body)
        case .go(let key, let session):
            OutgoingMessage(.go, id: key.bytes, header: session.header)
        case .noGo(let key, let session, let reason, let wait):
            OutgoingMessage(.noGo, id: key.bytes, header: Self.noGoHeader(session, reason, wait))
        case .cancel(let key, let session):
            OutgoingMessage(.cancel, id: key.bytes, header: session.header)
        case .acknowledge(let key):
            OutgoingMessage(.acknowledge, id: key.bytes)
        case .beat(let order):
            OutgoingMessage(.beat, header: BeatHeaders.header(order))
        case .error(let id, let error):
            OutgoingMessage(.error, id: id, header: error.header)
        }
    }

    private static func noGoHeader(_ session: SessionToken, _ reason: NoGoReason, _ wait: Duration?) -> [UInt8] {
        var writer = JSONWriter(reserving: 96)
        writer.beginObject()
        writer.member("session", session.text)
        writer.member("reason", reason.rawValue)
        writer.member("wait_ms", milliseconds: wait)
        writer.endObject()
        return writer.bytes
    }
}

extension SessionToken {
    /// The header of `GO` and `CANCEL`.
    public var header: [UInt8] {
        var writer = JSONWriter(reserving: 64)
        writer.beginObject()
        writer.member("session", text)
        writer.endObject()
        return writer.bytes
    }
}

/// The headers that a broker's `BEAT` can have, made once.
private enum BeatHeaders {
    static let run = Array(#"{"state":"run"}"#.utf8)
    static let quiet = Array(#"{"state":"quiet"}"#.utf8)
    static let rejoin = Array(#"{"state":"rejoin"}"#.utf8)

    static func header(_ order: BeatOrder) -> [UInt8] {
        switch order {
        case .run: run
        case .quiet: quiet
        case .rejoin: rejoin
        }
    }
}
