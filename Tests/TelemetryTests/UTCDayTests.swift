import Telemetry
import Testing

struct UTCDayTests {
    @Test(
        arguments: [
            (0, "1970-01-01"), (-1, "1969-12-31"), (1_771_113_600_000, "2026-02-15"),
            (1_771_199_999_999, "2026-02-15"), (1_771_200_000_000, "2026-02-16"), (951_782_400_000, "2000-02-29"),
            (4_107_542_400_000, "2100-03-01"),
        ] as [(Int64, String)]
    )
    func aMomentHasItsDay(milliseconds: Int64, text: String) {
        let day = UTCDay(unixMilliseconds: milliseconds)
        #expect(day.description == text)
        #expect(UTCDay(text) == day)
        #expect(day.startMilliseconds <= milliseconds && milliseconds < day.next.startMilliseconds)
    }

    @Test func everyDayOfFourCenturiesReadsBack() {
        for number in stride(from: Int64(-100), through: 146_097, by: 1) {
            let day = UTCDay(number: number)
            guard UTCDay(day.description) == day else {
                Issue.record("\(day) reads back as \(String(describing: UTCDay(day.description)))")
                return
            }
        }
    }

    @Test(arguments: ["", "2026-2-15", "2026-02-30", "2100-02-29", "2026-13-01", "2026-02-1x", "-026-02-15", "today"])
    func whatIsNoDayIsRefused(text: String) {
        #expect(UTCDay(text) == nil)
    }
}
