import Testing

@testable import Broker

/// A broker that stops goes when what it said last has been read.
@Suite(.timeLimit(.minutes(2))) struct LeaveTests {
    /// What ends the leave is not the time.
    private static func waitLong(_ settings: inout BrokerSettings) { settings.leave = .seconds(600) }

    @Test(arguments: [true, false]) func theLastAnswersCanBeReadBeforeTheConnectionEnds(isGraceful: Bool) async throws {
        try await TestBus.run(adjust: Self.waitLong) { bus in
            let agent = try await bus.agent()
            try await agent.send("REQUEST", "r1", #"{"durability":"memory"}"#, ["{}"])
            #expect(await agent.nextVerb() == "ACCEPTED")
            // Without a worker the drain is over at once.
            if isGraceful { bus.broker.stop() } else { bus.broker.stopNow() }
            #expect(await agent.nextVerb() == "FAILURE")
            try await agent.send("PING", "p1", "", [])
            #expect(await agent.nextVerb() == "PONG")
            try await agent.send("REQUEST", "r2", "", ["{}"])
            #expect(await agent.nextVerb() == "REJECTED")
            await agent.close()
        }
    }

    @Test func aBrokerThatNobodyTalkedToEndsAtOnce() async throws {
        try await TestBus.run(adjust: Self.waitLong) { bus in
            let agent = try await bus.agent()
            bus.broker.stop()
            try await bus.running.value
            await agent.close()
        }
    }
}
