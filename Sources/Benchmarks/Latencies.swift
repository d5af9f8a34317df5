/// Times that things took, for percentiles.
public struct Latencies: Sendable, Hashable {
    private var nanoseconds: [Int64] = []

    /// No times yet.
    public init() {}

    /// How many there are.
    public var count: Int { nanoseconds.count }

    /// Adds a time.
    public mutating func add(nanoseconds value: Int64) { nanoseconds.append(value) }

    /// Adds all of `others`.
    public mutating func add(_ others: Latencies) { nanoseconds += others.nanoseconds }

    /// The times at some shares of all, in microseconds: 0.5 is the median, 0.99 the time that one in a hundred exceeds.
    ///
    /// By the nearest rank: the least time that at least that share of all does not exceed.
    ///
    /// - Parameter shares: Each in `0...1`.
    /// - Returns: A time for each share; nil when there are no times.
    public func microseconds(at shares: [Double]) -> [Double]? {
        guard !nanoseconds.isEmpty else { return nil }
        let sorted = nanoseconds.sorted()
        return shares.map { share in
            precondition((0...1).contains(share), "a percentile is a share of 0 to 1, not \(share)")
            let rank = Int((share * Double(sorted.count)).rounded(.up))
            return Double(sorted[min(max(rank, 1), sorted.count) - 1]) / 1000
        }
    }
}
