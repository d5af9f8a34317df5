import CoreTypes
import EventLoop
import Glibc
import HTTPTransport
import Testing

@Suite(.timeLimit(.minutes(10)))
struct FailureTests {
    @Test func connectionClosedBeforeTheHead() async throws {
        let server = ScriptedServer { connection in _ = connection.readRequest() }
        defer { server.stop() }
        try await withClient { client in
            let error = try #require(await failure(of: post(server.url()), client))
            #expect(error.code == .closedBeforeHead)
            #expect(!error.bytesReceived)
            #expect(error.phases.requestSent)
            #expect(error.isConnectionLevel)
            #expect(error.status == nil)
            #expect(error.message == "Empty reply from server")
        }
        #expect(server.requests.count == 1)
    }

    @Test func connectionResetBeforeTheHead() async throws {
        let server = ScriptedServer { connection in
            _ = connection.readRequest()
            connection.reset()
        }
        defer { server.stop() }
        try await withClient { client in
            let error = try #require(await failure(of: post(server.url()), client))
            #expect(error.code == .closedBeforeHead)
            #expect(!error.bytesReceived)
        }
    }

    @Test func connectionClosedWithinTheHead() async throws {
        let server = ScriptedServer { connection in
            _ = connection.readRequest()
            connection.send("HTTP/1.1 200 OK\r\nContent-Le")
        }
        defer { server.stop() }
        try await withClient { client in
            let error = try #require(await failure(of: post(server.url()), client))
            #expect(error.code == .closedBeforeHead)
            #expect(error.bytesReceived)
        }
    }

    @Test(arguments: [
        "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhel",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
    ])
    func truncatedBody(_ text: String) async throws {
        let server = ScriptedServer { connection in
            _ = connection.readRequest()
            connection.send(text)
        }
        defer { server.stop() }
        try await withClient { client in
            let error = try #require(await failure(of: post(server.url()), client))
            #expect(error.code == .closedMidBody)
            #expect(error.status == 200)
            #expect(error.bytesReceived)
        }
    }

    @Test func connectionResetWithinTheBody() async throws {
        // A reset overtakes bytes that were not read, so it waits until the client has the first piece.
        let pieceCame = Gate()
        let server = ScriptedServer { connection in
            _ = connection.readRequest()
            connection.send("HTTP/1.1 200 OK\r\n\r\nno length")
            pieceCame.wait()
            connection.reset()
        }
        defer { server.stop() }
        try await withDriver { driver in
            let recording = await driver.record(post(server.url())) { _, _, _ in
                pieceCame.open()
                return .proceed
            }
            #expect(recording.body == Array("no length".utf8))
            #expect(recording.code == .closedMidBody)
        }
    }

    @Test(arguments: [
        "garbage without end of line\r\n\r\n",
        "SSH-2.0-OpenSSH_9.2\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 9\r\n\r\nnot gzip!",
        "HTTP/1.1 200 OK\r\nno colon in this line\r\n\r\n",
    ])
    func malformedResponse(_ text: String) async throws {
        let server = ScriptedServer { connection in
            _ = connection.readRequest()
            connection.send(text)
            _ = connection.waitForClose()
        }
        defer { server.stop() }
        try await withClient { client in
            let error = try #require(await failure(of: post(server.url()), client))
            #expect(error.code == .malformedResponse, "\(error)")
            #expect(!error.isConnectionLevel)
        }
    }

    @Test func headAndBodyHaveTheirLimits() async throws {
        let server = ScriptedServer { connection in
            _ = connection.readRequest()
            connection.send("HTTP/1.1 200 OK\r\nX-Long: \(String(repeating: "a", count: 3000))\r\n")
            connection.send("Content-Length: 3000\r\n\r\n\(String(repeating: "b", count: 3000))")
            _ = connection.waitForClose()
        }
        defer { server.stop() }
        try await withClient { client in
            var request = post(server.url())
            request.responseHeaderBytesMax = 3000
            #expect(await failure(of: request, client)?.code == .headTooLarge)
            request.responseHeaderBytesMax = 4000
            request.responseBodyBytesMax = 2999
            let error = try #require(await failure(of: request, client))
            #expect(error.code == .bodyTooLarge)
            #expect(error.status == 200)
            #expect(error.message.contains("2999 bytes"))
            request.responseBodyBytesMax = 3000
            let whole = try await client.send(request)
            #expect(whole.body.count == 3000)
        }
    }

    @Test func refusedPort() async throws {
        let (descriptor, port) = listenOnFreePort(backlog: 1)
        close(descriptor)
        try await withClient { client in
            let error = try #require(await failure(of: post("http://127.0.0.1:\(port)/"), client))
            #expect(error.code == .connect)
            #expect(error.isConnectionLevel)
            #expect(!error.phases.requestSent)
            #expect(error.curlCode == 7)
        }
    }

    @Test func missingDescriptorIsNotTheServersFault() async throws {
        // In a process of its own: the limit holds for every test.
        await #expect(processExitsWith: .success) {
            try await withClient { client in
                // The runtime opens descriptors of its own at its first timer, and aborts when it gets none.
                try await Task.sleep(for: .milliseconds(1))
                var limit = rlimit(rlim_cur: 0, rlim_max: 0)
                #expect(unsafe getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0)
                let before = limit
                limit.rlim_cur = 3
                #expect(unsafe setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0)
                let error = await failure(of: post("http://127.0.0.1:9/"), client)
                limit = before
                #expect(unsafe setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0)
                #expect(error?.code == .outOfDescriptors)
                #expect(error?.message.contains("Too many open files") == true, "\(String(describing: error))")
            }
        }
    }

    @Test func unknownName() async throws {
        // A label of 64 bytes is too long for every resolver, so that no name server is asked.
        let name = String(repeating: "a", count: 64)
        try await withClient { client in
            let error = try #require(await failure(of: post("http://\(name).invalid/"), client))
            #expect(error.code == .nameLookup)
            #expect(!error.phases.requestSent)
        }
    }

    @Test func connectionThatIsNeverAccepted() async throws {
        // A full backlog makes the kernel drop further attempts.
        let (listener, port) = listenOnFreePort(backlog: 0)
        var address = loopback(port: port)
        let others = (0..<4).map { _ in
            let descriptor = socket(AF_INET, CInt(SOCK_STREAM.rawValue) | CInt(SOCK_NONBLOCK.rawValue), 0)
            unsafe withUnsafeBytes(of: &address) { bytes in
                let address = unsafe bytes.assumingMemoryBound(to: sockaddr.self).baseAddress!
                unsafe _ = connect(descriptor, address, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
            return descriptor
        }
        defer { for descriptor in others + [listener] { close(descriptor) } }
        try await withClient { client in
            var request = post("http://127.0.0.1:\(port)/")
            request.connectTimeout = .milliseconds(200)
            let error = try #require(await failure(of: request, client))
            #expect(error.code == .connectTimeout)
            #expect(error.isConnectionLevel)
            #expect(!error.phases.requestSent)
            // libcurl closes such a socket without a word, and the next lookup gets its number.
            request.connectTimeout = .milliseconds(50)
            for number in 0..<5 {
                let connect = try #require(await failure(of: request, client))
                let lookup = try #require(await failure(of: post("http://nobody\(number).invalid/"), client))
                #expect([connect.code, lookup.code] == [.connectTimeout, .nameLookup])
            }
        }
    }

    @Test func plainServerBehindAnHTTPSURL() async throws {
        let server = ScriptedServer { connection in
            connection.send("HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")
            _ = connection.waitForClose()
        }
        defer { server.stop() }
        try await withClient { client in
            let error = try #require(await failure(of: post("https://127.0.0.1:\(server.port)/"), client))
            #expect(error.code == .tls)
            #expect(!error.phases.requestSent)
        }
    }

    @Test(arguments: [
        "", "no scheme", "ftp://127.0.0.1/", "http://", "http://a b/", "http://127.0.0.1:99999/", "file:///etc/hosts",
        "http://user:secret@127.0.0.1/", "http://127.0.0.1/\r\nX: y", "http://127.0.0.1/\0",
    ])
    func badURLIsRefused(_ url: String) async throws {
        try await withClient { client in
            let error = try #require(await failure(of: post(url), client))
            #expect(error.code == .badURL)
            #expect(!error.message.contains("secret"))
        }
    }

    @Test(arguments: [
        ("X\r\nY", "z"), ("X", "a\r\nEvil: 1"), ("", "a"), ("X Y", "a"), ("X", "a\0b"), ("content-length", "3"),
        ("Transfer-Encoding", "chunked"), ("Expect", "100-continue"), ("X", String(repeating: "a", count: 70_000)),
    ])
    func headerThatWouldNotArriveAsMeantIsRefused(_ name: String, _ value: String) async throws {
        try await withClient { client in
            let request = post("http://127.0.0.1:1/", headers: [(name, value)])
            #expect(await failure(of: request, client)?.code == .badRequest)
        }
    }

    @Test func bodyOfAGetIsRefused() async throws {
        try await withClient { client in
            let request = HTTPRequest(method: .get, url: "http://127.0.0.1:1/", body: Bytes("x"))
            #expect(await failure(of: request, client)?.code == .badRequest)
        }
    }
}
