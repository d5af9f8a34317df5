import CoreTypes
import EventLoop
import Synchronization
import Testing

/// An actor that lives on a loop.
private actor Resident {
    nonisolated let loop: EventLoop
    nonisolated var unownedExecutor: UnownedSerialExecutor { unsafe loop.asUnownedSerialExecutor() }

    private(set) var count = 0
    private var continuation: CheckedContinuation<Int, Never>?

    init(_ loop: EventLoop) {
        self.loop = loop
    }

    func isOnLoop() -> Bool { loop.isCurrent }

    func increment() { count += 1 }

    func add(_ values: [Int]) async -> Int {
        for value in values {
            count += value
            await Task.yield()
            precondition(loop.isCurrent)
        }
        return count
    }

    /// A handler written inside the actor touches its state directly.
    func countAfterTimer() async -> Int {
        await withCheckedContinuation { continuation in
            self.continuation = continuation
            loop.schedule(at: .zero) { self.fire() }
        }
    }

    private func fire() {
        count += 100
        continuation?.resume(returning: count)
        continuation = nil
    }
}

private func incrementSynchronously(_ resident: Resident) {
    resident.assumeIsolated { $0.increment() }
}

@Suite(.timeLimit(.minutes(10)))
struct ExecutorTests {
    @Test func actorMethodsRunOnTheLoopsThread() async throws {
        try await withLoop { loop in
            let resident = Resident(loop)
            #expect(await resident.isOnLoop())
            #expect(!loop.isCurrent)
            #expect(await resident.add([1, 2, 3]) == 6)
        }
    }

    @Test func assumeIsolatedWorksInClosuresOfTheLoop() async throws {
        try await withLoop { loop in
            let resident = Resident(loop)
            let seen = await withCheckedContinuation { continuation in
                loop.execute {
                    resident.assumeIsolated { $0.increment() }
                    continuation.resume(returning: resident.assumeIsolated { $0.count })
                }
            }
            #expect(seen == 1)
        }
    }

    @Test func handlersMayTouchTheActorThatMadeThem() async throws {
        try await withLoop { loop in
            #expect(await Resident(loop).countAfterTimer() == 100)
        }
    }

    @Test func assumeIsolatedElsewhereStopsTheProcess() async {
        await #expect(processExitsWith: .failure) {
            let loop = try EventLoop(name: "elsewhere")
            let resident = Resident(loop)
            incrementSynchronously(resident)
        }
    }

    @Test func loopMethodsElsewhereStopTheProcess() async {
        await #expect(processExitsWith: .failure) {
            let loop = try EventLoop(name: "elsewhere")
            loop.schedule(at: .zero) {}
        }
    }

    @Test func jobsOfManyTasksAllRun() async throws {
        try await withLoop { loop in
            let resident = Resident(loop)
            await withDiscardingTaskGroup { group in
                for _ in 0..<8 {
                    group.addTask { for _ in 0..<2_000 { await resident.increment() } }
                }
            }
            #expect(await resident.count == 16_000)
        }
    }

    @Test func closuresRunInTheOrderTheyWereGiven() async throws {
        try await withLoop { loop in
            let seen = Mutex<[Int]>([])
            // More than one turn's worth of jobs.
            for value in 0..<5_000 { loop.execute { seen.withLock { $0.append(value) } } }
            await loop.turn()
            #expect(seen.withLock { $0 } == Array(0..<5_000))
        }
    }

    @Test func jobsQueuedBeforeShutDownRun() async throws {
        let loop = try EventLoop(name: "test")
        let count = Mutex(0)
        for _ in 0..<3_000 { loop.execute { count.withLock { $0 += 1 } } }
        loop.shutDown()
        loop.shutDown()
        await loop.ended()
        #expect(count.withLock { $0 } == 3_000)
        loop.join()
        loop.join()
    }

    @Test func jobsAfterTheEndStillRunSerially() async throws {
        let loop = try EventLoop(name: "test")
        loop.shutDown()
        await loop.ended()
        loop.join()
        let resident = Resident(loop)
        #expect(await resident.isOnLoop())
        await withDiscardingTaskGroup { group in
            for _ in 0..<4 { group.addTask { for _ in 0..<200 { await resident.increment() } } }
        }
        #expect(await resident.count == 800)
    }

    @Test func whatHandlersHoldIsReleasedAtTheEnd() async throws {
        final class Held: Sendable {}
        let loop = try EventLoop(name: "test")
        weak let released: Held?
        do {
            let held = Held()
            released = held
            await loop.run {
                loop.schedule(at: .distantFuture) { _ = held }
                _ = loop.addTurn { _ in
                    _ = held
                    return false
                }
            }
            #expect(released != nil)
        }
        loop.shutDown()
        await loop.ended()
        #expect(released == nil)
    }
}
