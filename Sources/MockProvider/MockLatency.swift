import CoreTypes
import Glibc

/// How long the provider waits before it does anything: always the same, or drawn from a distribution.
///
/// What is drawn belongs to the seed, the model, the request id and the number of the call, so that the same calls wait
/// the same in every run, in whichever order they come.
public struct MockLatency: Sendable, Hashable {
    /// From what a wait is drawn. All times are milliseconds.
    public enum Distribution: Sendable, Hashable {
        /// Always the same.
        case fixed(Int)
        /// Each whole number in the range is equally likely.
        case uniform(ClosedRange<Int>)
        /// Exponential: the waits between independent events, half of them shorter than 0.69 of the mean.
        case exponential(mean: Double)
        /// Lognormal, the usual shape of service times: half of the waits are shorter than the median; `sigma` is the
        /// standard deviation of their logarithm.
        case lognormal(median: Double, sigma: Double)

        /// A lognormal distribution with that median, of which one wait in a hundred is longer than `p99`.
        public static func lognormal(median: Double, p99: Double) -> Distribution {
            .lognormal(median: median, sigma: log(max(p99, median) / median) / standardQuantile99)
        }

        /// 99 % of a standard normal distribution lie below it.
        private static let standardQuantile99 = 2.326_347_874_040_841
    }

    /// From what a wait is drawn.
    public let distribution: Distribution

    /// What is drawn outside of these bounds is moved to the nearer one; in milliseconds.
    public let bounds: ClosedRange<Int>

    /// Selects one of many sequences of waits.
    public var seed: UInt64 = 0

    /// Longest wait that can be asked for, in milliseconds: 24 hours.
    public static let millisecondsLimit = 86_400_000

    /// A wait of exactly `milliseconds`, clamped to `0 ... millisecondsLimit`.
    public init(milliseconds: Int) {
        self.init(.fixed(milliseconds))
    }

    /// A wait within `range`, each length equally likely; bounds are clamped as above.
    public init(_ range: ClosedRange<Int>) {
        self.init(.uniform(range))
    }

    /// A wait drawn from `distribution` and kept within `bounds`, which are clamped to `0 ... millisecondsLimit`.
    public init(_ distribution: Distribution, within bounds: ClosedRange<Int> = 0...millisecondsLimit, seed: UInt64 = 0)
    {
        self.bounds = bounds.clamped(to: 0...Self.millisecondsLimit)
        self.seed = seed
        switch distribution {
        case .fixed(let milliseconds):
            self.distribution = .fixed(min(max(milliseconds, self.bounds.lowerBound), self.bounds.upperBound))
        case .uniform(let range):
            let clamped = range.clamped(to: self.bounds)
            self.distribution =
                clamped.lowerBound == clamped.upperBound ? .fixed(clamped.lowerBound) : .uniform(clamped)
        case .exponential, .lognormal:
            self.distribution = distribution
        }
    }

    /// No wait.
    public static var none: MockLatency { MockLatency(milliseconds: 0) }

    /// A wait in milliseconds; takes at most two numbers of `generator`.
    func milliseconds(drawnBy generator: inout SeededGenerator) -> Int {
        switch distribution {
        case .fixed(let milliseconds):
            return milliseconds
        case .uniform(let range):
            let count = Double(range.upperBound - range.lowerBound + 1)
            return range.lowerBound + Int(count * generator.nextUnit())
        case .exponential(let mean):
            // The unit is below 1, so that the logarithm is finite.
            return within(-mean * log(1 - generator.nextUnit()))
        case .lognormal(let median, let sigma):
            // Box and Muller, "A Note on the Generation of Random Normal Deviates", 1958.
            let radius = sqrt(-2 * log(1 - generator.nextUnit()))
            let normal = radius * cos(2 * Double.pi * generator.nextUnit())
            return within(median * exp(sigma * normal))
        }
    }

    private func within(_ milliseconds: Double) -> Int {
        // As a number before it is an Int: a wide distribution reaches beyond 64 bits.
        let low = Double(bounds.lowerBound)
        let high = Double(bounds.upperBound)
        return Int(min(max(milliseconds.rounded(), low), high))
    }
}
