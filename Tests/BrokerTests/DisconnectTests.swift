import EventLoop
import Glibc
import Testing

@testable import Broker

/// An agent that goes at once is gone, whatever the broker hears of first: its end, or its only message.
@Suite(.timeLimit(.minutes(2))) struct DisconnectTests {
    /// The next connection, which says nothing, mostly gets the descriptor of the one that is gone.
    @Test(arguments: ["queued", "cancelled"], [false, true])
    func theEndOfAnAgentThatSaidOneThingIsSeen(outcome: String, isFollowed: Bool) async throws {
        try await TestBus.run { bus in
            let agent = try await bus.agent()
            let isCancelled = outcome == "cancelled"
            let header = #"{"durability":"memory","cancel_on_disconnect":\#(isCancelled)}"#
            // The broker hears of nothing until the connection is over.
            var ends: [CInt] = [-1, -1]
            #expect(unsafe pipe(&ends) == 0)
            let (reading, writing) = (ends[0], ends[1])
            defer { close(reading) }
            bus.brokerLoop.execute {
                var entry = pollfd(fd: reading, events: Int16(POLLIN), revents: 0)
                _ = unsafe poll(&entry, 1, 60_000)
            }
            try await agent.send("REQUEST", "r1", header, ["{}"])
            while try bus.connectionCount() == 0 { try await Task.sleep(for: .milliseconds(1)) }
            await agent.close()
            while try bus.connectionCount() > 0 { try await Task.sleep(for: .milliseconds(1)) }
            let silent = isFollowed ? try await bus.agent() : nil
            while isFollowed, try bus.connectionCount() == 0 { try await Task.sleep(for: .milliseconds(1)) }
            close(writing)

            let asking = try await bus.agent()
            // The request may not have been read yet.
            var verb: String?
            repeat {
                try await asking.send("GET", "r1", "", [])
                verb = await asking.nextVerb()
            } while verb == "ERROR" || isCancelled && verb == "STATE"
            #expect(verb == (isCancelled ? "FAILURE" : "STATE"))
            await asking.close()
            await silent?.close()
            bus.broker.stop()
        }
    }
}
