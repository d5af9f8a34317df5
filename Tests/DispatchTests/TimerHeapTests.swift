import BusProtocol
import CoreTypes
import Testing

@testable import Dispatch

@Suite("Timers in order of time")
struct TimerHeapTests {
    private func number(_ purpose: TimerPurpose) -> UInt64? {
        if case .deadline(let job) = purpose { return job.value }
        return nil
    }

    @Test("nothing comes before its time, and then everything in order", arguments: 0..<20 as Range<UInt64>)
    func order(_ seed: UInt64) {
        var random = SeededGenerator(seed: seed)
        var heap = TimerHeap()
        var dues: [UInt64: Int64] = [:]
        var now: Int64 = 0
        var last: Int64 = 0
        for round: UInt64 in 0..<2000 {
            if Int.random(in: 0..<3, using: &random) > 0 {
                let due = now + Int64.random(in: 0..<1000, using: &random)
                dues[round] = due
                heap.add(.deadline(JobNumber(round)), due: Moment(nanoseconds: due))
            } else {
                now += Int64.random(in: 0..<100, using: &random)
                last = 0
                while let purpose = heap.popDue(now: Moment(nanoseconds: now)) {
                    guard let job = number(purpose), let due = dues.removeValue(forKey: job) else {
                        Issue.record("a timer that was not set, or came twice")
                        return
                    }
                    #expect(due <= now && due >= last)
                    last = due
                }
            }
            #expect(heap.nextDue == dues.values.min().map { Moment(nanoseconds: $0) })
            #expect(heap.count == dues.count)
        }
    }

    @Test("void timers stay the smaller part, and the needed ones are not lost")
    func retired() {
        var random = SeededGenerator(seed: 3)
        var heap = TimerHeap()
        var needed: Set<UInt64> = []
        for number: UInt64 in 0..<20_000 {
            heap.add(
                .deadline(JobNumber(number)),
                due: Moment(nanoseconds: Int64.random(in: 0..<1_000_000, using: &random))
            )
            needed.insert(number)
            if Int.random(in: 0..<100, using: &random) < 95, let gone = needed.randomElement(using: &random) {
                needed.remove(gone)
                heap.retire { purpose in
                    if case .deadline(let job) = purpose { return needed.contains(job.value) }
                    return false
                }
            }
            #expect(heap.count <= 2 * needed.count + 2 * 1026)
        }
        var found: Set<UInt64> = []
        var last = Moment.zero
        while let due = heap.nextDue, let purpose = heap.popDue(now: due) {
            #expect(due >= last)
            last = due
            if case .deadline(let job) = purpose { found.insert(job.value) }
        }
        #expect(found.isSuperset(of: needed))
    }

    @Test("an empty heap has nothing")
    func empty() {
        var heap = TimerHeap()
        #expect(heap.nextDue == nil)
        #expect(heap.popDue(now: .distantFuture) == nil)
        for _ in 0..<3000 { heap.retire { _ in true } }
        #expect(heap.count == 0)
    }
}
