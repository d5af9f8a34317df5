import CoreTypes
import EventLoop
import HTTPTransport
import Testing

@Suite(.timeLimit(.minutes(10)))
struct ControlTests {
    @Test func firstByteTimeoutEndsASilentCall() async throws {
        let (closings, closed) = AsyncStream<Bool>.makeStream()
        let server = ScriptedServer { connection in
            _ = connection.readRequest()
            closed.yield(connection.waitForClose())
        }
        defer { server.stop() }
        try await withClient { client in
            var request = post(server.url())
            request.firstByteTimeout = .milliseconds(100)
            request.totalTimeout = .seconds(30)
            let error = try #require(await failure(of: request, client))
            #expect(error.code == .firstByteTimeout)
            #expect(error.phases.requestSent)
            #expect(!error.isConnectionLevel)
            #expect(error.message == "no byte of the response within 100 ms")
            #expect(error.phases.firstByte == nil)
            #expect(error.phases.total >= .milliseconds(100))
            for await hasClosed in closings {
                #expect(hasClosed)
                break
            }
        }
    }

    @Test func silenceTimeoutEndsACallThatStops() async throws {
        let server = ScriptedServer { connection in
            _ = connection.readRequest()
            connection.send("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf")
            _ = connection.waitForClose()
        }
        defer { server.stop() }
        try await withClient { client in
            var request = post(server.url())
            request.firstByteTimeout = .seconds(30)
            request.silenceTimeout = .milliseconds(100)
            let error = try #require(await failure(of: request, client))
            #expect(error.code == .silenceTimeout)
            #expect(error.status == 200)
        }
    }

    @Test func totalTimeoutEndsACallThatNeverStops() async throws {
        let server = ScriptedServer { connection in
            _ = connection.readRequest()
            connection.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
            while connection.send("1\r\nx\r\n") {}
        }
        defer { server.stop() }
        try await withClient { client in
            var request = post(server.url())
            request.responseBodyBytesMax = .max
            request.totalTimeout = .milliseconds(200)
            #expect(await failure(of: request, client)?.code == .totalTimeout)
        }
    }

    @Test func cancelClosesTheConnection() async throws {
        let (requests, seen) = AsyncStream<Void>.makeStream()
        let (closings, closed) = AsyncStream<Bool>.makeStream()
        let server = ScriptedServer { connection in
            _ = connection.readRequest()
            seen.yield()
            closed.yield(connection.waitForClose())
        }
        defer { server.stop() }
        try await withClient { client in
            let call = Task { await failure(of: post(server.url()), client) }
            for await _ in requests { break }
            call.cancel()
            #expect(await call.value?.code == .cancelled)
            for await hasClosed in closings {
                #expect(hasClosed)
                break
            }
            let again = Task { await failure(of: post(server.url()), client) }
            again.cancel()
            #expect(await again.value?.code == .cancelled)
        }
    }

    @Test func callsWaitForTheirTurnWithoutTheirClocksRunning() async throws {
        let server = ScriptedServer { connection in
            guard let request = connection.readRequest() else { return }
            // The first call is never answered: the second starts when the first has run out of time.
            if request.contains("/first") { _ = connection.waitForClose() } else { connection.respond() }
        }
        defer { server.stop() }
        try await withClient(.isolated(perHost: 1)) { client in
            var first = post(server.url("/first"))
            first.firstByteTimeout = .milliseconds(2500)
            var second = post(server.url("/second"))
            second.connectTimeout = .seconds(2)
            second.firstByteTimeout = .seconds(2)
            second.totalTimeout = .seconds(2)
            async let early = failure(of: first, client)
            async let late = client.send(second)
            #expect(await early?.code == .firstByteTimeout)
            let answered = try await late
            #expect(answered.phases.queued > .zero)
        }
    }

    @Test func fiveHundredCallsShareTenConnections() async throws {
        let server = ScriptedServer { $0.serve() }
        defer { server.stop() }
        // All in one turn: a connection without a next call for 50 s would be closed, and another opened in its place.
        try await withDriver(.isolated(perHost: 10)) { driver in
            let recordings = await driver.recordTogether((0..<500).map { post(server.url("/\($0)")) })
            #expect(recordings.count { $0.head?.status == 200 && $0.code == nil } == 500)
        }
        #expect(server.connections <= 10)
        #expect(server.requests.count == 500)
        #expect(Set(server.requests.map { $0.prefix { $0 != "\r" } }).count == 500)
    }

    @Test func callBeyondTheQueueIsRefused() async throws {
        let server = ScriptedServer { connection in
            _ = connection.readRequest()
            _ = connection.waitForClose()
        }
        defer { server.stop() }
        try await withDriver(.isolated(perHost: 1, waiting: 1)) { driver in
            let codes = Notes<TransportError.Code>()
            let overflow = await driver.outcome { transport, finish in
                for _ in 0..<2 { transport.start(post(server.url())) { codes.add($0.code) } }
                #expect(transport.callsInFlight == 2)
                #expect(transport.callsWaiting == 1)
                transport.start(post(server.url()), collecting: finish)
                #expect(transport.callsInFlight == 2)
            }
            #expect(overflow.code == .queueFull)
            await driver.run { $0.shutDown() }
            #expect(codes.all == [.cancelled, .cancelled])
        }
    }

    @Test func pausedBodyComesAgainAfterResume() async throws {
        let text = (0..<60_000).map { "\($0)," }.joined()
        let server = ScriptedServer { connection in
            _ = connection.readRequest()
            connection.respond(body: text)
            _ = connection.waitForClose()
        }
        defer { server.stop() }
        try await withDriver { driver in
            let recording = await driver.record(post(server.url())) { recorder, call, transport in
                guard recorder.recording.pieces % 2 == 1 else { return .proceed }
                transport.resume(call)
                return .pause
            }
            #expect(recording.body == Array(text.utf8))
            #expect(recording.pauses > 5)
            #expect(recording.code == nil)
        }
    }

    @Test func silenceOfAPausedCallIsNotTheServers() async throws {
        let server = ScriptedServer { connection in
            _ = connection.readRequest()
            connection.respond(body: "short")
            _ = connection.waitForClose()
        }
        defer { server.stop() }
        try await withDriver { driver in
            let loop = driver.loop
            var request = post(server.url())
            request.silenceTimeout = .milliseconds(300)
            let recording = await driver.record(request) { recorder, call, transport in
                guard recorder.recording.pauses == 0 else { return .proceed }
                loop.schedule(at: loop.now().advanced(by: .milliseconds(700))) { transport.resume(call) }
                return .pause
            }
            #expect(recording.code == nil)
            #expect(recording.body == Array("short".utf8))
        }
    }

    @Test func totalTimeoutHoldsForAPausedCallToo() async throws {
        let server = ScriptedServer { connection in
            _ = connection.readRequest()
            connection.respond(body: "short")
            _ = connection.waitForClose()
        }
        defer { server.stop() }
        try await withDriver { driver in
            var request = post(server.url())
            request.totalTimeout = .milliseconds(200)
            let recording = await driver.record(request) { _, _, _ in .pause }
            #expect(recording.code == .totalTimeout)
            #expect(recording.body.isEmpty)
        }
    }

    @Test func handlerMayCancelItsOwnCall() async throws {
        let (closings, closed) = AsyncStream<Bool>.makeStream()
        let server = ScriptedServer { connection in
            _ = connection.readRequest()
            connection.send("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf")
            closed.yield(connection.waitForClose())
        }
        defer { server.stop() }
        try await withDriver { driver in
            let recording = await driver.record(post(server.url())) { _, call, transport in
                transport.cancel(call)
                transport.cancel(call)
                return .proceed
            }
            #expect(recording.code == .cancelled)
            for await hasClosed in closings {
                #expect(hasClosed)
                break
            }
            #expect(await driver.run { $0.callsInFlight } == 0)
        }
    }

    @Test func handlerMayStartTheNextCallAndShutDown() async throws {
        let server = ScriptedServer { $0.serve() }
        defer { server.stop() }
        try await withDriver { driver in
            let statuses = Notes<Int>()
            let last = await driver.outcome { transport, finish in
                transport.start(post(server.url())) { first in
                    statuses.add((try? first.get().status) ?? 0)
                    transport.start(post(server.url())) { second in
                        statuses.add((try? second.get().status) ?? 0)
                        transport.shutDown()
                        transport.start(post(server.url()), collecting: finish)
                    }
                }
            }
            #expect(statuses.all == [200, 200])
            #expect(last.code == .cancelled)
        }
    }

    @Test func everyCallEndsOnceWhenTheTransportIsShutDown() async throws {
        let server = ScriptedServer { connection in
            _ = connection.readRequest()
            _ = connection.waitForClose()
        }
        defer { server.stop() }
        try await withDriver(.isolated(perHost: 3)) { driver in
            let codes = Notes<TransportError.Code>()
            await driver.run { transport in
                for _ in 0..<10 { transport.start(post(server.url())) { codes.add($0.code) } }
                #expect(transport.callsInFlight == 10)
            }
            await driver.run { transport in
                transport.shutDown()
                transport.shutDown()
                #expect(transport.callsInFlight == 0)
            }
            #expect(codes.all == [TransportError.Code](repeating: .cancelled, count: 10))
        }
    }
}
