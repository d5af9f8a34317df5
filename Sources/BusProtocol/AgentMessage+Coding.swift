public import CoreTypes
import JSON

extension AgentMessage {
    /// The verbs that an agent sends.
    public static let verbs: [Verb] = [.hello, .request, .cancel, .get, .acknowledge, .task, .ping, .bye]

    /// What a broker makes of the frames on `agents.sock`, without the routing id that ROUTER put before them.
    public static func receive<Frames: FrameSource & ~Copyable>(
        _ frames: borrowing Frames
    ) -> Received<AgentMessage> {
        received(frames)
    }

    @inline(__always)
    static func received<Frames: FrameSource & ~Copyable>(_ frames: borrowing Frames) -> Received<AgentMessage> {
        let envelope: Envelope
        do throws(BusError) {
            envelope = try Envelope.read(frames)
        } catch {
            return .refused(error, envelope: .none, id: [])
        }
        return .decoding(frames, after: envelope) { (frames, head) throws(BusError) in
            try AgentMessage(frames, head)
        }
    }

    /// Reads the message whose F0 is frame `start`.
    ///
    /// - Throws: `malformed` with the field, what was found and what was expected; `too_large`; `not_implemented` for an
    ///   unknown verb or a `must` that names something unknown; `unexpected` for a verb of another role; `version`.
    public static func decode<Frames: FrameSource & ~Copyable>(
        _ frames: borrowing Frames,
        from start: Int = 0
    ) throws(BusError) -> AgentMessage {
        try AgentMessage(frames, try MessageHead(frames, from: start))
    }

    private init<Frames: FrameSource & ~Copyable>(
        _ frames: borrowing Frames,
        _ head: MessageHead
    ) throws(BusError) {
        guard Self.verbs.contains(head.verb) else { throw head.wrongSender("an agent", sends: Self.verbs) }
        if head.verb == .request {
            try head.requireBody(1, "at least 1")
        } else {
            try head.requireNoBody()
        }
        switch head.verb {
        case .hello:
            try head.requireNoID(frames)
            let header = try HeaderReader(frames, head, known: ["client"])
            self = .hello(
                AgentHello(
                    client: try header.optional("client") { (value) throws(JSONError) in
                        try value.text(byteCountMax: Limits.peerNameBytesMax)
                    }
                )
            )
        case .request:
            let id = try head.requestID(frames)
            try head.requireOwn(id)
            self = .request(id, try RequestHeader(frames, head))
        case .cancel:
            self = .cancel(try Self.plainID(frames, head))
        case .get:
            let id = try head.requestID(frames)
            let header = try HeaderReader(frames, head, known: ["wait_ms"])
            let wait = try header.optional("wait_ms") { (value) throws(JSONError) in
                try value.milliseconds(in: Limits.wait)
            }
            self = .get(id, wait: wait ?? .zero)
        case .acknowledge:
            self = .acknowledge(try Self.plainID(frames, head))
        case .task:
            self = .task(try TaskReport(frames, head))
        case .ping:
            _ = try HeaderReader(frames, head, known: [])
            self = .ping(token: head.rawID(frames))
        case .bye:
            try head.requireNoID(frames)
            _ = try HeaderReader(frames, head, known: [])
            self = .bye
        default:
            preconditionFailure("\(head.verb) is in AgentMessage.verbs and not decoded")
        }
    }

    /// The id of a message whose header has no members of its own.
    private static func plainID<Frames: FrameSource & ~Copyable>(
        _ frames: borrowing Frames,
        _ head: MessageHead
    ) throws(BusError) -> RequestID {
        let id = try head.requestID(frames)
        try head.requireOwn(id)
        if frames.byteCount(head.headerFrame) > 0 { _ = try HeaderReader(frames, head, known: []) }
        return id
    }

    /// The message as frames.
    ///
    /// - Parameter body: F4.. of a `REQUEST`; other messages have no body.
    public func encoded(body: [Bytes] = []) -> OutgoingMessage {
        switch self {
        case .hello(let hello):
            return OutgoingMessage(.hello, header: hello.header)
        case .request(let id, let header):
            return OutgoingMessage(.request, id: id.bytes, header: header.encoded, body: body)
        case .cancel(let id):
            return OutgoingMessage(.cancel, id: id.bytes)
        case .get(let id, let wait):
            var writer = JSONWriter(reserving: 32)
            guard wait > .zero else { return OutgoingMessage(.get, id: id.bytes) }
            writer.beginObject()
            writer.member("wait_ms", milliseconds: wait)
            writer.endObject()
            return OutgoingMessage(.get, id: id.bytes, header: writer.bytes)
        case .acknowledge(let id):
            return OutgoingMessage(.acknowledge, id: id.bytes)
        case .task(let report):
            return OutgoingMessage(.task, id: report.task.bytes, header: report.header)
        case .ping(let token):
            return OutgoingMessage(.ping, id: token)
        case .bye:
            return OutgoingMessage(.bye)
        }
    }
}

extension RequestID {
    /// The id as a frame.
    public var bytes: [UInt8] { Array(text.utf8) }
}

extension AgentHello {
    fileprivate var header: [UInt8] {
        guard let client else { return [] }
        var writer = JSONWriter(reserving: 64)
        writer.beginObject()
        writer.member("client", client)
        writer.endObject()
        return writer.bytes
    }
}

extension TaskReport {
    private enum Status: String, CaseIterable {
        case completed, failed
    }

    private enum Kind: String, CaseIterable {
        case application, llm
    }

    fileprivate init<Frames: FrameSource & ~Copyable>(
        _ frames: borrowing Frames,
        _ head: MessageHead
    ) throws(BusError) {
        let task = try head.requestID(frames)
        try head.requireOwn(task)
        let header = try HeaderReader(frames, head, known: ["status", "kind"])
        let status = try header.required("status") { (value) throws(JSONError) in try value.word(Status.self) }
        switch status {
        case .completed:
            self.init(task: task, outcome: .completed)
        case .failed:
            let kind = try header.required("kind") { (value) throws(JSONError) in try value.word(Kind.self) }
            self.init(task: task, outcome: kind == .llm ? .failedInLLM : .failedInApplication)
        }
    }

    fileprivate var header: [UInt8] {
        switch outcome {
        case .completed: Array(#"{"status":"completed"}"#.utf8)
        case .failedInApplication: Array(#"{"status":"failed","kind":"application"}"#.utf8)
        case .failedInLLM: Array(#"{"status":"failed","kind":"llm"}"#.utf8)
        }
    }
}
