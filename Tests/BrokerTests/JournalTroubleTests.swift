import CoreTypes
import Journal
import Testing

@testable import Broker

struct JournalTroubleTests {
    @Test func theOperatorIsToldAfterFiveSecondsAndThenEverMoreRarely() {
        let start = Moment.zero
        var trouble = JournalTrouble(since: start)
        var told: [Int] = []
        for second in 0...300 where trouble.isToBeTold(start.advanced(by: .seconds(second))) { told.append(second) }
        #expect(told == [5, 15, 35, 75, 135, 195, 255])
        #expect(trouble.seconds(until: start.advanced(by: .milliseconds(7900))) == 7)
    }

    @Test func theAdviceSaysWhetherItPassesByItself() {
        #expect(JournalTrouble.advice(JournalError(.full, "")).contains("Make room"))
        #expect(JournalTrouble.advice(JournalError(.inputOutput, "")).contains("by itself when"))
        let damaged = JournalTrouble.advice(JournalError(.corrupt, ""))
        for part in ["does not pass by itself", "durability memory go on", "sets the damaged file aside"] {
            #expect(damaged.contains(part), "\(damaged)")
        }
        #expect(JournalTrouble.advice(JournalError(.misuse, "")).contains("start the broker again"))
    }
}
