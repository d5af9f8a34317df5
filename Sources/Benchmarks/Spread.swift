/// The middle and the ends of a figure that was measured several times.
public struct Spread: Hashable, Sendable {
    /// The middle value; of an even number of values the mean of the two in the middle.
    public var median: Double
    /// The least value.
    public var least: Double
    /// The greatest value.
    public var greatest: Double

    /// Describes `values`; nil when there are none.
    public init?(_ values: [Double]) {
        let sorted = values.sorted()
        guard let least = sorted.first, let greatest = sorted.last else { return nil }
        let middle = sorted.count / 2
        median = sorted.count.isMultiple(of: 2) ? (sorted[middle - 1] + sorted[middle]) / 2 : sorted[middle]
        self.least = least
        self.greatest = greatest
    }
}
