import CoreTypes
import HTTPTransport
import Testing

/// One call sends one request, also where libcurl by itself would send it again.
@Suite(.timeLimit(.minutes(10)))
struct OneRequestTests {
    @Test(arguments: [2, 60_000, 3 << 20], [false, true])
    func requestIsNotSentAgainWhenAReusedConnectionDies(bodyBytes: Int, byReset: Bool) async throws {
        let server = ScriptedServer { connection in
            _ = connection.readRequest()
            connection.respond()
            // Read the second request to its end, as a server that starts to work on it would, and close.
            _ = connection.readRequest()
            if byReset { connection.reset() }
        }
        defer { server.stop() }
        try await withClient { client in
            let body = String(repeating: "x", count: bodyBytes)
            #expect(try await client.send(post(server.url(), body)).status == 200)
            let error = try #require(await failure(of: post(server.url(), body), client))
            #expect(error.code == .closedBeforeHead)
            #expect(!error.bytesReceived)
            #expect(error.phases.requestSent)
            #expect(error.isConnectionLevel)
        }
        #expect(server.requests.count == 2)
        #expect(server.connections == 1)
    }

    @Test func connectionThatDiedWhileIdleIsReplacedUnnoticed() async throws {
        let firstAnswered = Gate()
        let (closings, closed) = AsyncStream<Int>.makeStream()
        let server = ScriptedServer { connection in
            _ = connection.readRequest()
            connection.respond()
            guard connection.number == 1 else { return }
            firstAnswered.wait()
            connection.shutDownSending()
            closed.yield(connection.number)
            _ = connection.waitForClose()
        }
        defer { server.stop() }
        try await withClient { client in
            _ = try await client.send(post(server.url()))
            firstAnswered.open()
            for await _ in closings { break }
            let second = try await client.send(post(server.url()))
            #expect(second.status == 200)
            #expect(!second.phases.reusedConnection)
        }
        #expect(server.requests.count == 2)
    }
}
