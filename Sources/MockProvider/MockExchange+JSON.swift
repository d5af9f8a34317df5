import JSON

extension MockExchange {
    /// Largest file of a recording in bytes.
    static let fileBytesMax = 16 << 20

    /// Reads the exchanges of a file: one object, or a list of them.
    ///
    /// - Parameters:
    ///   - name: Name of the exchange; those of a list have `#1`, `#2` … behind it.
    ///   - source: Name of the file for errors.
    static func list(parsing bytes: [UInt8], name: String, source: String) throws(JSONError) -> [MockExchange] {
        let limits = JSONLimits(byteCountMax: fileBytesMax)
        let reader = try JSONReader(parsing: bytes, source: source, limits: limits)
        guard case .array = reader.value else { return [try MockExchange(reader, name: name)] }
        var exchanges: [MockExchange] = []
        for (index, element) in try reader.array().enumerated() {
            exchanges.append(try MockExchange(element, name: "\(name)#\(index + 1)"))
        }
        return exchanges
    }

    /// Reads one exchange; members other than `request` and `response` are notes of whoever recorded it.
    private init(_ reader: JSONReader, name: String) throws(JSONError) {
        self.name = name
        let response = try reader.member("response")
        try response.requireOnly(["status", "headers", "body", "latency_ms"])
        status = try response.member("status").int(in: 200...599)
        latency =
            try response.optionalMember("latency_ms").map { (reader) throws(JSONError) in try MockLatency(reader) }
            ?? .none
        let body = try response.optionalMember("body")?.value ?? .null
        switch body {
        case .null: self.body = []
        case .string(let text): self.body = Array(text.utf8)
        case .bool, .number, .array, .object: self.body = body.serialized()
        }
        var headers =
            try response.optionalMember("headers").map { (reader) throws(JSONError) in
                try MockHeader.list(reader, leavingOut: Self.notReplayed)
            } ?? []
        if !headers.contains(where: { $0.name.lowercased() == "content-type" }) {
            headers.append(MockHeader("content-type", Self.contentType(of: body)))
        }
        self.headers = headers
        question =
            try reader.optionalMember("request").map { (reader) throws(JSONError) in try Question(reader) } ?? nil
    }

    /// Headers that belong to the transport, or to the time of the recording.
    private static let notReplayed: Set<String> = [
        "content-length", "transfer-encoding", "connection", "keep-alive", "content-encoding", "date",
    ]

    private static func contentType(of body: JSONValue) -> String {
        guard let text = body.stringValue else { return "application/json" }
        let isStream = text.hasPrefix("data:") || text.hasPrefix("event:") || text.hasPrefix(":")
        return isStream ? "text/event-stream; charset=utf-8" : "text/plain; charset=utf-8"
    }
}

extension MockExchange.Question {
    /// Reads what was asked; nil when it went to a service that the mock does not have.
    fileprivate init?(_ reader: JSONReader) throws(JSONError) {
        try reader.requireOnly(["method", "url", "headers", "body"])
        let method = try reader.optionalMember("method")?.string() ?? "POST"
        let url = try reader.member("url").nonEmptyString()
        let path = url.prefix { $0 != "?" && $0 != "#" }
        let body = try reader.optionalMember("body")?.value
        guard method == "POST", let endpoint = Endpoint(path: path) else { return nil }
        self.init(endpoint: endpoint, path: String(path), body: body)
    }

    /// Takes what is compared from a request's path and body.
    init(endpoint: Endpoint, path: String, body: JSONValue?) {
        self.endpoint = endpoint
        model = body?["model"]?.stringValue ?? Endpoint.model(inPath: path)
        isStream = endpoint == .streamGenerate || body?["stream"]?.boolValue == true
        self.body = body?.withSortedMembers
    }
}
