/// Durations as configuration writes them: a number and a unit, as in `500ms`, `2.5s`, `10m`, `24h`, `90d`.
///
/// A bare number is refused on purpose: it does not say whether it means seconds or milliseconds.
package enum DurationText {
    /// What ``parse(_:)`` takes, for error texts.
    package static let expectation = "a duration such as \"500ms\", \"2.5s\", \"10m\", \"24h\" or \"90d\""

    /// 10 years, in nanoseconds.
    private static let longest: Int128 = 315_360_000_000_000_000

    /// Units and their length in nanoseconds, the longest first.
    private static let units: [(name: String, nanoseconds: Int64)] = [
        ("d", 86_400_000_000_000), ("h", 3_600_000_000_000), ("m", 60_000_000_000), ("s", 1_000_000_000),
        ("ms", 1_000_000), ("us", 1000),
    ]

    /// The duration that `text` names, in whole microseconds; nil when it names none, or one of more than 10 years.
    package static func parse(_ text: String) -> Duration? {
        let digits = text.prefix { $0.isASCII && $0.isNumber || $0 == "." }
        guard let unit = units.first(where: { $0.name == text[digits.endIndex...] }) else { return nil }
        let parts = digits.split(separator: ".", omittingEmptySubsequences: false)
        guard (1...2).contains(parts.count), parts.allSatisfy({ (1...9).contains($0.utf8.count) }),
            let whole = Int64(parts[0])
        else { return nil }
        var nanoseconds = Int128(whole) * Int128(unit.nanoseconds)
        if parts.count == 2, let part = Int128(parts[1]) {
            var scale: Int128 = 1
            for _ in 0..<parts[1].utf8.count { scale *= 10 }
            nanoseconds += part * Int128(unit.nanoseconds) / scale
        }
        guard nanoseconds <= longest else { return nil }
        return .nanoseconds(Int64(nanoseconds) / 1000 * 1000)
    }

    /// The shortest text that ``parse(_:)`` reads as `duration`, which is not negative and has whole microseconds.
    package static func text(_ duration: Duration) -> String {
        let (seconds, attoseconds) = duration.components
        let nanoseconds = seconds * 1_000_000_000 + attoseconds / 1_000_000_000
        guard nanoseconds != 0 else { return "0s" }
        for unit in units where nanoseconds % unit.nanoseconds == 0 {
            return "\(nanoseconds / unit.nanoseconds)\(unit.name)"
        }
        return "\(nanoseconds / 1000)us"
    }
}
