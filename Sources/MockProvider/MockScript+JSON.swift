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
            let reader = try JSONReader(parsing: bytes, source: source)
            try reader.requireOnly(["$schema", "seed", "limits", "rules"])
            let seed = try reader.optionalMember("seed")?.uint64() ?? 0
            let limits =
                try reader.optionalMember("limits").map { (list) throws(JSONError) in try Self.limits(list) } ?? []
            // A script of limits alone needs no rules; one with neither says nothing.
            let list = limits.isEmpty ? try reader.member("rules") : try reader.optionalMember("rules")
            let rules = try list.map { (list) throws(JSONError) in try Self.rules(list, seed: seed) } ?? []
            self.init(limits: limits, rules: rules)
        } catch {
            throw MockError(code: .script, message: error.description)
        }
    }

    private static func rules(_ list: JSONReader, seed: UInt64) throws(JSONError) -> [MockRule] {
        let readers = try list.array()
        guard readers.count <= ruleCountMax else {
            throw list.failure(.outOfRange, "expected at most \(ruleCountMax) rules, found \(readers.count)")
        }
        var rules: [MockRule] = []
        for reader in readers { rules.append(try rule(reader, seed: seed)) }
        return rules
    }

    private static let phaseKeys = ["times", "per", "percent", "seed", "flap", "behaviour", "then"]

    private static func rule(_ reader: JSONReader, seed: UInt64) throws(JSONError) -> MockRule {
        let list = try reader.optionalMember("phases")
        if list == nil {
            try reader.requireOnly(["model", "ids"] + phaseKeys)
        } else {
            try reader.requireOnly(["model", "ids", "phases", "repeat"])
        }
        let model = try reader.member("model").nonEmptyString()
        let ids = try ids(reader)
        guard let list else { return MockRule(model: model, ids: ids, phases: [try phase(reader, seed: seed)]) }
        let isRepeating = try reader.optionalMember("repeat")?.bool() ?? false
        return MockRule(
            model: model,
            ids: ids,
            phases: try phases(list, isRepeating: isRepeating, seed: seed),
            isRepeating: isRepeating
        )
    }

    private static func ids(_ reader: JSONReader) throws(JSONError) -> [String] {
        guard let list = try reader.optionalMember("ids") else { return [] }
        var ids: [String] = []
        for id in try list.array() { ids.append(try id.nonEmptyString()) }
        // An empty list would match every id, the contrary of what it says.
        guard !ids.isEmpty else { throw list.failure(.outOfRange, "expected at least one id, found none") }
        return ids
    }

    private static func phases(
        _ list: JSONReader,
        isRepeating: Bool,
        seed: UInt64
    ) throws(JSONError) -> [MockPhase] {
        let readers = try list.array()
        guard (1...MockPhase.countMax).contains(readers.count) else {
            throw list.failure(.outOfRange, "expected 1 ... \(MockPhase.countMax) phases, found \(readers.count)")
        }
        var phases: [MockPhase] = []
        for (index, reader) in readers.enumerated() {
            try reader.requireOnly(["calls", "seconds"] + phaseKeys)
            var phase = try phase(reader, seed: seed)
            phase.callsMax = try reader.optionalMember("calls")?.int(in: 1...1_000_000_000)
            phase.duration = try reader.optionalMember("seconds").map { (seconds) throws(JSONError) in
                .milliseconds(Int64((try seconds.double(in: 0.001...secondsMax) * 1000).rounded()))
            }
            guard phase.ends || (index == readers.count - 1 && !isRepeating) else {
                let message =
                    isRepeating
                    ? "expected \"calls\" or \"seconds\": a phase without end is never repeated"
                    : "expected \"calls\" or \"seconds\": only the last phase may have no end"
                throw reader.failure(.missingMember, message)
            }
            phases.append(phase)
        }
        return phases
    }

    /// Longest phase: 30 days.
    private static let secondsMax = 2_592_000.0

    private static func phase(_ reader: JSONReader, seed: UInt64) throws(JSONError) -> MockPhase {
        MockPhase(
            selector: try selector(reader, seed: seed),
            behaviour: try behaviour(reader.member("behaviour"), seed: seed),
            otherwise: try reader.optionalMember("then").map { (reader) throws(JSONError) in
                try behaviour(reader, seed: seed)
            }
        )
    }

    private static func selector(_ reader: JSONReader, seed scriptSeed: UInt64) throws(JSONError) -> MockSelector {
        let per = try reader.optionalMember("per")
        let scope = try per?.oneOf(["request", "model"])
        let seed = try reader.optionalMember("seed")
        let seedNumber = try seed?.uint64() ?? scriptSeed
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

    private static func behaviour(_ reader: JSONReader, seed: UInt64) throws(JSONError) -> MockBehaviour {
        var behaviour: MockBehaviour
        if case .string(let name) = reader.value {
            behaviour = try named(name, at: reader)
        } else if let play = try reader.optionalMember("play") {
            try reader.requireOnly(["play", "latency_ms"])
            behaviour = try named(play.nonEmptyString(), at: play)
        } else if let pattern = try reader.optionalMember("replay") {
            try reader.requireOnly(["replay", "latency_ms"])
            behaviour = MockBehaviour(.replay(try pattern.nonEmptyString()))
        } else {
            try reader.requireOnly(["status", "body", "headers", "retry_after", "latency_ms"])
            behaviour = MockBehaviour(.status(try status(reader)))
        }
        behaviour.latency.seed = seed
        guard case .object = reader.value, let latency = try reader.optionalMember("latency_ms") else {
            return behaviour
        }
        behaviour.latency = try MockLatency(latency, seed: seed)
        return behaviour
    }

    private static func named(_ name: String, at reader: JSONReader) throws(JSONError) -> MockBehaviour {
        do throws(MockError) {
            return try MockBehaviour(named: name)
        } catch {
            throw reader.failure(.notAllowed, error.message)
        }
    }

    private static func status(_ reader: JSONReader) throws(JSONError) -> MockStatus {
        var status = MockStatus(try reader.member("status").int(in: 200...599))
        if let body = try reader.optionalMember("body") { status.body = try self.body(body) }
        if let headers = try reader.optionalMember("headers") { status.headers = try MockHeader.list(headers) }
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

    private static func retryAfter(_ reader: JSONReader) throws(JSONError) -> MockRetryAfter {
        if case .object = reader.value {
            try reader.requireOnly(["ms", "text", "reset", "retry_info"])
            let members = try reader.members()
            guard members.count == 1, let (key, value) = members.first else {
                throw reader.failure(.notAllowed, "expected one of ms, text, reset, retry_info, found \(members.count)")
            }
            switch key {
            case "ms": return .milliseconds(try value.int(in: 0...MockLatency.millisecondsLimit))
            case "text": return .text(try MockHeader.line(value))
            case "reset": return .reset(try MockHeader.line(value))
            default: return .retryInfo(try MockHeader.line(value))
            }
        }
        let text = try MockHeader.line(reader)
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
