import CoreTypes
import Testing

@testable import Broker

@Suite struct OutboxTests {
    @Test func messagesLeaveInTheOrderTheyCame() {
        var outbox = Outbox()
        for number in 0..<500 {
            let taken = outbox.append([Bytes("m\(number)")], byteCountMax: 1 << 20)
            #expect(taken)
        }
        for number in 0..<500 {
            #expect(outbox.first == [Bytes("m\(number)")])
            outbox.removeFirst()
        }
        #expect(outbox.isEmpty)
        #expect(outbox.first == nil)
        #expect(outbox.byteCount == 0)
    }

    @Test func whatWouldExceedTheBoundIsNotTaken() {
        var outbox = Outbox()
        // A message costs 64 bytes, and each of its frames 96, beside what they hold.
        let byteCountMax = 64 + 2 * 96 + 8 + 64 + 96 + 2
        let fits = outbox.append([Bytes("four"), Bytes("more")], byteCountMax: byteCountMax)
        let exceeds = outbox.append([Bytes("abc")], byteCountMax: byteCountMax)
        let fills = outbox.append([Bytes("ab")], byteCountMax: byteCountMax)
        #expect([fits, exceeds, fills] == [true, false, true])
        #expect(outbox.byteCount == byteCountMax)
        outbox.removeFirst()
        let fitsNow = outbox.append([Bytes("abc")], byteCountMax: byteCountMax)
        #expect(fitsNow)
        #expect(outbox.first == [Bytes("ab")])
    }

    @Test func roomComesBackWhileMessagesKeepComing() {
        var outbox = Outbox()
        for number in 0..<1000 {
            let taken = outbox.append([Bytes("\(number)")], byteCountMax: 9 * 163)
            #expect(taken)
            if number >= 8 { outbox.removeFirst() }
        }
        #expect(outbox.first == [Bytes("992")])
    }
}
