import BusProtocol
import CoreTypes
import Testing

@testable import Dispatch

@Suite("Fair order")
struct FairnessTests {
    /// Counts who goes before whom, knowing nothing of rounds and turns.
    private struct Contest<Name: Hashable> {
        var overtaken: [Name: [Name: UInt64]] = [:]
        var costOfLast: [Name: UInt64] = [:]
        var worst: UInt64 = 0

        /// One of `waiting` is served. False when that breaks the bound of another one that waits.
        mutating func serve(_ name: Name, cost: UInt64, waiting: Set<Name>) -> Bool {
            overtaken = overtaken.filter { waiting.contains($0.key) }
            var isKept = true
            for other in waiting where other != name {
                let times = (overtaken[other]?[name] ?? 0) + 1
                overtaken[other, default: [:]][name] = times
                worst = max(worst, times)
                if times > costOfLast[other] ?? 1 { isKept = false }
            }
            overtaken[name] = nil
            costOfLast[name] = cost
            return isKept
        }

        /// One has nothing waiting any more; when it waits again, its wait begins anew.
        mutating func stop(_ name: Name) { overtaken[name] = nil }
    }

    private struct Sender: Hashable {
        var tenant: UInt32
        var priority: Int
        var connection: UInt32

        init(_ job: Job) {
            guard case .user(let user) = job.key.tenant else { preconditionFailure("no user") }
            tenant = user
            priority = job.header.priority
            connection = job.connection?.value ?? 0
        }
    }

    /// A queue beside a plain list of what waits, with every bound watched.
    private struct Watch {
        var queue = ReadyQueue()
        var waiting: [Job] = []
        /// Those of `waiting` that came back.
        var returned = Set<JobNumber>()
        var number: UInt64 = 0
        var tenants = Contest<UInt32>()
        var connections: [[UInt64]: Contest<UInt32>] = [:]
        /// Services of other priorities of the tenant since this one began to wait or was served.
        var passed: [[UInt64]: Int] = [:]

        mutating func push(tenant: UInt32, priority: Int, connection: UInt32, cost: Int) {
            number += 1
            let job = ReadyQueueTests.job(
                number,
                priority: priority,
                tenant: tenant,
                connection: connection,
                cost: cost
            )
            waiting.append(job)
            queue.push(job)
        }

        mutating func cancel(_ index: Int) {
            let job = waiting.remove(at: index)
            queue.remove(job)
            ReadyQueueTests.end(job)
            returned.remove(job.number)
            let sender = Sender(job)
            let rivals = waiting.map(Sender.init).filter { $0.tenant == sender.tenant }
            if rivals.isEmpty { tenants.stop(sender.tenant) }
            let lane = [UInt64(sender.tenant), UInt64(sender.priority)]
            if !rivals.contains(where: { $0.priority == sender.priority }) { passed[lane] = nil }
            if !rivals.contains(sender) { connections[lane]?.stop(sender.connection) }
        }

        /// Takes the next job and judges the choice.
        mutating func serve() -> Job? {
            guard let job = queue.pop() else {
                #expect(waiting.isEmpty)
                return nil
            }
            let sender = Sender(job)
            let cost = ReadyQueue.cost(of: job.body.byteCount)
            let all = waiting.map(Sender.init)
            let areKept = tenants.serve(sender.tenant, cost: cost, waiting: Set(all.map(\.tenant)))
            #expect(areKept, "tenants")
            judgePriority(sender, among: all)
            let lane = [UInt64(sender.tenant), UInt64(sender.priority)]
            let rivals = waiting.filter {
                Sender($0).tenant == sender.tenant && Sender($0).priority == sender.priority
            }
            if returned.remove(job.number) == nil {
                #expect(!rivals.contains { returned.contains($0.number) }, "what came back goes first")
                let waitingConnections = Set(rivals.map { $0.connection?.value ?? 0 })
                let isKept = connections[lane, default: Contest()]
                    .serve(sender.connection, cost: cost, waiting: waitingConnections)
                #expect(isKept, "connections")
                #expect(rivals.first { $0.connection == job.connection } === job, "first in, first out")
            }
            waiting.removeAll { $0 === job }
            ReadyQueueTests.end(job)
            return job
        }

        private mutating func judgePriority(_ sender: Sender, among all: [Sender]) {
            let rivals = Set(all.filter { $0.tenant == sender.tenant }.map(\.priority))
            for priority in 0...9 {
                let lane = [UInt64(sender.tenant), UInt64(priority)]
                guard rivals.contains(priority), priority != sender.priority else {
                    passed[lane] = nil
                    continue
                }
                passed[lane, default: 0] += 1
                let most = [54, 27, 19, 13, 12, 9, 8, 7, 7, 6][priority]
                #expect((passed[lane] ?? 0) <= most, "priority \(priority)")
            }
        }

        mutating func giveBack(_ job: Job) {
            returned.insert(job.number)
            waiting.append(job)
            queue.push(job, atHead: true)
        }
    }

    @Test(
        "any mixture of tenants, connections, priorities, sizes, cancels and returns keeps every bound on waiting",
        arguments: 0..<30 as Range<UInt64>
    )
    func bounds(_ seed: UInt64) {
        var random = SeededGenerator(seed: seed)
        var watch = Watch()
        let tenants = UInt32.random(in: 1...5, using: &random)
        let connections = UInt32.random(in: 1...6, using: &random)
        let priorities = Int.random(in: 0...9, using: &random)
        let costMax = [1, 1, 4, 128][Int.random(in: 0..<4, using: &random)]
        let greed = Int.random(in: 1...6, using: &random)
        for step in 0..<600 {
            // Fills and empties by turns, so that senders come and go.
            let isFilling = (step / 60).isMultiple(of: 2)
            switch Int.random(in: 0..<100, using: &random) {
            case 0..<(isFilling ? 60 : 25):
                let tenant = UInt32.random(in: 1...tenants, using: &random)
                let connection = UInt32.random(in: 1...connections, using: &random)
                // The first connection of the first tenant sends in bursts.
                for _ in 0..<(tenant == 1 && connection == 1 ? greed : 1) {
                    watch.push(
                        tenant: tenant,
                        priority: Int.random(in: 0...priorities, using: &random),
                        connection: connection,
                        cost: Int.random(in: 1...costMax, using: &random)
                    )
                }
            case 95... where !watch.waiting.isEmpty:
                watch.cancel(Int.random(in: 0..<watch.waiting.count, using: &random))
            default:
                guard let job = watch.serve() else { continue }
                if Int.random(in: 0..<20, using: &random) == 0 { watch.giveBack(job) }
            }
            #expect(watch.queue.count == watch.waiting.count)
        }
        while watch.serve() != nil {}
    }

    /// Serves all that waits and gives the tenants in order.
    private func tenants(_ queue: inout ReadyQueue, _ count: Int) -> [UInt32] {
        (0..<count).compactMap { _ in
            queue.pop().map {
                ReadyQueueTests.end($0)
                return Sender($0).tenant
            }
        }
    }

    @Test("a tenant with thousands waiting gets every second place beside one with a few")
    func greedyTenant() {
        var queue = ReadyQueue()
        for number: UInt64 in 1...5000 { queue.push(ReadyQueueTests.job(number, tenant: 1)) }
        let order1 = tenants(&queue, 3)
        #expect(order1 == [1, 1, 1])
        for number: UInt64 in 1...3 { queue.push(ReadyQueueTests.job(9000 + number, tenant: 2)) }
        let order2 = tenants(&queue, 8)
        #expect(order2 == [1, 2, 1, 2, 1, 2, 1, 1])
    }

    @Test("a connection with thousands waiting gets every second place beside one with a few")
    func greedyConnection() {
        var queue = ReadyQueue()
        for number: UInt64 in 1...5000 { queue.push(ReadyQueueTests.job(number, connection: 1)) }
        for number: UInt64 in 1...3 { queue.push(ReadyQueueTests.job(9000 + number, connection: 2)) }
        var order: [UInt32] = []
        for _ in 0..<8 {
            guard let job = queue.pop() else { break }
            ReadyQueueTests.end(job)
            order.append(job.connection?.value ?? 0)
        }
        #expect(order == [1, 2, 1, 2, 1, 2, 1, 1])
    }

    @Test("a large request is paid for afterwards: the other tenant gets as many units, and large ones alike are equal")
    func sizes() {
        var queue = ReadyQueue()
        var number: UInt64 = 0
        for tenant: UInt32 in [1, 2] {
            for _ in 0..<300 {
                number += 1
                queue.push(ReadyQueueTests.job(number, tenant: tenant, cost: tenant == 1 ? 10 : 1))
            }
        }
        let order = tenants(&queue, 110)
        #expect(order.count { $0 == 1 } == 10)
        #expect(order.prefix(12) == [1, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 1])

        var equal = ReadyQueue()
        for number: UInt64 in 1...100 {
            equal.push(ReadyQueueTests.job(number, tenant: number <= 50 ? 1 : 2, cost: 128))
        }
        let order3 = tenants(&equal, 6)
        #expect(order3 == [1, 2, 1, 2, 1, 2])
    }

    @Test("what a tenant used while nobody else waited does not count against it")
    func idleTime() {
        var queue = ReadyQueue()
        for number: UInt64 in 1...50 { queue.push(ReadyQueueTests.job(number, tenant: 1, cost: 128)) }
        _ = tenants(&queue, 49)
        queue.push(ReadyQueueTests.job(60, tenant: 1))
        queue.push(ReadyQueueTests.job(61, tenant: 2))
        queue.push(ReadyQueueTests.job(62, tenant: 2))
        let order = tenants(&queue, 2)
        #expect(Set(order) == [1, 2])
    }

    @Test("a tenant that leaves with a debt and comes back still owes it")
    func debt() {
        var queue = ReadyQueue()
        for number: UInt64 in 1...20 { queue.push(ReadyQueueTests.job(number, tenant: 1)) }
        queue.push(ReadyQueueTests.job(30, tenant: 2, cost: 5))
        let order4 = tenants(&queue, 2)
        #expect(order4 == [1, 2])
        queue.push(ReadyQueueTests.job(31, tenant: 2, cost: 5))
        let order5 = tenants(&queue, 7)
        #expect(order5 == [1, 1, 1, 1, 1, 2, 1])
    }

    @Test("the order of priorities gives each its weight, and the longest waits are those that are promised")
    func priorityTurns() {
        for priority in 0...9 {
            #expect(PriorityTurns.order.count { $0 == UInt8(priority) } == priority + 1)
        }
        #expect(PriorityTurns.overtakenMax == [54, 27, 19, 13, 12, 9, 8, 7, 7, 6])
    }

    @Test("a request costs 1 up to 64 KiB, and 128 at the largest body")
    func costs() {
        #expect([0, 1, 65_536, 65_537, 131_072, 131_073].map { ReadyQueue.cost(of: $0) } == [1, 1, 1, 2, 2, 3])
        #expect(ReadyQueue.cost(of: Limits.bodyBytesMax) == 128)
    }

    @Test("connections and tenants that came and went are not remembered for ever")
    func memory() {
        var queue = ReadyQueue()
        queue.push(ReadyQueueTests.job(0, tenant: 1, connection: 0))
        for number: UInt32 in 1...30_000 {
            let job = ReadyQueueTests.job(UInt64(number), tenant: 1 + number % 3, connection: number)
            queue.push(job)
            if number.isMultiple(of: 3) {
                queue.remove(job)
                ReadyQueueTests.end(job)
            } else if let taken = queue.pop() {
                ReadyQueueTests.end(taken)
            }
        }
        #expect(queue.rememberedCount <= 4200)
        while let job = queue.pop() { ReadyQueueTests.end(job) }
        #expect(queue.isEmpty)
    }
}
