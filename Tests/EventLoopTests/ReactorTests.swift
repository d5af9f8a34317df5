import CoreTypes
import EventLoop
import Glibc
import Synchronization
import Testing

/// What handlers saw; touched on one loop only.
private final class Record: @unchecked Sendable {
    var readiness: [Readiness] = []
    var texts: [String] = []
    var count = 0
}

@Suite(.timeLimit(.minutes(10)))
struct ReactorTests {
    @Test func readableDescriptorIsReportedUntilItIsRead() async throws {
        try await withLoop { loop in
            let pair = SocketPair()
            SocketPair.send(pair.far, 7)
            let bytes = await withCheckedContinuation { continuation in
                loop.execute {
                    let record = Record()
                    try! loop.watch(pair.near, .read) { readiness in
                        #expect(readiness == .read)
                        record.count += 1
                        // Level-triggered: not reading means being told again.
                        guard record.count == 3 else { return }
                        loop.unwatch(pair.near)
                        continuation.resume(returning: SocketPair.receive(pair.near))
                    }
                }
            }
            #expect(bytes == [7])
        }
    }

    @Test func interestDecidesWhatIsReported() async throws {
        try await withLoop { loop in
            let pair = SocketPair()
            let record = Record()
            SocketPair.send(pair.far)
            let first = await withCheckedContinuation { continuation in
                loop.execute {
                    try! loop.watch(pair.near, .write) { readiness in
                        record.readiness.append(readiness)
                        switch record.readiness.count {
                        case 1: loop.update(pair.near, [.read, .write])
                        case 2: loop.update(pair.near, .read)
                        default:
                            loop.unwatch(pair.near)
                            continuation.resume(returning: record.readiness)
                        }
                    }
                }
            }
            #expect(first == [.write, [.read, .write], .read])
        }
    }

    @Test func hangUpIsReported() async throws {
        try await withLoop { loop in
            let pair = SocketPair()
            shutdown(pair.far, CInt(SHUT_RDWR))
            let readiness = await withCheckedContinuation { continuation in
                loop.execute {
                    try! loop.watch(pair.near, .read) { readiness in
                        loop.unwatch(pair.near)
                        continuation.resume(returning: readiness)
                    }
                }
            }
            #expect(readiness == [.read, .hangUp])
        }
    }

    @Test func emptyInterestNeitherReportsNorSpins() async throws {
        try await withLoop { loop in
            let pair = SocketPair()
            let record = Record()
            let turns = await withCheckedContinuation { continuation in
                loop.execute {
                    try! loop.watch(pair.near, .read) { record.readiness.append($0) }
                    loop.update(pair.near, [])
                    shutdown(pair.far, CInt(SHUT_RDWR))
                    _ = loop.addTurn { _ in
                        record.count += 1
                        return false
                    }
                    loop.schedule(at: loop.now().advanced(by: .milliseconds(30))) {
                        continuation.resume(returning: record.count)
                    }
                }
            }
            // One turn for each thing that happened; a loop that spins makes many thousands.
            #expect(turns < 20)
            let readiness = await withCheckedContinuation { continuation in
                loop.execute {
                    let before = record.readiness
                    loop.update(pair.near, .read)
                    loop.schedule(at: loop.now().advanced(by: .milliseconds(1))) {
                        loop.unwatch(pair.near)
                        continuation.resume(returning: (before, record.readiness.first))
                    }
                }
            }
            #expect(readiness.0.isEmpty)
            #expect(readiness.1 == [.read, .hangUp])
        }
    }

    @Test func staleEventsDoNotReachANewOwnerOfTheDescriptor() async throws {
        try await withLoop { loop in
            let pairs = [SocketPair(), SocketPair()]
            let quiet = SocketPair()
            let record = Record()
            let reused = await withCheckedContinuation { continuation in
                loop.execute {
                    for (index, pair) in pairs.enumerated() {
                        try! loop.watch(pair.near, .read) { _ in
                            record.texts.append("old")
                            // Both are ready in this turn. The one not yet told gets another owner.
                            let other = pairs[1 - index].near
                            loop.unwatch(pair.near)
                            loop.unwatch(other)
                            precondition(dup2(quiet.near, other) == other)
                            try! loop.watch(other, .read) { _ in
                                record.texts.append("new")
                                loop.unwatch(other)
                                continuation.resume(returning: record.texts)
                            }
                            loop.execute { loop.execute { SocketPair.send(quiet.far) } }
                            loop.schedule(at: .zero) { record.texts.append("turn ended") }
                        }
                        SocketPair.send(pair.far)
                    }
                }
            }
            #expect(reused == ["old", "turn ended", "new"])
        }
    }

    @Test func watchingWhatCannotBeWatchedNamesTheCall() async throws {
        try await withLoop { loop in
            let failure = await loop.run { () -> SystemError? in
                do throws(SystemError) {
                    try loop.watch(9_999, .read) { _ in }
                    return nil
                } catch {
                    return error
                }
            }
            #expect(failure?.call == "epoll_ctl")
            #expect(failure?.errno == EBADF)
            #expect(
                failure?.description == "epoll_ctl failed: Bad file descriptor [errno 9] (watching descriptor 9999)"
            )
            // The failed watch left nothing behind.
            await loop.run { loop.unwatch(9_999) }
        }
    }

    @Test func watchingTwiceStopsTheProcess() async {
        await #expect(processExitsWith: .failure) {
            let loop = try EventLoop(name: "twice")
            let pair = SocketPair()
            await loop.run {
                try! loop.watch(pair.near, .read) { _ in }
                try! loop.watch(pair.near, .read) { _ in }
            }
        }
    }

    @Test func timersFireInOrderAndNotEarly() async throws {
        try await withLoop { loop in
            let record = Record()
            let (texts, isEarly) = await withCheckedContinuation { continuation in
                loop.execute {
                    let start = loop.now()
                    let end = start.advanced(by: .milliseconds(8))
                    loop.schedule(at: end) {
                        continuation.resume(returning: (record.texts, loop.now() < end))
                    }
                    loop.schedule(at: start.advanced(by: .milliseconds(4))) { record.texts.append("4") }
                    loop.schedule(at: start.advanced(by: .microseconds(500))) { record.texts.append("0.5 first") }
                    let cancelled = loop.schedule(at: start.advanced(by: .milliseconds(1))) {
                        record.texts.append("cancelled")
                    }
                    loop.schedule(at: start.advanced(by: .microseconds(500))) {
                        record.texts.append("0.5 second")
                        loop.cancel(cancelled)
                        loop.cancel(cancelled)
                    }
                    loop.schedule(at: .zero) { record.texts.append("past") }
                }
            }
            #expect(texts == ["past", "0.5 first", "0.5 second", "4"])
            #expect(!isEarly)
        }
    }

    @Test func busyTurnSourceStarvesNeitherJobsNorTimersNorDescriptors() async throws {
        try await withLoop { loop in
            let pair = SocketPair()
            let record = Record()
            await loop.run {
                _ = loop.addTurn { budget in
                    #expect(budget == EventLoop.turnBudget)
                    record.count += 1
                    return true
                }
            }
            await loop.turn()
            let byTimer = await withCheckedContinuation { continuation in
                loop.execute {
                    loop.schedule(at: loop.now().advanced(by: .milliseconds(2))) {
                        continuation.resume(returning: record.count)
                    }
                }
            }
            #expect(byTimer > 0)
            await withCheckedContinuation { continuation in
                loop.execute {
                    try! loop.watch(pair.near, .read) { _ in
                        loop.unwatch(pair.near)
                        continuation.resume()
                    }
                    SocketPair.send(pair.far)
                }
            }
        }
    }

    @Test func endlessJobsStarveNeitherTimersNorDescriptorsNorTurns() async throws {
        final class Flood: Sendable {
            let isOver = Mutex(false)
            func go(_ loop: EventLoop) {
                guard !isOver.withLock({ $0 }) else { return }
                loop.execute { self.go(loop) }
            }
        }
        try await withLoop { loop in
            let flood = Flood()
            // More than fits into one turn.
            for _ in 0..<3_000 { flood.go(loop) }
            let pair = SocketPair()
            SocketPair.send(pair.far)
            await withCheckedContinuation { continuation in
                loop.execute {
                    loop.schedule(at: loop.now().advanced(by: .milliseconds(1))) { continuation.resume() }
                }
            }
            await withCheckedContinuation { continuation in
                loop.execute {
                    try! loop.watch(pair.near, .read) { _ in
                        loop.unwatch(pair.near)
                        continuation.resume()
                    }
                }
            }
            await withCheckedContinuation { continuation in
                loop.execute {
                    let record = Record()
                    let id = Mutex<TurnID?>(nil)
                    let turn = loop.addTurn { _ in
                        record.count += 1
                        if record.count == 2 {
                            id.withLock { loop.removeTurn($0!) }
                            continuation.resume()
                        }
                        return false
                    }
                    id.withLock { $0 = turn }
                }
            }
            flood.isOver.withLock { $0 = true }
        }
    }

    @Test func removedTurnSourceIsNotCalledInTheSameTurn() async throws {
        try await withLoop { loop in
            let record = Record()
            let texts = await withCheckedContinuation { continuation in
                loop.execute {
                    let second = Mutex<TurnID?>(nil)
                    _ = loop.addTurn { _ in
                        record.texts.append("first")
                        second.withLock { if let id = $0 { loop.removeTurn(id) } }
                        return false
                    }
                    let id = loop.addTurn { _ in
                        record.texts.append("second")
                        return false
                    }
                    second.withLock { $0 = id }
                    loop.execute { continuation.resume(returning: record.texts) }
                }
            }
            #expect(texts == ["first"])
        }
    }

    @Test func turnSourcesAreAskedAgainAfterJobs() async throws {
        // What a job did to a socket must be seen before the loop blocks.
        try await withLoop { loop in
            let record = Record()
            await loop.run {
                _ = loop.addTurn { _ in
                    if record.count == 1 { record.texts.append("seen") }
                    return false
                }
            }
            await loop.run { record.count = 1 }
            await withCheckedContinuation { continuation in
                loop.execute {
                    loop.schedule(at: .zero) { continuation.resume() }
                }
            }
            #expect(await loop.run { !record.texts.isEmpty })
        }
    }
}
