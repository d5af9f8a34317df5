import CoreTypes
import Testing

@testable import MockProvider

@Suite struct RequestParserTests {
    /// Feeds `pieces` as a connection does: what the parser leaves comes again before the next piece.
    private func steps(_ pieces: [[UInt8]]) -> [RequestParser.Step] {
        var parser = RequestParser()
        var steps: [RequestParser.Step] = []
        var kept: [UInt8] = []
        for piece in pieces {
            kept += piece
            var offset = 0
            reading: while true {
                let step = parser.advance(over: kept.span, from: &offset)
                switch step {
                case .needsMore: break reading
                case .request, .wantsContinue: steps.append(step)
                case .refused:
                    steps.append(step)
                    return steps
                }
            }
            kept.removeFirst(offset)
        }
        return steps
    }

    private func steps(_ text: String) -> [RequestParser.Step] { steps([Array(text.utf8)]) }

    private func requests(_ text: String) -> [Request] {
        steps(text).compactMap { step in
            if case .request(let request) = step { request } else { nil }
        }
    }

    private func refusal(_ text: String) -> Int? {
        if case .refused(let status, _) = steps(text).last { status } else { nil }
    }

    private static let two = """
        POST /v1/chat/completions?a=b%20c HTTP/1.1\r
        Host: x\r
        Authorization: Bearer key-1\r
        X-Understudy-Request-Id: \t tenant/id-1 \r
        Content-Length: 5\r
        \r
        helloPOST /b HTTP/1.1\r
        transfer-encoding: chunked\r
        connection: close\r
        \r
        3;name=value\r
        abc\r
        A\r
        0123456789\r
        0\r
        trailer: x\r
        \r

        """

    @Test func requestIsReadWithWhatMatters() throws {
        let requests = requests(Self.two)
        try #require(requests.count == 2)
        #expect(requests[0].head.method == "POST")
        #expect(requests[0].head.path == "/v1/chat/completions")
        #expect(requests[0].head.query == ["a": "b c"])
        #expect(requests[0].head.bearer == "key-1")
        #expect(requests[0].head.requestID == "tenant/id-1")
        #expect(requests[0].head.keepsAlive)
        #expect(requests[0].body == Array("hello".utf8))
        #expect(requests[1].head.path == "/b")
        #expect(!requests[1].head.keepsAlive)
        #expect(requests[1].body == Array("abc0123456789".utf8))
    }

    @Test func cutsAnywhereMakeNoDifference() {
        let bytes = Array(Self.two.utf8)
        let whole = steps([bytes])
        #expect(whole.count == 2)
        #expect(steps(bytes.map { [$0] }) == whole)
        for cut in 0...bytes.count {
            #expect(steps([Array(bytes[..<cut]), Array(bytes[cut...])]) == whole, "cut at \(cut)")
        }
    }

    @Test func lineEndsMayBeLineFeedsAndEmptyLinesMayComeFirst() {
        let requests = requests("\r\n\nGET /x HTTP/1.0\nConnection: keep-alive\n\n")
        #expect(requests.map(\.head.path) == ["/x"])
        #expect(requests.first?.head.isOldHTTP == true)
        #expect(requests.first?.head.keepsAlive == true)
    }

    @Test func continueIsAskedForBeforeTheBody() {
        let found = steps("POST / HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 1\r\n\r\nx")
        #expect(found.count == 2)
        #expect(found.first == .wantsContinue)
    }

    @Test(arguments: [
        ("GET /\r\n\r\n", 400),
        ("GET  / HTTP/1.1\r\n\r\n", 400),
        ("GET / HTTP/2.0\r\n\r\n", 505),
        ("GET / HTTP/1.1\r\nno colon\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\n: empty name\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nname : blank\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\na: b\r\n folded\r\n\r\n", 400),
        ("POST / HTTP/1.1\r\nContent-Length: -1\r\n\r\n", 400),
        ("POST / HTTP/1.1\r\nContent-Length:\r\n\r\n", 400),
        ("POST / HTTP/1.1\r\nContent-Length: 99999999999999999999\r\n\r\n", 400),
        ("POST / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n", 400),
        ("POST / HTTP/1.1\r\nContent-Length: 16777217\r\n\r\n", 413),
        ("POST / HTTP/1.1\r\nTransfer-Encoding: gzip\r\n\r\n", 501),
        ("POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\nContent-Length: 1\r\n\r\n", 400),
        ("POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nx\r\n", 400),
        ("POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nffffffff0\r\n", 400),
        ("POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n1000001\r\n", 413),
        ("POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nab\r\n", 400),
    ])
    func badRequestIsRefused(text: String, status: Int) {
        #expect(refusal(text) == status)
    }

    @Test func headBeyondItsLimitIsRefusedWithAndWithoutLineEnd() {
        let long = String(repeating: "x", count: RequestParser.headBytesMax)
        #expect(refusal("GET /\(long)") == 431)
        #expect(refusal("GET / HTTP/1.1\r\na: \(long)\r\n\r\n") == 431)
        let many = String(repeating: "name: value\r\n", count: RequestParser.headBytesMax / 13 + 1)
        #expect(refusal("GET / HTTP/1.1\r\n\(many)") == 431)
        #expect(refusal("POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\(many)") == 431)
    }

    @Test func requestIDIsCutAtItsLimit() {
        let id = String(repeating: "i", count: RequestHead.requestIDBytesMax + 1)
        let found = requests("GET / HTTP/1.1\r\nx-understudy-request-id: \(id)\r\n\r\n")
        #expect(found.first?.head.requestID == String(id.dropLast()))
    }

    @Test func damagedRequestsNeverTrapAndCutsNeverMatter() {
        var generator = SeededGenerator(seed: 20)
        let original = Array(Self.two.utf8)
        var refused = 0
        for _ in 0..<3000 {
            var bytes = original
            for _ in 0...Int.random(in: 0..<4, using: &generator) {
                let place = Int.random(in: 0..<bytes.count, using: &generator)
                switch Int.random(in: 0..<3, using: &generator) {
                case 0: bytes[place] = UInt8.random(in: 0...255, using: &generator)
                case 1: bytes.remove(at: place)
                default: bytes.insert(bytes[Int.random(in: 0..<bytes.count, using: &generator)], at: place)
                }
            }
            let cut = Int.random(in: 0...bytes.count, using: &generator)
            let whole = steps([bytes])
            #expect(steps([Array(bytes[..<cut]), Array(bytes[cut...])]) == whole)
            if case .refused = whole.last { refused += 1 }
        }
        #expect(refused > 100)
    }
}
