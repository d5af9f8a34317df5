import Glibc

/// The time of day, and its form in HTTP headers.
struct WallClock {
    /// The second that `httpDate()` last told.
    private(set) var second: Int64 = .min
    private var cachedDate = ""

    /// Seconds since 1970-01-01 00:00:00 UTC.
    static func unixSeconds() -> Int64 {
        var time = timespec()
        unsafe clock_gettime(CLOCK_REALTIME, &time)
        return Int64(time.tv_sec)
    }

    /// The date of now for a `date` header; formatted once a second.
    mutating func httpDate() -> String {
        let now = Self.unixSeconds()
        if now != second {
            second = now
            cachedDate = Self.httpDate(unixSeconds: second)
        }
        return cachedDate
    }

    /// An HTTP date (IMF-fixdate, RFC 9110 section 5.6.7), for example `Sun, 06 Nov 1994 08:49:37 GMT`.
    static func httpDate(unixSeconds: Int64) -> String {
        let date = civil(unixSeconds: unixSeconds)
        let weekday = weekdays[Int(((date.days + 4) % 7 + 7) % 7)]
        let day = twoDigits(date.day)
        return "\(weekday), \(day) \(months[Int(date.month - 1)]) \(date.year) \(date.clock) GMT"
    }

    /// A time of RFC 3339 in UTC, for example `1994-11-06T08:49:37Z`.
    static func rfc3339(unixSeconds: Int64) -> String {
        let date = civil(unixSeconds: unixSeconds)
        return "\(date.year)-\(twoDigits(date.month))-\(twoDigits(date.day))T\(date.clock)Z"
    }

    private struct Civil {
        /// Days since 1970-01-01.
        var days: Int64
        var year: Int64
        var month: Int64
        var day: Int64
        /// Time of day, `08:49:37`.
        var clock: String
    }

    /// Source of the calendar: Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms", `civil_from_days`.
    private static func civil(unixSeconds: Int64) -> Civil {
        let days = unixSeconds / 86_400 - (unixSeconds % 86_400 < 0 ? 1 : 0)
        let secondOfDay = unixSeconds - days * 86_400
        let shifted = days + 719_468
        let era = (shifted >= 0 ? shifted : shifted - 146_096) / 146_097
        let dayOfEra = shifted - era * 146_097
        let yearOfEra = (dayOfEra - dayOfEra / 1460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
        let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
        let shiftedMonth = (5 * dayOfYear + 2) / 153
        let day = dayOfYear - (153 * shiftedMonth + 2) / 5 + 1
        let month = shiftedMonth < 10 ? shiftedMonth + 3 : shiftedMonth - 9
        let year = yearOfEra + era * 400 + (month <= 2 ? 1 : 0)
        let clock = [secondOfDay / 3600, secondOfDay / 60 % 60, secondOfDay % 60].map(twoDigits).joined(separator: ":")
        return Civil(days: days, year: year, month: month, day: day, clock: clock)
    }

    private static let weekdays = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"]
    private static let months = [
        "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
    ]

    private static func twoDigits(_ number: Int64) -> String {
        number < 10 ? "0\(number)" : String(number)
    }
}
