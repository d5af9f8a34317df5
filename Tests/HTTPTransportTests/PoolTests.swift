import CoreTypes
import EventLoop
import Synchronization
import Testing

@testable import HTTPTransport

@Suite struct PoolChoiceTests {
    @Test func aCallGoesToThePoolWhereAConnectionWasLeftLast() {
        var choice = PoolChoice(callsPerPoolMax: 2)
        let first = (0..<5).map { _ in choice.begin(origin: "a") }
        #expect(first == [0, 0, 1, 1, 2])
        choice.end(1, origin: "a", leavesConnection: true)
        choice.end(0, origin: "a", leavesConnection: true)
        choice.end(2, origin: "a", leavesConnection: false)
        #expect(choice.isEmpty(2) && !choice.isEmpty(1))
        let second = (0..<3).map { _ in choice.begin(origin: "a") }
        #expect(second == [0, 1, 2])
    }

    @Test func aPoolWithRoomIsTakenWhereNoConnectionIsLeft() {
        var choice = PoolChoice(callsPerPoolMax: 2)
        for _ in 0..<4 { _ = choice.begin(origin: "a") }
        choice.end(1, origin: "a", leavesConnection: true)
        choice.end(0, origin: "a", leavesConnection: false)
        let other = choice.begin(origin: "b")
        let same = choice.begin(origin: "a")
        #expect(other == 0 && same == 1)
    }

    @Test func whatIsLeftInAFullPoolOrAClosedOneIsNotWaitedFor() {
        var choice = PoolChoice(callsPerPoolMax: 2)
        for _ in 0..<4 { _ = choice.begin(origin: "a") }
        choice.end(0, origin: "a", leavesConnection: true)
        // The room in pool 0 goes to another origin.
        let other = choice.begin(origin: "b")
        let third = choice.begin(origin: "a")
        #expect(other == 0 && third == 2)
        choice.end(1, origin: "a", leavesConnection: true)
        choice.end(0, origin: "b", leavesConnection: false)
        choice.forget(1)
        let fourth = choice.begin(origin: "a")
        #expect(fourth == 0)
    }

    /// A call that begins there makes libcurl close its side.
    @Test func aPoolWhoseServerClosedAConnectionGetsTheNextCall() {
        var choice = PoolChoice(callsPerPoolMax: 2)
        for _ in 0..<4 { _ = choice.begin(origin: "a") }
        choice.end(0, origin: "a", leavesConnection: true)
        choice.end(1, origin: "a", leavesConnection: true)
        choice.noteClosed(in: 0)
        let next = (0..<2).map { _ in choice.begin(origin: "a") }
        #expect(next == [0, 1])
        // A full pool has to wait for its turn, a closed one for nothing.
        choice.noteClosed(in: 1)
        choice.noteClosed(in: 0)
        choice.forget(0)
        choice.end(0, origin: "a", leavesConnection: false)
        let other = choice.begin(origin: "b")
        choice.end(1, origin: "a", leavesConnection: false)
        let stale = choice.begin(origin: "b")
        #expect([other, stale] == [0, 1])
    }

    @Test(
        arguments: [
            (1, 1), (499, 499), (500, 500), (501, 251), (1000, 500), (8000, 500), (100_000, 6250),
            (.max, 1 + (.max - 1) / 16),
        ]
    )
    func poolsAreOfEqualSize(calls: Int, size: Int) {
        let configuration = HTTPTransport.Configuration(connectionsMax: calls)
        #expect(configuration.connectionsPerPoolMax == size)
    }
}

@Suite struct DescriptorTests {
    /// Four descriptors for each lookup, one for each connection, a few for all else.
    @Test(arguments: [(16, 11), (256, 171), (1024, 683), (1920, 1280), (1 << 20, (1 << 20) - 640)])
    func connectionsAndLookupsFitIntoTheLimit(limit: Int, connections: Int) {
        #expect(HTTPTransport.Configuration.connectionsMax(fileLimit: limit) == connections)
        let configuration = HTTPTransport.Configuration(connectionsMax: connections)
        if limit >= 256 { #expect(connections + 4 * configuration.lookupsPerHostMax + 20 <= limit) }
    }
}

@Suite(.timeLimit(.minutes(2))) struct PoolTests {
    /// Twenty calls at once, none of which is answered before all have come; then twenty more on the same connections.
    @Test func connectionsAreUsedAgainInEveryPool() async throws {
        let count = 20
        let waves = (0..<3).map { _ in Gate() }
        let arrived = Mutex(0)
        let server = ScriptedServer { connection in
            for gate in waves {
                guard connection.readRequest() != nil else { return }
                let number = arrived.withLock { number in
                    number += 1
                    return number
                }
                if number % count == 0 { gate.open() }
                gate.wait()
                connection.respond()
            }
            _ = connection.waitForClose()
        }
        defer { server.stop() }
        var configuration = HTTPTransport.Configuration.isolated()
        configuration.connectionsMax = count
        configuration.callsPerPoolMax = 4
        try await withDriver(configuration) { driver in
            for _ in waves {
                let recordings = await driver.recordTogether(Array(repeating: post(server.url()), count: count))
                #expect(recordings.allSatisfy { $0.head?.status == 200 })
                #expect(await driver.run { $0.pools.count } == 5)
            }
        }
        #expect(server.connections == count)
        #expect(server.requests.count == waves.count * count)
    }

    /// The server sees the end of a connection that no call can use any more, without a further call.
    @Test func connectionsThatNobodyUsesAreClosed() async throws {
        let (closed, sink) = AsyncStream<Int>.makeStream()
        let server = ScriptedServer { connection in
            connection.serve()
            sink.yield(connection.number)
        }
        defer { server.stop() }
        var configuration = HTTPTransport.Configuration.isolated()
        configuration.idlePoolTime = .milliseconds(50)
        try await withDriver(configuration) { driver in
            for _ in 0..<2 {
                #expect(await driver.record(post(server.url())).head?.status == 200)
                for await _ in closed { break }
            }
        }
        #expect(server.connections == 2)
    }

    /// As a TLS server's close_notify is: libcurl took the byte for a sign of life, and the next call for it was lost.
    @Test(arguments: [true, false]) func aConnectionWithBytesThatNobodyAskedForIsNotUsedAgain(isClosed: Bool)
        async throws
    {
        let server = ScriptedServer { connection in
            _ = connection.readRequest()
            connection.respond()
            connection.send([21])
            if isClosed { connection.shutDownSending() }
            _ = connection.waitForClose()
        }
        defer { server.stop() }
        try await withDriver(.isolated()) { driver in
            for number in 1...4 {
                let recording = await driver.record(post(server.url()))
                #expect(recording.head?.status == 200, "\(recording)")
                #expect(server.connections == number)
                // Until the transport has seen the byte.
                while await driver.run({ !$0.sockets.watched.isEmpty }) { await Task.yield() }
            }
        }
        #expect(server.requests.count == 4)
    }

    /// A call that takes longer than a pool without calls is kept.
    @Test func aPoolWithACallIsNotClosed() async throws {
        let gate = Gate()
        let server = ScriptedServer { connection in
            _ = connection.readRequest()
            connection.respond()
            _ = connection.readRequest()
            gate.wait()
            connection.respond()
            _ = connection.waitForClose()
        }
        defer { server.stop() }
        var configuration = HTTPTransport.Configuration.isolated()
        configuration.idlePoolTime = .milliseconds(100)
        try await withDriver(configuration) { driver in
            let loop = driver.loop
            let recordings = await driver.recordTogether([post(server.url())])
            #expect(recordings.first?.head?.status == 200)
            // In the same turn: the pool is to be closed while this call is in it.
            let late = await driver.recordTogether([post(server.url())]) { _ in
                loop.schedule(at: loop.now().advanced(by: .milliseconds(300))) { gate.open() }
            }
            #expect(late.first?.head?.status == 200)
        }
    }
}
