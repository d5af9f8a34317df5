import CoreTypes
import JSON

extension AgentInbound {
    /// Reads the message whose F0 is frame `start`. The header of a terminal is not parsed.
    ///
    /// - Throws: As ``AgentMessage/decode(_:from:)``.
    public static func decode<Frames: FrameSource & ~Copyable>(
        _ frames: borrowing Frames,
        from start: Int = 0
    ) throws(BusError) -> AgentInbound {
        let head = try MessageHead(frames, from: start)
        switch head.verb {
        case .reply, .failure:
            if head.verb == .reply { try head.requireBody(1, "at least 1") }
            let outcome: Terminal.Outcome = head.verb == .reply ? .reply : .failure
            let terminal = Terminal(
                outcome,
                id: try head.requestID(frames),
                header: frames.frameBytes(head.headerFrame),
                body: outcome == .reply ? body(frames, head) : []
            )
            return .terminal(terminal)
        case .chunk:
            return .chunk(try head.requestID(frames), try ChunkHeader(frames, head), body: body(frames, head))
        default:
            guard AgentReply.verbs.contains(head.verb) else {
                throw head.wrongSender("a broker to an agent", sends: AgentReply.verbs + [.reply, .failure, .chunk])
            }
            return .answer(try AgentReply(frames, head))
        }
    }

    private static func body<Frames: FrameSource & ~Copyable>(
        _ frames: borrowing Frames,
        _ head: MessageHead
    ) -> [Bytes] {
        var body: [Bytes] = []
        for index in head.body { body.append(frames.frameBytes(index)) }
        return body
    }
}

extension ChunkHeader {
    init<Frames: FrameSource & ~Copyable>(
        _ frames: borrowing Frames,
        _ head: MessageHead
    ) throws(BusError) {
        let header = try HeaderReader(frames, head, known: ["attempt", "seq"])
        self.init(
            attempt: try header.required("attempt") { (value) throws(JSONError) in try value.number(from: 1) },
            sequence: try header.required("seq") { (value) throws(JSONError) in try value.number() }
        )
    }

    /// The header as JSON.
    public var encoded: [UInt8] {
        var writer = JSONWriter(reserving: 40)
        writer.beginObject()
        writer.member("attempt", Int(attempt))
        writer.member("seq", Int(sequence))
        writer.endObject()
        return writer.bytes
    }
}
