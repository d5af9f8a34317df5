import CoreTypes
import Testing

@testable import Dialects

@Suite struct RetryHintTests {
    /// Sun, 06 Nov 1994 08:49:37 GMT
    static let wall: Int64 = 784_111_777_000

    @Test(arguments: [
        ("retry-after", "20", 20_000), ("Retry-After", " 1.5 ", 1500), ("retry-after-ms", "250", 250),
        ("retry-after", "Sun, 06 Nov 1994 08:50:37 GMT", 60_000), ("retry-after", "Sun, 06 Nov 1994 08:00:00 GMT", 0),
        ("retry-after", "99999999999999", 30 * 24 * 3_600_000),
    ])
    func headersNameTheWait(name: String, value: String, milliseconds: Int64) {
        #expect(RetryHint.wait(headers: [(name, value)], wallNow: Self.wall) == .milliseconds(milliseconds))
    }

    @Test(arguments: [
        "", "soon", "-1", "1e3", "nan", "1.2.3", "Sun, 06 Foo 1994 08:50:37 GMT", "Sun, 06 Nov 1994 25:50:37 GMT",
        "Sun, 06 Nov 1994 08:50:37", "٣",
    ])
    func aHeaderThatNamesNoWaitIsIgnored(value: String) {
        #expect(RetryHint.wait(headers: [("retry-after", value)], wallNow: Self.wall) == nil)
    }

    @Test func theLongerOfTwoHeadersCounts() {
        let headers = [("retry-after-ms", "0"), ("retry-after", "1")]
        #expect(RetryHint.wait(headers: headers, wallNow: 0) == .seconds(1))
    }

    @Test(arguments: [
        ("please try again in 1m9.696s. visit", 69_696), ("please try again in 579ms. visit", 579),
        ("please retry in 34.07s.", 34_070), ("please retry after 86400 seconds. go here", 86_400_000),
        ("try again in 9m38.016s", 578_016), ("try again in 20 seconds", 20_000), ("try again in 2 minutes.", 120_000),
        ("retry after 5.", 5000), ("try again in 1h2m3s", 3_723_000),
    ])
    func textsNameTheWait(text: String, milliseconds: Int64) {
        #expect(RetryHint.wait(inText: text) == .milliseconds(milliseconds))
    }

    @Test(arguments: ["", "please try again in a moment", "retry in", "try again later", "retry after "])
    func aTextWithoutANumberNamesNone(text: String) {
        #expect(RetryHint.wait(inText: text) == nil)
    }

    @Test(arguments: [("6m0s", 360_000), ("12ms", 12), ("34.4s", 34_400), ("900ms", 900), ("0s", 0)])
    func goDurationsAreRead(text: String, milliseconds: Int64) {
        #expect(RetryHint.duration(text) == .milliseconds(milliseconds))
    }

    @Test(arguments: ["", "s", "5", "5x", "5s later", "1..2s"])
    func whatIsNoDurationIsRefused(text: String) {
        #expect(RetryHint.duration(text) == nil)
    }

    @Test func onlyAnEmptyBucketsResetCounts() {
        let both = [("x-ratelimit-reset-requests", "1s"), ("x-ratelimit-reset-tokens", "6m0s")]
        #expect(RetryHint.reset(headers: both, wallNow: 0) == .seconds(360))
        let remaining = [("x-ratelimit-remaining-tokens", "10"), ("x-ratelimit-remaining-requests", "0")]
        #expect(RetryHint.reset(headers: both + remaining, wallNow: 0) == .seconds(1))
        #expect(RetryHint.reset(headers: [("x-rate-limit-reset-tokens", "55")], wallNow: 0) == .seconds(55))
        #expect(
            RetryHint.reset(headers: [("X-RateLimit-Reset", "1790000010000")], wallNow: 1_790_000_000_000)
                == .seconds(10)
        )
        #expect(
            RetryHint.reset(headers: [("X-RateLimit-Reset", "1790000010")], wallNow: 1_790_000_000_000) == .seconds(10)
        )
    }

    @Test func datesOfLeapYearsAreCounted() {
        #expect(HTTPDate.unixSeconds("Thu, 01 Jan 1970 00:00:00 GMT") == 0)
        #expect(HTTPDate.unixSeconds("Tue, 29 Feb 2000 12:00:00 GMT") == 951_825_600)
        #expect(HTTPDate.unixSeconds("Fri, 31 Dec 2027 23:59:59 GMT") == 1_830_297_599)
    }

    @Test func noTextStopsTheParsers() {
        var random = SeededGenerator(seed: 11)
        let alphabet = Array("0123456789.mshd: GMTSunNov,-+eé٣\"")
        for _ in 0..<20_000 {
            let length = Int(random.next() % 40)
            let text = String((0..<length).map { _ in alphabet[Int(random.next() % UInt64(alphabet.count))] })
            for wait in [
                RetryHint.wait(headers: [("retry-after", text)], wallNow: .min),
                RetryHint.wait(inText: "retry in \(text)"), RetryHint.duration(text),
                RetryHint.reset(headers: [("x-ratelimit-reset", text)], wallNow: .max),
            ] {
                #expect(wait.map { (.zero...RetryHint.waitMax).contains($0) } ?? true, "\(text)")
            }
        }
    }
}
