/// Figures that another program printed.
///
/// Two kinds of line count, all others are passed over. `name value unit`, for example `p50 82.5 us`: a name without
/// blanks, a number, and a unit that may be missing. And lines of `name=value` words, as `zlimit` prints them: `rt_per_s`
/// becomes ``Name/roundTrips``, `p50_us` ``Name/p50``, and so on.
public struct ForeignFigures: Sendable, Hashable {
    /// The names that a comparison knows.
    public enum Name {
        /// Round trips per second.
        public static let roundTrips = "round_trips"
        /// Median time of a round trip, in microseconds.
        public static let p50 = "p50"
        /// Time of a round trip that one in a hundred exceeds, in microseconds.
        public static let p99 = "p99"
        /// Processor time of the program in the middle for one message that it receives or sends, in microseconds.
        public static let cpuPerMessage = "cpu_per_message"
    }

    /// The last value of each name.
    public private(set) var values: [String: Double] = [:]

    /// No figures.
    public init() {}

    /// Reads what a program printed.
    public init(lines: [String]) {
        for line in lines { add(line: line) }
    }

    /// Reads one line; says whether there was a figure in it.
    @discardableResult
    public mutating func add(line: String) -> Bool {
        let words = line.split(whereSeparator: { $0 == " " || $0 == "\t" })
        if (2...3).contains(words.count), !words[0].contains("="), let value = Self.number(words[1]) {
            values[String(words[0])] = value * Self.factor(ofUnit: words.count == 3 ? words[2] : "")
            return true
        }
        var found = false
        for word in words {
            let parts = word.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            guard parts.count == 2, let name = Self.zlimitNames[String(parts[0])], let value = Self.number(parts[1])
            else { continue }
            values[name] = value
            found = true
        }
        return found
    }

    private static let zlimitNames = ["rt_per_s": Name.roundTrips, "p50_us": Name.p50, "p99_us": Name.p99]

    private static func number(_ text: Substring) -> Double? {
        // Not Double's own words, such as nan and 0x10.
        guard text.utf8.allSatisfy({ "0123456789.eE+-".utf8.contains($0) }), let value = Double(String(text)),
            value.isFinite
        else { return nil }
        return value
    }

    /// What a value in `unit` is multiplied with to be one in microseconds; 1 for what is no time.
    private static func factor(ofUnit unit: Substring) -> Double {
        switch unit {
        case "ns": 0.001
        case "ms": 1000
        case "s": 1_000_000
        default: 1
        }
    }
}
