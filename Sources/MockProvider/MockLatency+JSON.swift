import JSON

extension MockLatency {
    /// Reads a wait: a number of milliseconds, or an object with
    ///
    /// - `min` and `max` alone: each whole number between them is equally likely;
    /// - `mean`: exponential;
    /// - `median` and either `p99` or `sigma`: lognormal; with `min` and `max` as bounds of both.
    ///
    /// - Parameter seed: What holds when the object has no `seed`.
    init(_ reader: JSONReader, seed: UInt64 = 0) throws(JSONError) {
        let limits = 0...Self.millisecondsLimit
        guard case .object = reader.value else {
            self.init(milliseconds: try reader.int(in: limits))
            return
        }
        try reader.requireOnly(["min", "max", "mean", "median", "p99", "sigma", "seed"])
        let seed = try reader.optionalMember("seed")?.uint64() ?? seed
        let mean = try reader.optionalMember("mean")
        let median = try reader.optionalMember("median")
        if let distribution = try Self.distribution(reader, mean: mean, median: median) {
            let low = try reader.optionalMember("min")?.int(in: limits) ?? limits.lowerBound
            let high = try reader.optionalMember("max")?.int(in: low...limits.upperBound) ?? limits.upperBound
            self.init(distribution, within: low...high, seed: seed)
        } else {
            let low = try reader.member("min").int(in: limits)
            let high = try reader.member("max").int(in: low...limits.upperBound)
            self.init(.uniform(low...high), seed: seed)
        }
    }

    private static func distribution(
        _ reader: JSONReader,
        mean: JSONReader?,
        median: JSONReader?
    ) throws(JSONError) -> Distribution? {
        let positive = 0.001...Double(millisecondsLimit)
        let p99 = try reader.optionalMember("p99")
        let sigma = try reader.optionalMember("sigma")
        if median == nil, let second = p99 ?? sigma {
            throw second.failure(.notAllowed, "p99 and sigma go with median only")
        }
        if let mean {
            if let median { throw median.failure(.notAllowed, "expected either mean or median") }
            return .exponential(mean: try mean.double(in: positive))
        }
        guard let median else { return nil }
        let middle = try median.double(in: positive)
        if let sigma {
            if let p99 { throw p99.failure(.notAllowed, "expected either p99 or sigma") }
            return .lognormal(median: middle, sigma: try sigma.double(in: 0...10))
        }
        guard let p99 else { throw median.failure(.missingMember, "expected p99 or sigma beside median") }
        return .lognormal(median: middle, p99: try p99.double(in: middle...positive.upperBound))
    }
}
