public import JSON

/// What a benchmark found: figures of some cases, each measured several times.
public struct BenchReport: Sendable, Hashable {
    /// A figure of one case.
    public struct Figure: Sendable, Hashable {
        /// What it is, in a few words.
        public var name: String
        /// Its unit; empty for a plain number.
        public var unit: String
        /// One value for each repetition.
        public var values: [Double]
    }

    /// A case: something that was measured on its own.
    public struct Case: Sendable, Hashable {
        /// What it is, in a few words.
        public var name: String
        /// Its figures, in the order in which they came.
        public var figures: [Figure] = []
    }

    /// The benchmark's name.
    public let name: String
    /// Processors that the machine has.
    public var processorCount: Int
    /// The machine's load averages over a minute, one before each repetition and one at the end.
    public var loads: [Double] = []
    /// The cases, in the order in which they came.
    public private(set) var cases: [Case] = []

    /// Begins a report.
    public init(_ name: String, processorCount: Int) {
        self.name = name
        self.processorCount = processorCount
    }

    /// Adds one value of a figure.
    public mutating func add(_ value: Double, _ figure: String, unit: String = "", to name: String) {
        let place = cases.firstIndex { $0.name == name } ?? cases.count
        if place == cases.count { cases.append(Case(name: name)) }
        if let index = cases[place].figures.firstIndex(where: { $0.name == figure }) {
            cases[place].figures[index].values.append(value)
        } else {
            cases[place].figures.append(Figure(name: figure, unit: unit, values: [value]))
        }
    }

    /// The values of a figure so far; empty when there are none.
    public func values(_ figure: String, of name: String) -> [Double] {
        cases.first { $0.name == name }?.figures.first { $0.name == figure }?.values ?? []
    }

    // MARK: For people

    /// Rows of a table: the names of the figures, then a row for each case. Cases with the same figures share a table.
    public var tables: [[[String]]] {
        var tables: [(figures: [String], rows: [[String]])] = []
        for entry in cases {
            let heads = entry.figures.map { $0.unit.isEmpty ? $0.name : "\($0.name) [\($0.unit)]" }
            let row = [entry.name] + entry.figures.map { Self.cell($0.values) }
            if let index = tables.firstIndex(where: { $0.figures == heads }) {
                tables[index].rows.append(row)
            } else {
                tables.append((heads, [[""] + heads, row]))
            }
        }
        return tables.map(\.rows)
    }

    /// The load of the machine while it was measured.
    public var loadLine: String {
        let range = Spread(loads).map { "\(Self.text($0.least)) to \(Self.text($0.greatest))" } ?? "unknown"
        return "load of the machine: \(range) on \(processorCount) processors"
    }

    /// The median, and the ends where they differ.
    private static func cell(_ values: [Double]) -> String {
        guard let spread = Spread(values) else { return "-" }
        let median = text(spread.median)
        let (least, greatest) = (text(spread.least), text(spread.greatest))
        return least == greatest ? median : "\(median) (\(least) to \(greatest))"
    }

    /// A number with about three digits that say something.
    static func text(_ value: Double) -> String {
        guard value.isFinite else { return "-" }
        let size = value.magnitude
        let digits = size >= 100 || value == value.rounded() ? 0 : size >= 10 ? 1 : size >= 1 ? 2 : 3
        let scale = [1.0, 10, 100, 1000][digits]
        let scaled = (value * scale).rounded()
        guard scaled.magnitude < 9e15 else { return "\(value)" }
        let whole = Int(scaled.magnitude)
        let fraction = String(whole % Int(scale))
        let sign = scaled < 0 ? "-" : ""
        guard digits > 0 else { return sign + String(whole) }
        return "\(sign)\(whole / Int(scale)).\(String(repeating: "0", count: digits - fraction.count))\(fraction)"
    }

    // MARK: For programs

    /// The report as one JSON object.
    public var json: JSONValue {
        [
            "bench": JSONValue(name),
            "processors": JSONValue(processorCount),
            "load": .array(loads.map { JSONValue($0) }),
            "cases": .array(
                cases.map { entry in
                    ["name": JSONValue(entry.name), "figures": .array(entry.figures.map(Self.json))]
                }
            ),
        ]
    }

    private static func json(_ figure: Figure) -> JSONValue {
        let values = figure.values.filter(\.isFinite)
        var object: JSONObject = [
            "name": JSONValue(figure.name), "unit": JSONValue(figure.unit),
            "values": .array(values.map { JSONValue($0) }),
        ]
        if let spread = Spread(values) {
            object["median"] = JSONValue(spread.median)
            object["least"] = JSONValue(spread.least)
            object["greatest"] = JSONValue(spread.greatest)
        }
        return .object(object)
    }
}
