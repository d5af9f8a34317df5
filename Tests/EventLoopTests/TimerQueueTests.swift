import CoreTypes
import Testing

@testable import EventLoop

struct TimerQueueTests {
    @Test(arguments: 0..<20)
    func agreesWithASortedList(seed: UInt64) {
        var random = SeededGenerator(seed: seed)
        var queue = TimerQueue()
        var model: [(at: Moment, number: UInt64)] = []
        let fired = Fired()
        var now = Moment.zero
        for _ in 0..<400 {
            switch Int.random(in: 0..<10, using: &random) {
            case 0..<6:
                let at = now.advanced(by: .nanoseconds(Int.random(in: -5...40, using: &random)))
                let number = queue.nextNumber
                #expect(queue.add(at: at) { fired.numbers.append(number) } == number)
                model.append((at, number))
            case 6..<8:
                guard let victim = model.randomElement(using: &random) else { continue }
                queue.cancel(victim.number)
                model.removeAll { $0.number == victim.number }
            default:
                now = now.advanced(by: .nanoseconds(Int.random(in: 0...10, using: &random)))
                let limit = queue.nextNumber
                while let handler = queue.popDue(now: now, before: limit) { handler() }
                let due = model.filter { $0.at <= now }.sorted { ($0.at, $0.number) < ($1.at, $1.number) }
                model.removeAll { $0.at <= now }
                #expect(fired.numbers == due.map(\.number))
                fired.numbers = []
            }
            #expect(queue.count == model.count)
            #expect(queue.earliest() == model.map(\.at).min())
        }
    }

    @Test func cancelledTimersDoNotPileUp() {
        var queue = TimerQueue()
        for index in 0..<10_000 {
            let number = queue.add(at: Moment(nanoseconds: 1_000_000 + Int64(index))) {}
            queue.cancel(number)
        }
        #expect(queue.count == 0)
        #expect(queue.heapCount <= 65)
    }

    @Test func timersAddedMeanwhileWaitForTheNextTurn() {
        var queue = TimerQueue()
        _ = queue.add(at: .zero) {}
        let limit = queue.nextNumber
        _ = queue.add(at: .zero) {}
        #expect(queue.popDue(now: .zero, before: limit) != nil)
        #expect(queue.popDue(now: .zero, before: limit) == nil)
        #expect(queue.count == 1)
    }
}

private final class Fired {
    var numbers: [UInt64] = []
}
