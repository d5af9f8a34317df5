import CoreTypes
import EventLoop
import Testing

@testable import HTTPTransport

/// Connections that were kept, and died without a word.
@Suite(.timeLimit(.minutes(5)))
struct StaleConnectionTests {
    /// Answers the first request of each connection, and resets it at the second.
    private static func mortalServer() -> ScriptedServer {
        ScriptedServer { connection in
            guard connection.readRequest() != nil, connection.respond() else { return }
            guard connection.readRequest() != nil else { return }
            connection.reset()
        }
    }

    @Test func aRequestMayRefuseAKeptConnection() async throws {
        let server = Self.mortalServer()
        defer { server.stop() }
        try await withDriver { driver in
            let first = await driver.recordTogether(Array(repeating: post(server.url()), count: 3))
            #expect(first.allSatisfy { $0.code == nil })
            let broken = await driver.recordTogether([post(server.url())])
            #expect(broken[0].code == .closedBeforeHead)
            var fresh = post(server.url())
            fresh.needsFreshConnection = true
            let again = await driver.recordTogether([fresh])
            #expect(again[0].code == nil)
        }
        #expect(server.connections == 4)
    }

    @Test func whatWasIdleWhenOneWasFoundDeadIsNotUsed() async throws {
        let server = Self.mortalServer()
        defer { server.stop() }
        try await withDriver { driver in
            let first = await driver.recordTogether(Array(repeating: post(server.url()), count: 4))
            #expect(first.allSatisfy { $0.code == nil })
            // libcurl counts idleness in whole seconds: this much has to pass, however fast the machine is.
            await driver.passes(.milliseconds(1100))
            let broken = await driver.recordTogether([post(server.url())])
            #expect(broken[0].code == .closedBeforeHead)
            let next = await driver.recordTogether([post(server.url())])
            #expect(next[0].code == nil)
        }
        #expect(server.connections == 5)
    }

    @Test func onlyADeadKeptConnectionIsHeldAgainstOthers() {
        var stale = StaleOrigins()
        let found = Moment(nanoseconds: 1_000_000_000_000)
        func error(_ code: TransportError.Code) -> TransportError { TransportError(code: code, message: "") }
        func limit(after seconds: Int) -> Int? {
            stale.idleSecondsMax(origin: "http://a", now: found.advanced(by: .seconds(seconds)))
        }
        stale.note(nil, reused: true, origin: "http://a", now: found)
        stale.note(error(.closedBeforeHead), reused: false, origin: "http://a", now: found)
        stale.note(error(.totalTimeout), reused: true, origin: "http://a", now: found)
        stale.note(error(.closedMidBody), reused: true, origin: "http://a", now: found)
        stale.note(error(.closedBeforeHead), reused: true, origin: "http://b", now: found)
        #expect(limit(after: 0) == nil)
        stale.note(error(.closedBeforeHead), reused: true, origin: "http://a", now: found)
        #expect([0, 1, 2, 10, 50].map { limit(after: $0) } == [0, 0, 1, 9, 49])
        // Nothing is kept for longer than that.
        #expect(limit(after: 51) == nil)
        #expect(limit(after: 10) == nil)
    }
}
