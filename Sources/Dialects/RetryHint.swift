import CoreTypes

/// The waits that providers name, in all the forms they use.
enum RetryHint {
    /// Longest wait that is believed; a longer one is cut, as every policy ends far below it.
    static let waitMax: Duration = .seconds(30 * 24 * 3600)

    /// The wait of `retry-after-ms` and `retry-after` (seconds, also with a fraction, or an HTTP date).
    ///
    /// When both are there the longer one counts: Azure sends `retry-after-ms: 0` beside `retry-after: 1`.
    static func wait(headers: [(String, String)], wallNow: Int64) -> Duration? {
        var longest: Duration?
        for (name, value) in headers {
            let text = value.trimmed()
            let wait: Duration? =
                switch name.lowercased() {
                case "retry-after-ms": number(text).flatMap { seconds($0 / 1000) }
                case "retry-after": number(text).flatMap(seconds) ?? HTTPDate.wait(until: text, wallNow: wallNow)
                default: nil
                }
            if let wait { longest = max(longest ?? wait, wait) }
        }
        return longest
    }

    /// The wait of reset headers (`x-ratelimit-reset-tokens`, `x-rate-limit-reset-requests`, `x-ratelimit-reset`):
    /// Go durations ("6m0s", "12ms"), seconds, or a Unix time.
    ///
    /// A reset is the time until a bucket is full again, so only a bucket that is known to be empty counts, or any
    /// bucket when nothing is said of what remains.
    static func reset(headers: [(String, String)], wallNow: Int64) -> Duration? {
        var remaining: [String: String] = [:]
        var resets: [String: Duration] = [:]
        for (name, value) in headers {
            let name = name.lowercased().replacing("x-rate-limit-", with: "x-ratelimit-")
            guard name.hasPrefix("x-ratelimit-") else { continue }
            let part = name.dropFirst("x-ratelimit-".count)
            if part.hasPrefix("remaining") {
                remaining[String(part.dropFirst("remaining".count))] = value.trimmed()
            } else if part.hasPrefix("reset") {
                resets[String(part.dropFirst("reset".count))] = resetWait(value.trimmed(), wallNow: wallNow)
            }
        }
        return resets.filter { bucket, _ in remaining[bucket].map { $0 == "0" } ?? true }.values.max()
    }

    private static func resetWait(_ text: String, wallNow: Int64) -> Duration? {
        guard let value = number(text) else { return duration(text) }
        // Nobody names a wait of thirty years: such a number is a point of time, in seconds or milliseconds.
        if value > 1e12 { return seconds((value - Double(wallNow)) / 1000) }
        if value > 1e9 { return seconds(value - Double(wallNow) / 1000) }
        return seconds(value)
    }

    /// The wait named in a text for people, which must be in lower case: "try again in 1m9.696s", "retry in 34.07s",
    /// "retry after 86400 seconds", "in 579ms".
    static func wait(inText text: String) -> Duration? {
        for phrase in ["try again in ", "retry in ", "retry after ", "try again after "] {
            guard let range = text.firstRange(of: phrase) else { continue }
            if let wait = leadingDuration(text[range.upperBound...]) { return wait }
        }
        return nil
    }

    /// A whole text that is a duration with units: "6m0s", "12ms", "34.4s", "1h2m".
    static func duration(_ text: String) -> Duration? {
        var scanner = DurationScanner(text.trimmed().lowercased()[...])
        guard let value = scanner.scan(bareIsSeconds: false), scanner.rest.isEmpty else { return nil }
        return seconds(value)
    }

    private static func leadingDuration(_ text: Substring) -> Duration? {
        var scanner = DurationScanner(text.prefix(64))
        return scanner.scan(bareIsSeconds: true).flatMap(seconds)
    }

    private static func number(_ text: String) -> Double? {
        guard !text.isEmpty, text.utf8.allSatisfy({ (0x30...0x39).contains($0) || $0 == UInt8(ascii: ".") }) else {
            return nil
        }
        return Double(text)
    }

    /// Seconds as a duration, whole nanoseconds, within 0 and ``waitMax``.
    private static func seconds(_ value: Double) -> Duration? {
        guard value.isFinite else { return nil }
        let most = Double(waitMax.components.seconds)
        return .nanoseconds(Int64((min(max(value, 0), most) * 1e9).rounded()))
    }
}

/// Reads numbers with units off the front of a text.
private struct DurationScanner {
    var rest: Substring

    init(_ text: Substring) { rest = text }

    /// The sum in seconds; nil when the text does not begin with a number and a unit.
    mutating func scan(bareIsSeconds: Bool) -> Double? {
        var total: Double?
        while let value = scanNumber() {
            let beforeUnit = rest
            let hasSpace = rest.first == " "
            if hasSpace { rest = rest.dropFirst() }
            let unit = rest.prefix { $0.isLetter }
            guard let factor = Self.units[String(unit)] else {
                rest = beforeUnit
                guard bareIsSeconds, total == nil else { return total }
                return value
            }
            rest = rest.dropFirst(unit.count)
            total = (total ?? 0) + value * factor
            if hasSpace { break }
        }
        return total
    }

    private mutating func scanNumber() -> Double? {
        var digits = rest.prefix { $0.isASCII && ($0.isNumber || $0 == ".") }
        // A full stop after the number ends the sentence.
        while digits.last == "." { digits = digits.dropLast() }
        guard !digits.isEmpty, digits.utf8.count <= 24, let value = Double(digits) else { return nil }
        rest = rest[digits.endIndex...]
        return value
    }

    private static let units: [String: Double] = [
        "ns": 1e-9, "us": 1e-6, "µs": 1e-6, "ms": 1e-3, "s": 1, "m": 60, "h": 3600, "d": 86_400,
        "millisecond": 1e-3, "milliseconds": 1e-3, "sec": 1, "secs": 1, "second": 1, "seconds": 1,
        "min": 60, "mins": 60, "minute": 60, "minutes": 60, "hour": 3600, "hours": 3600, "day": 86_400, "days": 86_400,
    ]
}

extension String {
    /// The text without blanks at both ends.
    fileprivate func trimmed() -> String {
        var text = self[...]
        while text.first?.isWhitespace == true { text = text.dropFirst() }
        while text.last?.isWhitespace == true { text = text.dropLast() }
        return String(text)
    }
}
