/// Dates as HTTP headers write them. Source: RFC 9110, section 5.6.7; the obsolete forms are not read, for no provider
/// sends them.
enum HTTPDate {
    /// The time from `wallNow` (Unix milliseconds) to the date `text` ("Sun, 06 Nov 1994 08:49:37 GMT"); zero when it has
    /// passed, nil when the text is no such date.
    static func wait(until text: String, wallNow: Int64) -> Duration? {
        guard let seconds = unixSeconds(text) else { return nil }
        let (milliseconds, overflow) = (seconds * 1000).subtractingReportingOverflow(wallNow)
        guard !overflow else { return nil }
        return min(.milliseconds(max(0, milliseconds)), RetryHint.waitMax)
    }

    /// Seconds since 1970 of an IMF-fixdate.
    static func unixSeconds(_ text: String) -> Int64? {
        let parts = text.split(separator: " ")
        guard parts.count == 6, parts[0].count == 4, parts[0].last == ",", parts[5] == "GMT" else { return nil }
        guard let day = digits(parts[1], 2), let month = months.firstIndex(of: String(parts[2])),
            let year = digits(parts[3], 4)
        else { return nil }
        let clock = parts[4].split(separator: ":", omittingEmptySubsequences: false)
        guard clock.count == 3, let hour = digits(clock[0], 2), let minute = digits(clock[1], 2),
            let second = digits(clock[2], 2)
        else { return nil }
        guard (1...31).contains(day), hour < 24, minute < 60, second <= 60, year >= 1970 else { return nil }
        return days(year: year, month: Int64(month) + 1, day: day) * 86_400 + hour * 3600 + minute * 60 + second
    }

    /// Days since 1970-01-01. Source: Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms", days_from_civil.
    private static func days(year: Int64, month: Int64, day: Int64) -> Int64 {
        let shifted = month <= 2 ? year - 1 : year
        let era = shifted / 400
        let yearOfEra = shifted - era * 400
        let dayOfYear = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1
        let dayOfEra = yearOfEra * 365 + yearOfEra / 4 - yearOfEra / 100 + dayOfYear
        return era * 146_097 + dayOfEra - 719_468
    }

    private static func digits(_ text: Substring, _ count: Int) -> Int64? {
        guard text.utf8.count == count, text.utf8.allSatisfy({ (0x30...0x39).contains($0) }) else { return nil }
        return Int64(text)
    }

    private static let months = [
        "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
    ]
}
