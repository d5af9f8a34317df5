import JSON

extension MockScript {
    /// Reads a script file.
    ///
    /// Form and meaning are told by ``help``.
    ///
    /// - Parameters:
    ///   - bytes: The file, at most 8 MiB of JSON.
    ///   - source: Name of the file for errors.
    /// - Throws: ``MockError`` of code `script` that names file, path, what was found and what was expected.
    public init(parsing bytes: [UInt8], source: String? = nil) throws(MockError) {
        do throws(JSONError) {
            self.init(rules: try Self.rules(JSONReader(parsing: bytes, source: source)))
        } catch {
            throw MockError(code: .script, message: error.description)
        }
    }

    private static func rules(_ reader: JSONReader) throws(JSONError) -> [MockRule] {
        try reader.requireOnly(["rules"])
        let list = try reader.member("rules")
        let readers = try list.array()
        guard readers.count <= ruleCountMax else {
            throw list.failure(.outOfRange, "expected at most \(ruleCountMax) rules, found \(readers.count)")
        }
        var rules: [MockRule] = []
        for reader in readers { rules.append(try rule(reader)) }
        return rules
    }

    private static func rule(_ reader: JSONReader) throws(JSONError) -> MockRule {
        try reader.requireOnly(["model", "ids", "times", "per", "percent", "seed", "flap", "behaviour", "then"])
        var ids: [String] = []
        if let list = try reader.optionalMember("ids") {
            for id in try list.array() { ids.append(try id.nonEmptyString()) }
            // An empty list would match every id, the contrary of what it says.
            guard !ids.isEmpty else { throw list.failure(.outOfRange, "expected at least one id, found none") }
        }
        return MockRule(
            model: try reader.member("model").nonEmptyString(),
            ids: ids,
            selector: try selector(reader),
            behaviour: try behaviour(reader.member("behaviour")),
            otherwise: try reader.optionalMember("then").map { (reader) throws(JSONError) in try behaviour(reader) }
        )
    }

    private static func selector(_ reader: JSONReader) throws(JSONError) -> MockSelector {
        let per = try reader.optionalMember("per")
        let scope = try per?.oneOf(["request", "model"])
        let seed = try reader.optionalMember("seed")
        let seedNumber = try seed?.uint64() ?? 0
        let times = try reader.optionalMember("times")
        let percent = try reader.optionalMember("percent")
        let flap = try reader.optionalMember("flap")
        if let second = [times, percent, flap].compactMap({ $0 }).dropFirst().first {
            throw second.failure(.notAllowed, "only one of times, percent and flap can select the calls of a rule")
        }
        if percent == nil, let seed { throw seed.failure(.notAllowed, "a seed goes with percent only") }
        if times == nil, flap == nil, let per { throw per.failure(.notAllowed, "per goes with times and flap only") }
        if let times {
            return .first(try times.int(in: 0...1_000_000_000), per: scope == "model" ? .model : .request)
        }
        if let percent { return .percent(try percent.double(in: 0...100), seed: seedNumber) }
        guard let flap else { return .always }
        try flap.requireOnly(["ok", "failing"])
        let ok = try flap.member("ok").int(in: 0...1_000_000_000)
        let failing = try flap.member("failing").int(in: 0...1_000_000_000)
        guard ok + failing > 0 else { throw flap.failure(.outOfRange, "ok and failing cannot both be 0") }
        return .flapping(ok: ok, failing: failing, per: scope == "request" ? .request : .model)
    }

    private static func behaviour(_ reader: JSONReader) throws(JSONError) -> MockBehaviour {
        if case .string(let name) = reader.value { return try named(name, at: reader) }
        var behaviour: MockBehaviour
        if let play = try reader.optionalMember("play") {
            try reader.requireOnly(["play", "latency_ms"])
            behaviour = try named(play.nonEmptyString(), at: play)
        } else {
            try reader.requireOnly(["status", "body", "headers", "retry_after", "latency_ms"])
            behaviour = MockBehaviour(.status(try status(reader)))
        }
        if let latency = try reader.optionalMember("latency_ms") { behaviour.latency = try self.latency(latency) }
        return behaviour
    }

    private static func named(_ name: String, at reader: JSONReader) throws(JSONError) -> MockBehaviour {
        do throws(MockError) {
            return try MockBehaviour(named: name)
        } catch {
            throw reader.failure(.notAllowed, error.message)
        }
    }

    private static func latency(_ reader: JSONReader) throws(JSONError) -> MockLatency {
        let limits = 0...MockLatency.millisecondsLimit
        guard case .object = reader.value else { return MockLatency(milliseconds: try reader.int(in: limits)) }
        try reader.requireOnly(["min", "max"])
        let low = try reader.member("min").int(in: limits)
        return MockLatency(low...(try reader.member("max").int(in: low...limits.upperBound)))
    }

    private static func status(_ reader: JSONReader) throws(JSONError) -> MockStatus {
        var status = MockStatus(try reader.member("status").int(in: 200...599))
        if let body = try reader.optionalMember("body") { status.body = try self.body(body) }
        if let headers = try reader.optionalMember("headers") { status.headers = try self.headers(headers) }
        if let hint = try reader.optionalMember("retry_after") { status.retryAfter = try retryAfter(hint) }
        return status
    }

    private static let bodies: [(word: String, body: MockBody)] = [
        ("real-shaped", .openAI), ("openai", .openAI), ("anthropic", .anthropic), ("gemini", .gemini), ("html", .html),
        ("text", .text), ("empty", .empty), ("quota", .quota), ("context-length", .contextLength),
        ("content-policy", .contentPolicy),
    ]

    private static func body(_ reader: JSONReader) throws(JSONError) -> MockBody {
        switch reader.value {
        case .object, .array: return .json(reader.value.serialized())
        case .null, .bool, .number, .string: break
        }
        let word = try reader.oneOf(bodies.map(\.word))
        return bodies.first { $0.word == word }?.body ?? .openAI
    }

    private static func headers(_ reader: JSONReader) throws(JSONError) -> [MockHeader] {
        let framing = ["content-length", "transfer-encoding", "connection"]
        var headers: [MockHeader] = []
        for (name, value) in try reader.members() {
            guard !name.isEmpty, name.utf8.allSatisfy({ isTokenByte($0) }) else {
                throw value.failure(.notAllowed, "expected the name of a header, found \"\(name)\"")
            }
            guard !framing.contains(name.lowercased()) else {
                throw value.failure(.notAllowed, "\(name) belongs to the transport and cannot be set")
            }
            headers.append(MockHeader(name, try line(value)))
        }
        return headers
    }

    /// Text that fits into a header: no control characters.
    private static func line(_ reader: JSONReader) throws(JSONError) -> String {
        let text = try reader.string()
        guard text.utf8.allSatisfy({ $0 >= 0x20 && $0 != 0x7F }) else {
            throw reader.failure(.notAllowed, "expected one line of text without control characters")
        }
        return text
    }

    /// A byte of a token, RFC 9110 section 5.6.2.
    private static func isTokenByte(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
            UInt8(ascii: "0")...UInt8(ascii: "9"):
            true
        default:
            "!#$%&'*+-.^_`|~".utf8.contains(byte)
        }
    }

    private static func retryAfter(_ reader: JSONReader) throws(JSONError) -> MockRetryAfter {
        if case .object = reader.value {
            try reader.requireOnly(["ms", "text", "reset", "retry_info"])
            let members = try reader.members()
            guard members.count == 1, let (key, value) = members.first else {
                throw reader.failure(.notAllowed, "expected one of ms, text, reset, retry_info, found \(members.count)")
            }
            switch key {
            case "ms": return .milliseconds(try value.int(in: 0...MockLatency.millisecondsLimit))
            case "text": return .text(try line(value))
            case "reset": return .reset(try line(value))
            default: return .retryInfo(try line(value))
            }
        }
        let text = try line(reader)
        let mark = "http-date:"
        guard text.hasPrefix(mark) else { return .header(text) }
        guard let seconds = Int(text.dropFirst(mark.count)), (-86_400...86_400).contains(seconds) else {
            throw reader.failure(
                .notAllowed,
                "expected a number of seconds within a day behind \(mark), found \"\(text)\""
            )
        }
        return .date(seconds: seconds)
    }
}
