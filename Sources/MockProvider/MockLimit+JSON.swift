import JSON

extension MockScript {
    /// Reads the rate limits of a script.
    static func limits(_ list: JSONReader) throws(JSONError) -> [MockLimit] {
        let readers = try list.array()
        guard readers.count <= MockLimit.countMax else {
            throw list.failure(.outOfRange, "expected at most \(MockLimit.countMax) limits, found \(readers.count)")
        }
        var limits: [MockLimit] = []
        for reader in readers { limits.append(try MockLimit(reader)) }
        return limits
    }
}

extension MockLimit {
    fileprivate init(_ reader: JSONReader) throws(JSONError) {
        try reader.requireOnly([
            "model", "requests_per_minute", "requests_burst", "tokens_per_minute", "tokens_burst", "per", "style",
        ])
        let scope = try reader.optionalMember("per")?.oneOf(Scope.allCases.map(\.rawValue))
        let style = try reader.optionalMember("style")?.oneOf(Style.allCases.map(\.rawValue))
        self.init(
            model: try reader.member("model").nonEmptyString(),
            requests: try Self.rate("requests", reader),
            tokens: try Self.rate("tokens", reader),
            scope: scope.flatMap(Scope.init) ?? .model,
            style: style.flatMap(Style.init) ?? .openAI
        )
        guard requests != nil || tokens != nil else {
            throw reader.failure(.missingMember, "expected requests_per_minute or tokens_per_minute, or both")
        }
    }

    private static func rate(_ word: String, _ reader: JSONReader) throws(JSONError) -> Rate? {
        let range = 1...Rate.perMinuteMax
        let burst = try reader.optionalMember("\(word)_burst")
        guard let perMinute = try reader.optionalMember("\(word)_per_minute") else {
            if let burst { throw burst.failure(.notAllowed, "\(word)_burst goes with \(word)_per_minute only") }
            return nil
        }
        return Rate(perMinute: try perMinute.int(in: range), burst: try burst?.int(in: range))
    }
}
