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
        let fits = outbox.append([Bytes("four"), Bytes("more")], byteCountMax: 10)
        let exceeds = outbox.append([Bytes("abc")], byteCountMax: 10)
        let fills = outbox.append([Bytes("ab")], byteCountMax: 10)
        #expect([fits, exceeds, fills] == [true, false, true])
        #expect(outbox.byteCount == 10)
        outbox.removeFirst()
        let fitsNow = outbox.append([Bytes("abc")], byteCountMax: 10)
        #expect(fitsNow)
        #expect(outbox.first == [Bytes("ab")])
    }

    @Test func roomComesBackWhileMessagesKeepComing() {
        var outbox = Outbox()
        for number in 0..<1000 {
            let taken = outbox.append([Bytes("\(number)")], byteCountMax: 64)
            #expect(taken)
            if number >= 8 { outbox.removeFirst() }
        }
        #expect(outbox.first == [Bytes("992")])
    }
}
