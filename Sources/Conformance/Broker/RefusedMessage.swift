import BusProtocol
import JSON

/// A message that a broker must answer `ERROR`.
struct RefusedMessage: Sendable {
    let name: String
    let isFromWorker: Bool
    /// All frames, envelope first.
    let frames: [[UInt8]]
    let code: Int
    /// The envelope of the answer.
    let envelope: [[UInt8]]
    /// F2 of the answer.
    let id: [UInt8]

    /// The entries of `refused` in a `vectors.json` that are sent to a broker.
    ///
    /// - Throws: ``ConformanceError`` when the file is not what the protocol's README says.
    static func list(_ vectors: JSONValue) throws -> [RefusedMessage] {
        do {
            var list: [RefusedMessage] = []
            for entry in try JSONReader(vectors).member("refused").array() {
                let direction = try entry.member("direction").string()
                guard direction == "agent->broker" || direction == "worker->broker" else { continue }
                let answer = try entry.optionalMember("answer")
                list.append(
                    RefusedMessage(
                        name: try entry.member("name").string(),
                        isFromWorker: direction == "worker->broker",
                        frames: try entry.member("frames").array().map(frame),
                        code: try entry.member("error").member("code").int(),
                        envelope: try answer?.optionalMember("envelope")?.array().map(frame) ?? [],
                        id: try answer.map { try frame($0.member("id")) } ?? []
                    )
                )
            }
            return list
        } catch {
            throw ConformanceError(.unsuitable, "the vectors cannot be read: \(error)")
        }
    }

    /// A frame: hexadecimal text, an object with `hex` and `times`, or a list of both that are joined.
    private static func frame(_ reader: JSONReader) throws -> [UInt8] {
        if let parts = reader.value.arrayValue {
            return try parts.flatMap { try frame(JSONReader($0)) }
        }
        guard reader.value.objectValue != nil else { return try bytes(try reader.string()) }
        let piece = try bytes(try reader.member("hex").string())
        let times = try reader.member("times").int(in: 0...(32 << 20))
        guard piece.count == 1 else { return Array(repeatElement(piece, count: times).joined()) }
        return [UInt8](repeating: piece[0], count: times)
    }

    private static func bytes(_ hex: String) throws -> [UInt8] {
        let digits = Array(hex.utf8)
        guard digits.count.isMultiple(of: 2) else { throw ConformanceError(.unsuitable, "odd hexadecimal \(hex)") }
        return try stride(from: 0, to: digits.count, by: 2).map { index in
            let pair = String(decoding: digits[index...index + 1], as: UTF8.self)
            guard let byte = UInt8(pair, radix: 16) else {
                throw ConformanceError(.unsuitable, "no hexadecimal: \(pair)")
            }
            return byte
        }
    }
}

// The vectors that every examination plays, with a file or without.
extension RefusedMessage {
    static let ofAgents: [RefusedMessage] = {
        let body = BrokerExam.body
        func request(_ name: String, _ header: String, _ code: Int = 400) -> RefusedMessage {
            agent(name, [text("REQUEST"), text("refused-1"), text(header), body], code)
        }
        return [
            agent("fewer than 4 frames", [text("PING"), text("token")], 400),
            RefusedMessage(
                name: "a first frame that is nothing",
                isFromWorker: false,
                frames: [text("GET / HTTP/1.1"), text("x"), text("y"), text("{}")],
                code: 400,
                envelope: [],
                id: []
            ),
            RefusedMessage(
                name: "version 2",
                isFromWorker: false,
                frames: [text("UBP/2"), text("PING"), text("token"), []],
                code: 505,
                envelope: [],
                id: text("token")
            ),
            RefusedMessage(
                name: "nothing behind the envelope",
                isFromWorker: false,
                frames: [text("route"), []],
                code: 400,
                envelope: [text("route"), []],
                id: []
            ),
            RefusedMessage(
                name: "an envelope of 9 frames",
                isFromWorker: false,
                frames: Array(repeating: text("a"), count: 9) + [[], ProtocolVersion.bytes, text("PING"), [], []],
                code: 400,
                envelope: [],
                id: []
            ),
            RefusedMessage(
                name: "an envelope of 1,025 bytes",
                isFromWorker: false,
                frames: [
                    [UInt8](repeating: 97, count: 1025), [], ProtocolVersion.bytes, text("PING"), [], [],
                ],
                code: 413,
                envelope: [],
                id: []
            ),
            agent("an unknown verb", [text("FLY"), text("a"), []], 501),
            agent("the reserved HEALTH", [text("HEALTH"), text("a"), []], 501),
            agent("a verb in small letters", [text("request"), text("a"), [], body], 501),
            agent("a worker's verb", [text("READY"), [], text(#"{"name":"w","pid":1,"capacity":1}"#)], 405),
            agent("a broker's verb", [text("ACCEPTED"), text("a"), []], 405),
            agent("an id of 129 bytes", [text("GET"), [UInt8](repeating: 97, count: 129), []], 400, id: []),
            agent("an id with a blank", [text("GET"), text("a b"), []], 400),
            agent("no id", [text("REQUEST"), [], [], body], 400),
            agent("an id of the broker's", [text("REQUEST"), text("sys.mine"), [], body], 400),
            agent("an id in HELLO", [text("HELLO"), text("a"), []], 400),
            agent("a body in PING", [text("PING"), text("a"), [], text("x")], 400),
            agent("no body in REQUEST", [text("REQUEST"), text("a"), []], 400),
            agent("9 body frames", [text("REQUEST"), text("a"), []] + Array(repeating: text("x"), count: 9), 413),
            agent(
                "a body of 8 MiB and a byte",
                [text("REQUEST"), text("a"), [], [UInt8](repeating: 32, count: 8 << 20), text("x")],
                413
            ),
            agent(
                "a header of 65,537 bytes",
                [text("REQUEST"), text("a"), text("{}") + [UInt8](repeating: 32, count: 65_535), body],
                413
            ),
            request("a header that is no JSON", "{priority:1}"),
            request("a header that is a list", "[]"),
            request("a key twice", #"{"priority":1,"priority":2}"#),
            request(
                "33 levels",
                #"{"x":"# + String(repeating: "[", count: 32) + String(repeating: "]", count: 32) + "}"
            ),
            request("priority 10", #"{"priority":10}"#),
            request("priority 4.5", #"{"priority":4.5}"#),
            request("priority as text", #"{"priority":"4"}"#),
            request("deadline_ms 999", #"{"deadline_ms":999}"#),
            request("deadline_ms 86400001", #"{"deadline_ms":86400001}"#),
            request("ttl_ms 999", #"{"ttl_ms":999}"#),
            request("an unknown durability", #"{"durability":"tape"}"#),
            request("an unknown on_loss", #"{"on_loss":"panic"}"#),
            request("an empty task", #"{"task":""}"#),
            request("must with an unknown member", #"{"must":["teleport"]}"#, 501),
            agent("TASK without status", [text("TASK"), text("a"), []], 400),
            agent("TASK failed without kind", [text("TASK"), text("a"), text(#"{"status":"failed"}"#)], 400),
            agent("a negative wait_ms", [text("GET"), text("a"), text(#"{"wait_ms":-1}"#)], 400),
        ]
    }()

    static let ofWorkers: [RefusedMessage] = {
        let key = DeliveryKey(job: JobNumber(1), delivery: 1, attempt: 1).bytes
        let whole = DeliveryKey(job: JobNumber(1), delivery: 1).bytes
        return [
            worker("fewer than 4 frames", [text("BEAT")], 400, id: []),
            worker("an unknown verb", [text("FLY"), [], []], 501),
            worker("an agent's verb", [text("REQUEST"), text("a"), [], BrokerExam.body], 405),
            worker("READY without capacity", [text("READY"), [], text(#"{"name":"w","pid":1}"#)], 400),
            worker(
                "READY with a capacity of 0",
                [text("READY"), [], text(#"{"name":"w","pid":1,"capacity":0}"#)],
                400
            ),
            worker(
                "READY with half a record",
                [text("READY"), [], text(#"{"name":"w","pid":1,"capacity":1}"#), text("half")],
                400
            ),
            worker("CREDIT without a total", [text("CREDIT"), [], []], 400),
            worker("CREDIT with a negative total", [text("CREDIT"), [], text(#"{"granted_total":-1}"#)], 400),
            worker("START with a key of 15 bytes", [text("START"), Array(key.dropLast()), text("{}")], 400),
            worker("START without attempt", [text("START"), whole, text("{}")], 400),
            worker("REPLY without body", [text("REPLY"), whole, text("{}"), text("{}")], 400),
            worker("RETURN with an unknown reason", [text("RETURN"), whole, text(#"{"reason":"tired"}"#)], 400),
            worker("EVENT of an unknown class", [text("EVENT"), text("weather"), text("{}")], 400),
        ]
    }()

    private static func text(_ text: String) -> [UInt8] { Array(text.utf8) }

    private static func agent(
        _ name: String,
        _ frames: [[UInt8]],
        _ code: Int,
        id: [UInt8]? = nil
    ) -> RefusedMessage {
        RefusedMessage(
            name: name,
            isFromWorker: false,
            frames: [ProtocolVersion.bytes] + frames,
            code: code,
            envelope: [],
            id: id ?? frames[1]
        )
    }

    private static func worker(
        _ name: String,
        _ frames: [[UInt8]],
        _ code: Int,
        id: [UInt8]? = nil
    ) -> RefusedMessage {
        RefusedMessage(
            name: name,
            isFromWorker: true,
            frames: [ProtocolVersion.bytes] + frames,
            code: code,
            envelope: [],
            id: id ?? frames[1]
        )
    }
}
