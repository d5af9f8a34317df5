import CCurl
import CoreTypes
import EventLoop
import Glibc
import Synchronization
import Testing

@testable import HTTPTransport

@Suite(.timeLimit(.minutes(10)))
struct HTTP2OriginsTests {
    private let origin = "https://a:443"
    /// `CURL_SOCKET_TIMEOUT`: the time of libcurl's timer has come.
    private let curlSocketTimeout: CInt = -1

    @Test func onlyAnOriginThatSpokeHTTP2IsShared() {
        var origins = HTTP2Origins()
        #expect(!origins.contains(origin))
        origins.answered(origin, overHTTP2: false)
        #expect(!origins.contains(origin))
        origins.answered(origin, overHTTP2: true)
        #expect(origins.contains(origin))
        #expect(!origins.contains("https://b:443"))
        // The server was exchanged for one that speaks HTTP/1.1 only.
        origins.answered(origin, overHTTP2: false)
        #expect(!origins.contains(origin))
    }

    @Test func failureToConnectIsNewsOnce() {
        var origins = HTTP2Origins()
        let unknown = origins.failedToConnect(origin)
        origins.answered(origin, overHTTP2: true)
        let known = origins.failedToConnect(origin)
        let again = origins.failedToConnect(origin)
        #expect(!unknown && known && !again)
        #expect(!origins.contains(origin))
    }

    @Test func theTableHasALimit() {
        var origins = HTTP2Origins()
        let names = (0...HTTP2Origins.countMax).map { "https://host\($0):443" }
        for name in names { origins.answered(name, overHTTP2: true) }
        let kept = names.count(where: origins.contains)
        #expect(kept <= HTTP2Origins.countMax)
        #expect(origins.contains(names[HTTP2Origins.countMax]))
    }

    @Test(arguments: [
        (TransportError.Code.nameLookup, true), (.connect, true), (.connectTimeout, true), (.tls, true),
        (.certificate, true), (.cancelled, false), (.totalTimeout, false), (.internal, false),
    ])
    func failureToConnectIsOneOfTheConnection(_ code: TransportError.Code, _ expected: Bool) {
        var error = TransportError(code: code, message: "")
        #expect(error.isFailureToConnect == expected)
        error.phases.requestSent = true
        #expect(!error.isFailureToConnect)
    }

    /// A libcurl that would mix up answers is not let near HTTP/2.
    @Test(arguments: [true, false])
    func isOfferedOnlyWhereItIsSafe(offersHTTP2: Bool) async throws {
        let hello = Mutex<[UInt8]>([])
        let server = ScriptedServer { connection in
            let bytes = connection.readRecord()
            hello.withLock { $0 = bytes }
        }
        defer { server.stop() }
        try await withClient(.isolated(offersHTTP2: offersHTTP2)) { client in
            let request = HTTPRequest(method: .get, url: "https://127.0.0.1:\(server.port)/")
            #expect(await failure(of: request, client)?.isFailureToConnect == true)
        }
        // ALPN's list has each name after its length.
        let offers = hello.withLock { String(decoding: $0, as: UTF8.self) }
        #expect(offers.contains("\u{8}http/1.1"))
        #expect(offers.contains("\u{2}h2") == offersHTTP2)
    }

    @Test func oneLibcurlIsKnownToMixUpAnswers() {
        let version = unsafe curl_version_info(CURLVERSION_FIRST).pointee.version_num
        #expect(HTTPTransport.Configuration().offersHTTP2 == (version >= 0x08_0B_00))
    }

    /// Each call of a burst opens a connection of its own: none is charged with the time of another's handshake.
    @Test func handshakeThatHangsHoldsUpNoOtherCall() async throws {
        let server = ScriptedServer { connection in _ = connection.waitForClose() }
        defer { server.stop() }
        let count = 8
        try await withClient { client in
            await withTaskGroup(of: TransportError.Code?.self) { group in
                for _ in 0..<count {
                    group.addTask {
                        let request = HTTPRequest(
                            method: .post,
                            url: "https://127.0.0.1:\(server.port)/",
                            body: Bytes("{}"),
                            connectTimeout: .seconds(2)
                        )
                        return await failure(of: request, client)?.code
                    }
                }
                for await code in group { #expect(code == .connectTimeout) }
            }
        }
        try await expectConnections(count, server)
    }

    /// The server spoke HTTP/2 once and hangs now: those that wait for the first connection get their own time to connect.
    ///
    /// On a busy machine libcurl may find out first that the connection is dead, and goes on with one of them at once.
    @Test(arguments: [false, true])
    func waitingForAnotherCallsConnectionIsNotTheServersFault(onABusyMachine isBusy: Bool) async throws {
        let server = ScriptedServer { connection in _ = connection.waitForClose() }
        defer { server.stop() }
        let origin = "https://127.0.0.1:\(server.port)"
        let count = 8
        try await withDriver(.isolated(offersHTTP2: true)) { driver in
            await driver.run { $0.http2Origins.answered(origin, overHTTP2: true) }
            let request = HTTPRequest(method: .get, url: "\(origin)/", connectTimeout: .seconds(2))
            let recordings = await driver.recordTogether(Array(repeating: request, count: count)) { transport in
                let loop = driver.loop
                guard isBusy else { return }
                loop.schedule(at: loop.now().advanced(by: .milliseconds(1900))) {
                    let isOverdue: (HTTPCall) -> Bool = {
                        $0.startedAt.map { $0.duration(to: loop.now()) > .milliseconds(2050) } ?? true
                    }
                    while !transport.calls.values.allSatisfy(isOverdue) { usleep(1000) }
                    // libcurl's timer has its turn before ours.
                    transport.act(in: transport.pools[0], socket: curlSocketTimeout, events: 0)
                }
            }
            #expect(recordings.allSatisfy { $0.code == .connectTimeout })
            let waited = recordings.count { recording in
                guard case .failure(let error) = recording.result else { return false }
                // Each waited in our own queue, then connected for as long as it may.
                return error.phases.queued >= .seconds(1) && error.phases.total >= .seconds(2)
            }
            #expect(waited == count - 1)
            #expect(await driver.run { !$0.http2Origins.contains(origin) && $0.callsInFlight == 0 })
        }
        try await expectConnections(count, server)
    }

    /// The server spoke HTTP/2 once and refuses every handshake now: nobody waits for the failures of the others.
    @Test func handshakeThatFailsIsNotTriedOneCallAfterTheOther() async throws {
        let server = ScriptedServer { connection in
            connection.send("HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")
            _ = connection.waitForClose()
        }
        defer { server.stop() }
        let origin = "https://127.0.0.1:\(server.port)"
        try await withDriver(.isolated(offersHTTP2: true)) { driver in
            await driver.run { $0.http2Origins.answered(origin, overHTTP2: true) }
            let request = HTTPRequest(method: .get, url: "\(origin)/", connectTimeout: .seconds(60))
            await withTaskGroup(of: Recording.self) { group in
                for _ in 0..<100 { group.addTask { await driver.record(request) } }
                for await recording in group { #expect(recording.code == .tls) }
            }
        }
        try await expectConnections(100, server)
    }

    /// The system has connected all of them; the server may be behind in accepting.
    private func expectConnections(_ count: Int, _ server: ScriptedServer) async throws {
        for _ in 0..<1_000 where server.connections < count { try await Task.sleep(for: .milliseconds(10)) }
        #expect(server.connections == count)
    }
}
