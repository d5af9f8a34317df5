import BusProtocol
import CoreTypes
import Testing

@testable import Dispatch

@Suite("The queue of requests that wait")
struct ReadyQueueTests {
    static func job(
        _ number: UInt64,
        priority: Int = 4,
        tenant: UInt32 = 1,
        connection: UInt32 = 1,
        cost: Int = 1
    ) -> Job {
        guard let id = RequestID("r\(number)") else { preconditionFailure("no id") }
        return Job(
            number: JobNumber(number),
            key: RequestKey(tenant: .user(tenant), id: id),
            header: RequestHeader(priority: priority),
            body: BodyFacts(hash: BodyHash(1, 2, 3, 4), byteCount: (cost - 1) * 65536 + 1),
            durability: .memory,
            acceptedAt: .zero,
            expiresAt: .distantFuture,
            ttl: .seconds(1),
            connection: ConnectionID(connection)
        )
    }

    /// What the dispatcher does with a job it has taken out.
    static func end(_ job: Job) { job.phase = .ended(isReply: false, nil) }

    @Test("the head comes before the others, last put there first")
    func head() {
        var queue = ReadyQueue()
        let jobs = (1...4).map { Self.job($0) }
        queue.push(jobs[0])
        queue.push(jobs[1])
        queue.push(jobs[2], atHead: true)
        queue.push(jobs[3], atHead: true)
        var order: [UInt64] = []
        while let job = queue.pop() {
            Self.end(job)
            order.append(job.number.value)
        }
        #expect(order == [4, 3, 1, 2])
    }

    @Test("with all priorities full each gets its weight of every 55 places")
    func weights() {
        var queue = ReadyQueue()
        var number: UInt64 = 0
        for priority in 0...9 {
            for _ in 0..<200 {
                number += 1
                queue.push(Self.job(number, priority: priority))
            }
        }
        for _ in 0..<5 {
            var places = [Int](repeating: 0, count: 10)
            for _ in 0..<55 {
                guard let job = queue.pop() else { break }
                Self.end(job)
                places[job.header.priority] += 1
            }
            #expect(places == Array(1...10))
        }
    }

    @Test("a single request of the lowest priority waits a bounded time beside full higher ones, again and again")
    func noStarvation() {
        for full in [[9], [5, 9], Array(1...9)] {
            var queue = ReadyQueue()
            var number: UInt64 = 0
            func refill() {
                for priority in full {
                    number += 1
                    queue.push(Self.job(number, priority: priority))
                }
            }
            for _ in 0..<60 { refill() }
            for _ in 0..<200 {
                number += 1
                queue.push(Self.job(number, priority: 0))
                var waited = 0
                while let job = queue.pop() {
                    Self.end(job)
                    if job.header.priority == 0 { break }
                    refill()
                    waited += 1
                    if waited > 54 { break }
                }
                #expect(waited <= 54)
            }
        }
    }

    @Test("any mixture of pushes, pops and removals keeps order and count", arguments: 0..<20 as Range<UInt64>)
    func model(_ seed: UInt64) {
        var random = SeededGenerator(seed: seed)
        var queue = ReadyQueue()
        var model = [[Job]](repeating: [], count: 10)
        var number: UInt64 = 0
        for _ in 0..<4000 {
            switch Int.random(in: 0..<10, using: &random) {
            case 0..<5:
                number += 1
                let priority = Int.random(in: 0...9, using: &random)
                let job = Self.job(number, priority: priority)
                let atHead = Bool.random(using: &random)
                queue.push(job, atHead: atHead)
                model[priority].insert(job, at: atHead ? 0 : model[priority].count)
            case 5..<7:
                guard let priority = model.indices.filter({ !model[$0].isEmpty }).randomElement(using: &random) else {
                    continue
                }
                let job = model[priority].remove(at: Int.random(in: 0..<model[priority].count, using: &random))
                queue.remove(job)
                Self.end(job)
            case 7:
                // Comes back: its stale entry must not stand for it.
                guard let job = queue.pop() else { continue }
                #expect(model[job.header.priority].removeFirst() === job)
                queue.push(job)
                model[job.header.priority].append(job)
            default:
                let job = queue.pop()
                guard let job else {
                    #expect(model.reduce(0) { $0 + $1.count } == 0)
                    continue
                }
                #expect(model[job.header.priority].removeFirst() === job)
                Self.end(job)
            }
            #expect(queue.count == model.reduce(0) { $0 + $1.count })
            #expect(queue.isEmpty == (queue.count == 0))
        }
    }

    @Test("thousands of cancelled requests leave nothing behind")
    func compaction() {
        var queue = ReadyQueue()
        queue.push(Self.job(0))
        for number: UInt64 in 1...5000 {
            let job = Self.job(number)
            queue.push(job, atHead: number.isMultiple(of: 2))
            queue.remove(job)
            Self.end(job)
            #expect(queue.entryCount <= 1026)
        }
        #expect(queue.count == 1)
        #expect(queue.pop()?.number == JobNumber(0))
    }
}
