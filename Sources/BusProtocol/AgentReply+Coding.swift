import CoreTypes
import JSON

extension AgentReply {
    /// The verbs of these messages.
    public static let verbs: [Verb] = [.welcome, .accepted, .rejected, .state, .ok, .pong, .error]

    /// Reads the message whose F0 is frame `start`; body frames are ignored but the document's.
    ///
    /// - Throws: As ``AgentMessage/decode(_:from:)``; a terminal or a chunk is `unexpected` here, see ``AgentInbound``.
    public static func decode<Frames: FrameSource & ~Copyable>(
        _ frames: borrowing Frames,
        from start: Int = 0
    ) throws(BusError) -> AgentReply {
        try AgentReply(frames, try MessageHead(frames, from: start))
    }

    init<Frames: FrameSource & ~Copyable>(
        _ frames: borrowing Frames,
        _ head: MessageHead
    ) throws(BusError) {
        switch head.verb {
        case .welcome:
            self = .welcome(try AgentWelcome(frames, head))
        case .accepted:
            let id = try head.requestID(frames)
            let header = try HeaderReader(frames, head, known: ["durability", "duplicate"])
            let durability = try header.required("durability") { (value) throws(JSONError) in
                try value.word(RequestHeader.Durability.self)
            }
            let duplicate = try header.optional("duplicate") { (value) throws(JSONError) in try value.bool() }
            self = .accepted(id, durability: durability, duplicate: duplicate ?? false)
        case .rejected:
            self = .rejected(try head.requestID(frames), try BusError(frames, head))
        case .state:
            let id = try head.requestID(frames)
            guard id.isReserved else {
                self = .state(id, try RequestState(frames, head))
                return
            }
            let header = try HeaderReader(frames, head, known: ["state"])
            _ = try header.required("state") { (value) throws(JSONError) in try value.word(DocumentState.self) }
            try head.requireBody(1, "a document for \(id)")
            self = .document(id, frames.frameBytes(head.body.lowerBound))
        case .ok:
            self = .ok(id: head.rawID(frames))
        case .pong:
            self = .pong(token: head.rawID(frames))
        case .error:
            self = .error(id: head.rawID(frames), try BusError(frames, head))
        default:
            throw head.wrongSender("a broker to an agent", sends: Self.verbs)
        }
    }

    /// The message as frames.
    public func encoded() -> OutgoingMessage {
        switch self {
        case .welcome(let welcome):
            OutgoingMessage(.welcome, header: welcome.header)
        case .accepted(let id, let durability, let duplicate):
            OutgoingMessage(.accepted, id: id.bytes, header: AcceptedHeaders.header(durability, duplicate))
        case .rejected(let id, let error):
            OutgoingMessage(.rejected, id: id.bytes, header: error.header)
        case .state(let id, let state):
            OutgoingMessage(.state, id: id.bytes, header: state.header)
        case .document(let id, let document):
            OutgoingMessage(.state, id: id.bytes, header: DocumentState.header, body: [document])
        case .ok(let id):
            OutgoingMessage(.ok, id: id)
        case .pong(let token):
            OutgoingMessage(.pong, id: token)
        case .error(let id, let error):
            OutgoingMessage(.error, id: id, header: error.header)
        }
    }
}

/// The header of a document.
private enum DocumentState: String, CaseIterable {
    case system = "sys"

    static let header = Array(#"{"state":"sys"}"#.utf8)
}

/// The four headers that `ACCEPTED` can have, made once.
private enum AcceptedHeaders {
    static let memory = Array(#"{"durability":"memory","duplicate":false}"#.utf8)
    static let memoryAgain = Array(#"{"durability":"memory","duplicate":true}"#.utf8)
    static let disk = Array(#"{"durability":"disk","duplicate":false}"#.utf8)
    static let diskAgain = Array(#"{"durability":"disk","duplicate":true}"#.utf8)

    static func header(_ durability: RequestHeader.Durability, _ duplicate: Bool) -> [UInt8] {
        switch (durability, duplicate) {
        case (.memory, false): memory
        case (.memory, true): memoryAgain
        case (.disk, false): disk
        case (.disk, true): diskAgain
        }
    }
}

extension AgentWelcome {
    fileprivate init<Frames: FrameSource & ~Copyable>(
        _ frames: borrowing Frames,
        _ head: MessageHead
    ) throws(BusError) {
        let header = try HeaderReader(frames, head, known: ["epoch", "dedup_ms", "durabilities"])
        let epoch = try header.required("epoch") { (value) throws(JSONError) in try value.int64(in: 0 ... .max) }
        let dedup = try header.required("dedup_ms") { (value) throws(JSONError) in try value.milliseconds() }
        let words = try header.required("durabilities") { (value) throws(JSONError) -> [String] in
            var words: [String] = []
            for element in try value.array() { words.append(try element.string()) }
            return words
        }
        // A durability that this side does not know is none it could ask for.
        let durabilities = words.compactMap(RequestHeader.Durability.init(rawValue:))
        self.init(epoch: epoch, dedup: dedup, durabilities: durabilities)
    }

    fileprivate var header: [UInt8] {
        var writer = JSONWriter(reserving: 96)
        writer.beginObject()
        writer.member("epoch", epoch)
        writer.member("dedup_ms", milliseconds: dedup)
        writer.member("durabilities", durabilities.map(\.rawValue))
        writer.endObject()
        return writer.bytes
    }
}

extension RequestState {
    fileprivate init<Frames: FrameSource & ~Copyable>(
        _ frames: borrowing Frames,
        _ head: MessageHead
    ) throws(BusError) {
        let known = ["state", "deliveries", "attempts", "age_ms", "remaining_ms"]
        let header = try HeaderReader(frames, head, known: known)
        self.init(
            phase: try header.required("state") { (value) throws(JSONError) in try value.word(Phase.self) },
            deliveries: try header.required("deliveries") { (value) throws(JSONError) in try value.number() },
            attempts: try header.required("attempts") { (value) throws(JSONError) in try value.number() },
            age: try header.required("age_ms") { (value) throws(JSONError) in try value.milliseconds() },
            remaining: try header.required("remaining_ms") { (value) throws(JSONError) in try value.milliseconds() }
        )
    }

    fileprivate var header: [UInt8] {
        var writer = JSONWriter(reserving: 128)
        writer.beginObject()
        writer.member("state", phase.rawValue)
        writer.member("deliveries", Int(deliveries))
        writer.member("attempts", Int(attempts))
        writer.member("age_ms", milliseconds: age)
        writer.member("remaining_ms", milliseconds: remaining)
        writer.endObject()
        return writer.bytes
    }
}
