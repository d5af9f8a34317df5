import CoreTypes
import EventLoop
import Glibc
import HTTPTransport
import Testing

@Suite(.timeLimit(.minutes(10)))
struct CallTests {
    @Test func responseArrivesWithHeadBodyAndPhases() async throws {
        let server = ScriptedServer { connection in
            _ = connection.readRequest()
            connection.respond("201 Created", "X-One: a\r\nx-two:  b c \r\nX-Empty:\r\n", body: "hello")
            _ = connection.waitForClose()
        }
        defer { server.stop() }
        try await withClient { client in
            let response = try await client.send(post(server.url("/v1?x=1"), "{\"a\":1}"))
            #expect(response.status == 201)
            #expect(response.head.httpVersion == "1.1")
            #expect(response.body == Array("hello".utf8))
            #expect(response.header("X-ONE") == "a")
            #expect(response.header("x-two") == "b c")
            #expect(response.header("x-empty") == "")
            #expect(response.header("x-none") == nil)
            #expect(response.phases.requestSent)
            #expect(!response.phases.reusedConnection)
            #expect(response.phases.firstByte != nil)
            #expect(response.phases.tls == nil)
        }
        let request = try #require(server.requests.first)
        #expect(request.hasPrefix("POST /v1?x=1 HTTP/1.1\r\n"))
        #expect(request.hasSuffix("\r\n\r\n{\"a\":1}"))
    }

    @Test func nothingIsAddedToAPostThatTheCallerDidNotAskFor() async throws {
        let server = ScriptedServer { $0.serve() }
        defer { server.stop() }
        try await withClient { client in
            let body = String(repeating: "x", count: 2 << 20)
            let headers = [("Content-Type", "application/json"), ("X-Empty", "")]
            _ = try await client.send(post(server.url(), body, headers: headers))
            _ = try await client.send(post(server.url(), ""))
        }
        let large = try #require(server.requests.first)
        #expect(!large.lowercased().contains("\r\nexpect:"))
        #expect(large.contains("\r\nContent-Type: application/json\r\n"))
        #expect(large.contains("\r\nX-Empty:\r\n"))
        #expect(large.hasSuffix(String(repeating: "x", count: 1000)))
        let empty = try #require(server.requests.last)
        #expect(empty.contains("\r\nContent-Length: 0\r\n"))
        #expect(!empty.lowercased().contains("content-type"))
    }

    @Test func bodyInForeignMemoryIsSentAndThenReleased() async throws {
        let server = ScriptedServer { $0.serve() }
        defer { server.stop() }
        weak var released: ForeignText?
        try await withClient { client in
            do {
                let owner = ForeignText("foreign bytes")
                released = owner
                let request = HTTPRequest(method: .post, url: server.url(), body: Bytes(sharing: owner))
                let response = try await client.send(request)
                #expect(response.status == 200)
            }
        }
        #expect(server.requests.first?.hasSuffix("foreign bytes") == true)
        #expect(released == nil)
    }

    @Test func connectionIsReused() async throws {
        let server = ScriptedServer { $0.serve() }
        defer { server.stop() }
        try await withClient { client in
            for turn in 0..<5 {
                let response = try await client.send(post(server.url("/\(turn)")))
                #expect(response.phases.reusedConnection == (turn > 0))
            }
        }
        #expect(server.connections == 1)
        #expect(server.requests.count == 5)
    }

    @Test func theNextAddressIsTriedWhenTheFirstRefuses() async throws {
        // Listens at 127.0.0.1 only; libcurl tries ::1 first.
        let server = ScriptedServer { $0.serve() }
        defer { server.stop() }
        try await withClient { client in
            let response = try await client.send(post("http://localhost:\(server.port)/"))
            #expect(response.status == 200)
        }
    }

    @Test func methodsOtherThanPostHaveNoBody() async throws {
        let server = ScriptedServer { connection in
            while let request = connection.readRequest() {
                if request.hasPrefix("HEAD") {
                    connection.send("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n")
                } else {
                    connection.respond(body: "hello")
                }
            }
        }
        defer { server.stop() }
        try await withClient { client in
            let head = try await client.send(HTTPRequest(method: .head, url: server.url()))
            #expect(head.body.isEmpty)
            let get = try await client.send(HTTPRequest(method: .get, url: server.url()))
            #expect(get.body.count == 5)
        }
        #expect(server.connections == 1)
    }

    @Test func redirectIsAnAnswer() async throws {
        let server = ScriptedServer { connection in
            while connection.readRequest() != nil { connection.respond("302 Found", "Location: /other\r\n") }
        }
        defer { server.stop() }
        try await withClient { client in
            let response = try await client.send(post(server.url()))
            #expect(response.status == 302)
            #expect(response.header("location") == "/other")
        }
        #expect(server.requests.count == 1)
    }

    @Test func interimResponsesAndTrailersAreDropped() async throws {
        let server = ScriptedServer { connection in
            while connection.readRequest() != nil {
                connection.send("HTTP/1.1 103 Early Hints\r\nLink: a\r\n\r\n")
                connection.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nFolded: a\r\n  b\r\n\r\n")
                connection.send("3\r\nabc\r\n4;x=y\r\ndefg\r\n0\r\nTrailer: t\r\n\r\n")
            }
        }
        defer { server.stop() }
        try await withClient { client in
            let response = try await client.send(post(server.url()))
            #expect(response.status == 200)
            #expect(response.body == Array("abcdefg".utf8))
            #expect(response.header("link") == nil)
            #expect(response.header("trailer") == nil)
            #expect(response.header("folded") == "a b")
            let second = try await client.send(post(server.url()))
            #expect(second.phases.reusedConnection)
        }
    }

    @Test func compressedBodyIsUnpackedAndTheLimitCountsWhatIsUnpacked() async throws {
        let zeros = hundredThousandZerosGzipped
        let server = ScriptedServer { connection in
            while connection.readRequest() != nil {
                connection.send("HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: \(zeros.count)\r\n\r\n")
                connection.send(zeros)
            }
        }
        defer { server.stop() }
        try await withClient { client in
            var request = post(server.url())
            request.responseBodyBytesMax = 100_000
            let whole = try await client.send(request)
            #expect(whole.body == [UInt8](repeating: 0, count: 100_000))
            request.responseBodyBytesMax = 99_999
            #expect(await failure(of: request, client)?.code == .bodyTooLarge)
        }
        #expect(server.requests.first?.contains("gzip") == true)
    }

    @Test func bodyWithoutLengthEndsWithTheConnection() async throws {
        let server = ScriptedServer { connection in
            _ = connection.readRequest()
            connection.send("HTTP/1.0 200 OK\r\n\r\nall there is")
        }
        defer { server.stop() }
        try await withClient { client in
            let response = try await client.send(post(server.url()))
            #expect(response.body == Array("all there is".utf8))
        }
    }

    @Test func proxyOfTheEnvironmentIsUsed() async throws {
        // In a process of its own: the environment belongs to every test.
        await #expect(processExitsWith: .success) {
            let proxy = ScriptedServer { $0.serve() }
            _ = unsafe setenv("http_proxy", "http://127.0.0.1:\(proxy.port)", 1)
            _ = unsafe setenv("no_proxy", "other.invalid", 1)
            try await withClient(HTTPTransport.Configuration()) { client in
                let response = try await client.send(post("http://provider.invalid/v1/chat"))
                precondition(response.status == 200)
            }
            precondition(proxy.requests.first?.hasPrefix("POST http://provider.invalid/v1/chat HTTP/1.1") == true)
        }
    }
}

/// Foreign memory for a body.
@safe
private final class ForeignText: SharedBytes, @unchecked Sendable {
    // Never changed after `init`.
    let unsafeBytes: UnsafeRawBufferPointer

    init(_ text: String) {
        let memory = UnsafeMutableRawBufferPointer.allocate(byteCount: text.utf8.count, alignment: 1)
        unsafe memory.copyBytes(from: text.utf8)
        unsafe unsafeBytes = UnsafeRawBufferPointer(memory)
    }

    deinit { unsafe unsafeBytes.deallocate() }

    var byteCount: Int { unsafe unsafeBytes.count }
}

/// 100,000 zero bytes as `gzip -9` packs them.
private let hundredThousandZerosGzipped: [UInt8] =
    [
        0x1F, 0x8B, 0x08, 0x00, 0x00, 0x00, 0x00, 0x00, 0x02, 0x03, 0xED, 0xC1, 0x31, 0x01, 0x00, 0x00, 0x00, 0xC2,
        0xA0, 0xF5, 0x4F, 0x6D, 0x0D, 0x0F, 0xA0,
    ]
    + [UInt8](repeating: 0, count: 96)
    + [0x80, 0x57, 0x03, 0x7D, 0x95, 0x11, 0xD4, 0xA0, 0x86, 0x01, 0x00]
