import Glibc

/// Figures and names as people read them.
enum HumanText {
    /// `12,345`.
    static func count(_ value: Int) -> String {
        let digits = String(value.magnitude)
        var text = ""
        for (index, digit) in digits.enumerated() {
            if index > 0, (digits.count - index).isMultiple(of: 3) { text.append(",") }
            text.append(digit)
        }
        return value < 0 ? "-" + text : text
    }

    /// `3 answers`, `1 answer`.
    static func count(_ value: Int, _ noun: String) -> String { "\(count(value)) \(noun)\(value == 1 ? "" : "s")" }

    /// `812 B`, `12.3 KiB`, `1 GiB`.
    static func bytes(_ value: Int) -> String {
        guard value >= 1024 else { return "\(value) B" }
        var size = Double(value) / 1024
        var unit = "KiB"
        for next in ["MiB", "GiB", "TiB"] where size >= 1023.95 {
            size /= 1024
            unit = next
        }
        return "\(tenths(size)) \(unit)"
    }

    /// A rate per second: `0.4`, `12.3`, `1,234`.
    static func rate(_ value: Double) -> String {
        value < 100 ? tenths(value) : count(Int(value.rounded()))
    }

    /// A time, with two units at most: `12 ms`, `1.3 s`, `42 s`, `2 min 5 s`, `3 h 20 min`, `2 d 4 h`.
    static func time(milliseconds: Int) -> String {
        let value = max(0, milliseconds)
        if value < 1000 { return "\(value) ms" }
        if value < 10_000 { return "\(tenths(Double(value / 100) / 10)) s" }
        let seconds = value / 1000
        if seconds < 60 { return "\(seconds) s" }
        let units = [("d", 86_400), ("h", 3600), ("min", 60), ("s", 1)]
        guard let first = units.firstIndex(where: { seconds >= $0.1 }) else { return "0 s" }
        let (name, size) = units[first]
        let (smaller, smallerSize) = units[first + 1]
        let rest = seconds % size / smallerSize
        return rest == 0 ? "\(seconds / size) \(name)" : "\(seconds / size) \(name) \(rest) \(smaller)"
    }

    /// Text that others chose, fit for a terminal: no control characters and none that are not seen.
    static func clean(_ text: String) -> String {
        guard !text.utf8.allSatisfy({ (0x20..<0x7F).contains($0) }) else { return text }
        return String(
            text.unicodeScalars.map { scalar -> Character in
                switch scalar.properties.generalCategory {
                case .control, .format, .lineSeparator, .paragraphSeparator, .surrogate, .unassigned: "?"
                default: Character(scalar)
                }
            }
        )
    }

    /// As ``clean(_:)``, for text of several lines: line feeds and tabs stay, and so do the joiners that letters and emoji
    /// need.
    static func cleanLines(_ text: String) -> String {
        guard !text.utf8.allSatisfy({ (0x20..<0x7F).contains($0) || $0 == 0x0A || $0 == 0x09 }) else { return text }
        var cleaned = String.UnicodeScalarView()
        for scalar in text.unicodeScalars {
            switch scalar.properties.generalCategory {
            case .control where scalar != "\n" && scalar != "\t": cleaned.append("?")
            default: cleaned.append(scalar)
            }
        }
        return String(cleaned)
    }

    /// `text` with its middle left out where it is longer than `countMax`; nil for any length.
    static func shortened(_ text: String, to countMax: Int?) -> String {
        let text = clean(text)
        guard let countMax, text.count > countMax else { return text }
        let tail = (countMax - 1) / 3
        return text.prefix(countMax - 1 - tail) + "…" + text.suffix(tail)
    }

    /// The time of day of `milliseconds` since 1970 where this process runs: `14:03:07.120`.
    static func timeOfDay(_ milliseconds: Int64) -> String {
        "\(calendar(milliseconds, isLocal: true).time).\(thousandths(of: milliseconds))"
    }

    /// The day and time of `milliseconds` since 1970 where this process runs: `2026-02-15 14:03:07`.
    static func dayAndTime(_ milliseconds: Int64) -> String {
        let (day, time) = calendar(milliseconds, isLocal: true)
        return "\(day) \(time)"
    }

    /// `milliseconds` since 1970 in UTC, after RFC 3339: `2026-02-15T14:03:07.120Z`.
    static func timestamp(_ milliseconds: Int64) -> String {
        let (day, time) = calendar(milliseconds, isLocal: false)
        return "\(day)T\(time).\(thousandths(of: milliseconds))Z"
    }

    private static func thousandths(of milliseconds: Int64) -> Substring {
        String(1000 + (milliseconds % 1000 + 1000) % 1000).dropFirst()
    }

    private static func calendar(_ milliseconds: Int64, isLocal: Bool) -> (day: String, time: String) {
        var seconds = time_t(milliseconds >= 0 ? milliseconds / 1000 : (milliseconds - 999) / 1000)
        var parts = unsafe tm()
        if isLocal { unsafe localtime_r(&seconds, &parts) } else { unsafe gmtime_r(&seconds, &parts) }
        let numbers = unsafe [parts.tm_mon + 1, parts.tm_mday, parts.tm_hour, parts.tm_min, parts.tm_sec]
        let two = numbers.map { $0 < 10 ? "0\($0)" : "\($0)" }
        let year = unsafe parts.tm_year + 1900
        return ("\(year)-\(two[0])-\(two[1])", "\(two[2]):\(two[3]):\(two[4])")
    }

    /// With one digit after the point, none where it is 0.
    private static func tenths(_ value: Double) -> String {
        let tenths = Int((value * 10).rounded())
        return tenths.isMultiple(of: 10) ? count(tenths / 10) : "\(count(tenths / 10)).\(tenths % 10)"
    }
}
