import JSON
import MockProvider
import Testing

@Suite struct MockServerTests {
    private let mock: MockFixture

    init() throws { mock = try MockFixture() }

    @Test func answerIsAChatCompletionThatRepeats() throws {
        let long = String(repeating: "é", count: 300)
        let response = try mock.answer("any/model", text: long, more: #","unknown":{"x":[1]},"stream":false"#)
        #expect(response.status == 200)
        let value = try response.json()
        #expect(value["object"]?.stringValue == "chat.completion")
        #expect(value["model"]?.stringValue == "any/model")
        #expect(value["id"]?.stringValue?.hasPrefix("chatcmpl-") == true)
        #expect((value["created"]?.intValue ?? 0) > 1_600_000_000)
        let choice = value["choices"]?[0]
        let expected = "Mock answer to: " + String(repeating: "é", count: 200)
        #expect(choice?["message"]?["content"]?.stringValue == expected)
        #expect(choice?["message"]?["role"]?.stringValue == "assistant")
        #expect(choice?["finish_reason"]?.stringValue == "stop")
        let usage = value["usage"]
        let sum = (usage?["prompt_tokens"]?.intValue ?? 0) + (usage?["completion_tokens"]?.intValue ?? 0)
        #expect(usage?["total_tokens"]?.intValue == sum)
        let again = try mock.answer("any/model", text: long).json()
        #expect(again["choices"] == value["choices"])
    }

    @Test func lastUserMessageIsEchoedAlsoInParts() throws {
        let body = """
            {"model":"m","messages":[{"role":"user","content":"old"},{"role":"user","content":[{"type":"text","text":"a"},
            {"type":"image_url","image_url":{"url":"u"}},{"type":"text","text":"b"}]},{"role":"assistant","content":"x"}]}
            """
        let response = try mock.answer(raw: MockFixture.post("/openai/v1/chat/completions", body))
        #expect(try response.json()["choices"]?[0]?["message"]?["content"]?.stringValue == "Mock answer to: ab")
    }

    @Test func pipelinedRequestsAreAnsweredInOrderOnOneConnection() throws {
        let client = try mock.client()
        client.send(["ok+5", "status-503", "ok-1", "html-502", "ok"].map { MockFixture.call($0) }.joined())
        let statuses = try (0..<5).map { _ in try client.readResponse().status }
        #expect(statuses == [200, 503, 200, 502, 200])
    }

    @Test func requestMayComeByteByByte() throws {
        let client = try mock.client()
        for byte in MockFixture.call("status-429").utf8 { client.send([byte]) }
        #expect(try client.readResponse().status == 429)
    }

    @Test func bodyMayComeChunkedOrAfterContinue() throws {
        let body = #"{"model":"ok","messages":[{"role":"user","content":"chunks"}]}"#
        let client = try mock.client()
        client.send("POST /v1/chat/completions HTTP/1.1\r\nexpect: 100-continue\r\ntransfer-encoding: chunked\r\n\r\n")
        client.send("10\r\n\(body.prefix(16))\r\n")
        client.send("\(String(body.utf8.count - 16, radix: 16))\r\n\(body.dropFirst(16))\r\n0\r\n\r\n")
        #expect(try client.readResponse().text.contains("Mock answer to: chunks"))
    }

    @Test func largeBodyIsReadAndEchoedInPart() throws {
        let response = try mock.answer("ok", text: String(repeating: "a", count: 3_000_000))
        #expect(response.status == 200)
        #expect(response.text.utf8.count < 1000)
    }

    @Test func oldHTTPGetsNoChunksAndAClose() throws {
        let client = try mock.client()
        client.send(MockFixture.call("ok", more: #","stream":true"#, version: "1.0"))
        let response = try client.readResponse()
        #expect(response.headers["transfer-encoding"] == nil)
        #expect(response.headers["connection"] == "close")
        #expect(response.text.hasSuffix("data: [DONE]\n\n"))
        let plain = try mock.client()
        plain.send(MockFixture.call("ok", version: "1.0"))
        #expect(try plain.readResponse().status == 200)
        #expect(plain.readToEnd().end == .closed)
    }

    @Test func connectionClosesWhenAsked() throws {
        let client = try mock.client()
        client.send(MockFixture.call("ok", headers: "connection: close\r\n"))
        #expect(try client.readResponse().headers["connection"] == "close")
        #expect(client.readToEnd().end == .closed)
    }

    @Test(arguments: [
        ("{", 400, "could not parse"),
        ("[]", 400, "expected an object, but got an array"),
        ("{}", 400, "you must provide a model parameter"),
        (#"{"model":1}"#, 400, "Invalid type for 'model'"),
        (#"{"model":"m"}"#, 400, "Missing required parameter: 'messages'"),
        (#"{"model":"m","messages":"hi"}"#, 400, "Invalid type for 'messages'"),
        (#"{"model":"m","messages":[]}"#, 400, "empty array"),
        (#"{"model":"m","messages":[1]}"#, 400, "'messages[0]': expected an object, but got a number"),
    ])
    func badBodyIsRefusedAndCounted(body: String, status: Int, words: String) throws {
        let response = try mock.answer(raw: MockFixture.post("/v1/chat/completions", body, id: "t/bad"))
        #expect(response.status == status)
        let error = try #require(try response.json()["error"])
        #expect(error["type"]?.stringValue == "invalid_request_error")
        #expect(error["message"]?.stringValue?.contains(words) == true, "\(response.text)")
        #expect(mock.provider.counts().requests == ["t/bad": 1])
        #expect(mock.provider.counts().statuses == ["400": 1])
    }

    @Test func badKeyIsRefused() throws {
        let request = MockFixture.call("ok", headers: "authorization: Bearer bad-key\r\n")
        let response = try mock.answer(raw: request)
        #expect(response.status == 401)
        #expect(try response.json()["error"]?["code"]?.stringValue == "invalid_api_key")
        let good = MockFixture.call("ok", headers: "authorization: Bearer good-key\r\n")
        #expect(try mock.answer(raw: good).status == 200)
    }

    @Test(arguments: [
        ("GET /nowhere HTTP/1.1\r\n\r\n", 404),
        ("GET /v1/chat/completions HTTP/1.1\r\n\r\n", 405),
        ("POST /v1/models HTTP/1.1\r\n\r\n", 405),
        ("GET /_mock/reset HTTP/1.1\r\n\r\n", 405),
        ("POST /_mock/counts HTTP/1.1\r\n\r\n", 405),
        ("nonsense\r\n\r\n", 400),
        ("GET / HTTP/3\r\n\r\n", 505),
        ("POST / HTTP/1.1\r\ncontent-length: 99999999\r\n\r\n", 413),
        ("POST / HTTP/1.1\r\ntransfer-encoding: gzip\r\n\r\n", 501),
        ("GET / HTTP/1.1\r\na: \(String(repeating: "x", count: 70_000))\r\n\r\n", 431),
    ])
    func badRequestIsRefusedAndOthersAreServed(request: String, status: Int) throws {
        let client = try mock.client()
        client.send(request)
        let response = try client.readResponse()
        #expect(response.status == status)
        #expect(try response.json()["error"] != nil)
        #expect(mock.provider.counts().total == 0)
        if response.headers["connection"] == "close" { #expect(client.readToEnd().end == .closed) }
        #expect(try mock.answer("ok").status == 200)
    }

    @Test func refusalReachesAClientThatIsStillSending() throws {
        let client = try mock.client()
        client.send("POST /v1/chat/completions HTTP/1.1\r\ncontent-length: 20000000\r\n\r\n")
        client.send([UInt8](repeating: UInt8(ascii: "x"), count: 1_000_000))
        #expect(try client.readResponse().status == 413)
        #expect(client.readToEnd().end == .closed)
    }

    @Test func countsAreServedAndReset() throws {
        for model in ["status-503", "status-503", "ok"] { _ = try mock.answer(model, id: "tenant/id 1") }
        _ = try mock.answer("ok", id: "tenant/2")
        _ = try mock.answer("ok")
        let all = try mock.answer(raw: "GET /_mock/counts HTTP/1.1\r\n\r\n").json()
        let expected: JSONValue = [
            "total": 5, "requests": ["tenant/2": 1, "tenant/id 1": 3], "models": ["ok": 3, "status-503": 2],
            "statuses": ["200": 3, "503": 2], "aborted": 0, "without_id": 1, "uncounted_ids": 0,
        ]
        #expect(all == expected)
        let one = try mock.answer(raw: "GET /_mock/counts?id=tenant%2Fid+1 HTTP/1.1\r\n\r\n").json()
        #expect(one == ["id": "tenant/id 1", "calls": 3, "models": ["ok": 1, "status-503": 2]])
        let summary = try mock.answer(raw: "GET /_mock/counts?summary HTTP/1.1\r\n\r\n").json()
        #expect(summary["requests"] == nil)
        #expect(summary["total"]?.intValue == 5)
        #expect(mock.provider.calls(ofRequest: "tenant/id 1") == ["ok": 1, "status-503": 2])
        #expect(try mock.answer(raw: "POST /_mock/reset HTTP/1.1\r\n\r\n").status == 200)
        #expect(mock.provider.counts() == MockCounts())
    }

    @Test func modelsAndHealthAreServed() throws {
        let script = MockScript(rules: [
            MockRule(model: "gpt-4o", behaviour: .ok), MockRule(model: "claude-*", behaviour: .ok),
        ])
        let mock = try MockFixture(MockConfiguration(script: script))
        let models = try mock.answer(raw: "GET /v1/models HTTP/1.1\r\n\r\n").json()
        let names = models["data"]?.arrayValue?.compactMap { $0["id"]?.stringValue } ?? []
        #expect(names.first == "gpt-4o")
        #expect(!names.contains("claude-*"))
        #expect(names.contains("ok"))
        #expect(try mock.answer(raw: "GET /_mock/health HTTP/1.1\r\n\r\n").text == #"{"status":"ok"}"#)
    }

    @Test func portInUseIsSaidWithTheWayOut() throws {
        let configuration = MockConfiguration(port: mock.provider.port)
        let error = #expect(throws: MockError.self) {
            try MockProvider(loop: mock.loop, configuration: configuration)
        }
        #expect(error?.code == .portInUse)
        #expect(
            error?.message
                == "port \(mock.provider.port) on 127.0.0.1 is already in use; choose another with --port or 0 for any"
        )
    }

    @Test(arguments: ["example.test", "256.0.0.1", "", "203.0.113.7"])
    func wrongHostIsSaid(host: String) {
        let error = #expect(throws: MockError.self) {
            try MockProvider(loop: mock.loop, configuration: MockConfiguration(host: host))
        }
        #expect(error?.code == .addressInvalid)
        #expect(error?.message.contains(host) == true)
    }

    @Test func shutDownClosesConnectionsAndFreesThePort() throws {
        let client = try mock.client()
        client.send(MockFixture.call("ok"))
        #expect(try client.readResponse().status == 200)
        mock.provider.shutDown()
        #expect(client.readToEnd().end == .closed)
        #expect(throws: RawClient.Failure.self) { try mock.answer("ok") }
    }
}
