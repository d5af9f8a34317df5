import BusProtocol
import CoreTypes
import JSON
import Testing

/// `protocol/schemas/headers.schema.json` against the codec: the same members, types, ranges, words and duties.
///
/// Each good vector whose header is read is changed one member at a time, at and beyond what the schema says.
@Suite struct SchemaTests {
    @Test(arguments: HeaderSchema.readVectors)
    func membersOfTheSchemaAreKnownAndNoOthers(vector: Vector) throws {
        let schema = try HeaderSchema(of: vector)
        for member in schema.properties.keys where member != "must" {
            #expect(try vector.code(setting: "must", to: "[\"\(member)\"]") == nil, "\(member)")
        }
        #expect(try vector.code(setting: "must", to: "[\"x-surely-unknown\"]") == 501)
    }

    @Test(arguments: HeaderSchema.readVectors)
    func rangesOfTheSchemaAreThoseOfTheCodec(vector: Vector) throws {
        for (member, property) in try HeaderSchema(of: vector).properties {
            if let most = property["maximum"].flatMap(HeaderSchema.number) {
                #expect(try vector.code(setting: member, to: "\(most)") == nil, "\(member): \(most)")
                let beyond = most == .max ? "18446744073709551616" : "\(most + 1)"
                #expect(try vector.code(setting: member, to: beyond) == 400, "\(member): \(beyond)")
            }
            if let least = property["minimum"].flatMap(HeaderSchema.number) {
                #expect(try vector.code(setting: member, to: "\(least)") == nil, "\(member): \(least)")
                let beyond = "\(Int(least) - 1)"
                #expect(try vector.code(setting: member, to: beyond) == 400, "\(member): \(beyond)")
            }
            if let most = property["maxLength"].flatMap(HeaderSchema.number), !HeaderSchema.cut.contains(member) {
                let longest = String(repeating: "a", count: Int(most))
                #expect(try vector.code(setting: member, to: "\"\(longest)\"") == nil, "\(member): \(most) bytes")
                #expect(try vector.code(setting: member, to: "\"\(longest)a\"") == 400, "\(member): too long")
            }
            if property["minLength"].flatMap(HeaderSchema.number) == 1 {
                #expect(try vector.code(setting: member, to: "\"\"") == 400, "\(member): empty")
            }
        }
    }

    @Test(arguments: HeaderSchema.readVectors)
    func typesAndWordsOfTheSchemaAreThoseOfTheCodec(vector: Vector) throws {
        for (member, property) in try HeaderSchema(of: vector).properties {
            for word in property["enum"]?.arrayValue?.compactMap(\.stringValue) ?? [] {
                #expect(try vector.code(setting: member, to: "\"\(word)\"") == nil, "\(member): \(word)")
            }
            if property["enum"] != nil {
                #expect(try vector.code(setting: member, to: "\"surely-none\"") == 400, "\(member)")
            }
            guard property["type"] != nil else { continue }
            for other in ["{}", "[[]]"] {
                #expect(try vector.code(setting: member, to: other) == 400, "\(member): \(other)")
            }
        }
    }

    @Test(arguments: HeaderSchema.readVectors)
    func requiredMembersOfTheSchemaAreRequired(vector: Vector) throws {
        let schema = try HeaderSchema(of: vector)
        for (member, property) in schema.properties where property["type"] != nil {
            let expected = schema.required.contains(member) ? 400 : nil
            #expect(try vector.code(setting: member, to: nil) == expected, "\(member) left out")
            #expect(try vector.code(setting: member, to: "null") == expected, "\(member) null")
        }
    }

    @Test func whatIsWrittenHasMembersOfTheSchemaOnly() throws {
        var random = RandomMessages(seed: 11)
        for _ in 0..<500 {
            try check(random.agent().encoded(), "agent")
            try check(random.answer().encoded(), "to-agent")
            try check(random.worker().encoded(), "worker")
            try check(random.broker().encoded(), "to-worker")
            let failure = FailureHeader(
                random.pick(FailureClass.allCases),
                message: random.text(0...40),
                status: random.number(100...599),
                model: "a/b",
                providerError: Bytes("{}"),
                meta: nil
            )
            try check(OutgoingMessage(.failure, header: failure.encoded), "to-agent")
        }
        try check(OutgoingMessage(.reply, header: ReplyHeader(meta: nil).encoded), "to-agent")
        let chunk = ChunkHeader(attempt: 1, sequence: 0)
        try check(OutgoingMessage(.chunk, header: chunk.encoded), "to-agent")
        let lane = Lane(provider: "a", model: "b", key: "c")
        try check(OutgoingMessage(.start, header: lane.encoded), "worker")
    }

    @Test func defaultsOfTheSchemaAreThoseOfTheCodec() throws {
        let properties = try HeaderSchema("agent.REQUEST").properties
        let header = RequestHeader()
        #expect(properties["deadline_ms"]?["default"]?.doubleValue == Double(header.deadline.wholeMilliseconds))
        #expect(properties["priority"]?["default"]?.doubleValue == Double(header.priority))
        #expect(properties["on_loss"]?["default"]?.stringValue == header.onLoss.rawValue)
        #expect(properties["stream"]?["default"] == .bool(header.stream))
        #expect(properties["cancel_on_disconnect"]?["default"] == .bool(header.cancelOnDisconnect))
    }

    private func check(_ message: OutgoingMessage, _ role: String) throws {
        // Headers that others make are not made here.
        guard !message.header.isEmpty else { return }
        let isDocument = message.verb == .state && message.id.starts(with: "sys.".utf8)
        let schema = try HeaderSchema(isDocument ? "state-of-broker" : "\(role).\(message.verb.rawValue)")
        let keys = try #require(try JSONValue(parsing: message.header).objectValue).keys
        #expect(Set(keys).subtracting(schema.properties.keys) == [], "\(role).\(message.verb.rawValue)")
        #expect(schema.required.subtracting(keys) == [], "\(role).\(message.verb.rawValue)")
    }
}

/// One header of `headers.schema.json`.
struct HeaderSchema {
    var properties: [String: JSONValue] = [:]
    var required: Set<String> = []

    /// Members whose length binds the sender only: a receiver takes longer ones.
    static let cut: Set = ["message"]

    private static let root: JSONValue = {
        do {
            return try protocolFile("schemas/headers.schema.json")
        } catch {
            fatalError("headers.schema.json: \(error)")
        }
    }()

    private static let roles = [
        "agent->broker": "agent", "broker->agent": "to-agent", "worker->broker": "worker",
        "broker->worker": "to-worker",
    ]
    /// Headers that their receiver does not read.
    private static let unread: Set = [
        "worker.START", "worker.CHUNK", "worker.REPLY", "worker.FAILURE", "worker.EVENT", "worker.BYE",
        "to-agent.REPLY",
        "to-agent.FAILURE", "to-agent.OK", "to-agent.PONG", "to-worker.ACK",
    ]

    /// The good vectors whose header is read.
    static let readVectors = Vector.load("vectors").filter { vector in
        // A document has a header of one word only.
        name(of: vector).map { !unread.contains($0) } == true
            && vector.message?["id"]?.stringValue?.hasPrefix("sys.") != true
    }

    init(of vector: Vector) throws {
        try self.init(try #require(Self.name(of: vector)))
    }

    init(_ name: String) throws {
        var schema = try #require(Self.root["$defs"]?[name], "\(name) has no schema")
        // Of several forms the first is that of requests.
        while let reference = (schema["$ref"] ?? schema["oneOf"]?[0]?["$ref"])?.stringValue {
            schema = try #require(Self.root["$defs"]?[String(reference.split(separator: "/").last ?? "")])
        }
        for (key, property) in schema["properties"]?.objectValue ?? [:] { properties[key] = property }
        required = Set(schema["required"]?.arrayValue?.compactMap(\.stringValue) ?? [])
    }

    static func number(_ value: JSONValue) -> UInt64? {
        UInt64(String(decoding: value.serialized(), as: UTF8.self))
    }

    private static func name(of vector: Vector) -> String? {
        guard let role = roles[vector.direction], let verb = vector.message?["verb"]?.stringValue else { return nil }
        return "\(role).\(verb)"
    }
}

extension Vector {
    /// What the codec says when one member of the header has another value, or is left out: the error's code, or nil.
    func code(setting member: String, to json: String?) throws -> Int? {
        let start = (message?["envelope"]?.arrayValue?.count ?? 0) + 3
        let text = frames.frames[start]
        var object = try #require(try JSONValue(parsing: text.isEmpty ? Array("{}".utf8) : text).objectValue)
        object[member] = try json.map { try JSONValue(parsing: $0) }
        // A failed task is of some kind.
        if member == "status", object["kind"] == nil { object["kind"] = "llm" }
        var changed = frames
        changed.frames[start] = JSONValue.object(object).serialized()
        do throws(BusError) {
            switch direction {
            case "agent->broker": _ = try AgentMessage.decode(changed, from: start - 3)
            case "broker->agent": _ = try AgentInbound.decode(changed)
            case "worker->broker": _ = try WorkerMessage.decode(changed)
            default: _ = try BrokerMessage.decode(changed)
            }
            return nil
        } catch {
            return error.code.number
        }
    }
}
