import CoreTypes
import EventLoop
import JSON
import MockProvider
import Testing

/// Limits, recordings, phases and idleness over real connections.
@Suite struct MockPlayTests {
    @Test func limitedCallsAreRefusedWithHeadersOnEveryAnswer() throws {
        let limit = MockLimit(model: "*", requests: .init(perMinute: 1, burst: 2))
        let mock = try MockFixture(MockConfiguration(script: MockScript(limits: [limit])))
        let client = try mock.client()
        client.send(
            MockFixture.call("gpt") + MockFixture.call("gpt", more: #","stream":true"#) + MockFixture.call("gpt")
        )
        let answers = try (0..<3).map { _ in try client.readResponse() }
        #expect(answers.map(\.status) == [200, 200, 429])
        #expect(answers.map { $0.headers["x-ratelimit-remaining-requests"] } == ["1", "0", "0"])
        #expect(answers.allSatisfy { $0.headers["x-ratelimit-limit-requests"] == "1" })
        #expect(answers[1].text.hasSuffix("data: [DONE]\n\n"))
        #expect(try answers[2].json()["error"]?["code"] == "rate_limit_exceeded")
        // The wait is a minute less what has passed meanwhile, rounded up.
        let wait = try #require(answers[2].headers["retry-after"].flatMap { Int($0) })
        #expect((1...60).contains(wait))
        let other = try mock.answer("claude")
        #expect(other.headers["x-ratelimit-remaining-requests"] == "1")
        #expect(mock.provider.counts().statuses == ["200": 3, "429": 1])
    }

    @Test func tokensOfALimitAreCounted() throws {
        let limit = MockLimit(model: "*", tokens: .init(perMinute: 10_000), scope: .key, style: .anthropic)
        let mock = try MockFixture(MockConfiguration(script: MockScript(limits: [limit])))
        func answer(_ key: String) throws -> RawClient.Response {
            let more = #","max_tokens":9000"#
            return try mock.answer(raw: MockFixture.call("m", more: more, headers: "x-api-key: \(key)\r\n"))
        }
        let first = try answer("a")
        #expect(first.status == 200)
        #expect(first.headers["anthropic-ratelimit-tokens-remaining"] == "1000")
        let second = try answer("a")
        #expect(second.status == 429)
        #expect(try second.json()["error"]?["type"] == "rate_limit_error")
        #expect(try answer("b").status == 200)
    }

    @Test func phasesAreHeldAndBeginAnewWithAReset() throws {
        let rule = MockRule(
            model: "*",
            phases: [MockPhase(calls: 2, behaviour: .ok), MockPhase(duration: .seconds(3600), behaviour: .status(503))]
        )
        let mock = try MockFixture(MockConfiguration(script: MockScript(rules: [rule])))
        #expect(try (0..<4).map { _ in try mock.answer("m").status } == [200, 200, 503, 503])
        mock.provider.resetCounts()
        #expect(try mock.answer("m").status == 200)
    }

    @Test func recordedExchangesAreReplayed() throws {
        let directory = try RecordingTests.directory()
        let mock = try MockFixture(MockConfiguration(recording: try MockRecording(path: directory.path)))
        let hello = try mock.answer("gpt-test", id: "t/1", text: "Hello")
        #expect(hello.text == #"{"id":"rec-1","choices":[]}"#)
        #expect(hello.headers["x-own"] == "1")
        #expect(hello.headers["date"] != "long ago")
        #expect(hello.headers["content-length"] == String(hello.body.count))
        let slow = try mock.answer("mock/slow", id: "t/1")
        #expect(slow.status == 429)
        #expect(slow.headers["retry-after"] == "7")
        let stream = try mock.answer("gpt-test", more: #","stream":true"#)
        #expect(stream.headers["transfer-encoding"] == "chunked")
        #expect(stream.text == "data: {\"a\":1}\n\ndata: [DONE]\n\n")
        let old = try mock.answer(raw: MockFixture.call("gpt-test", more: #","stream":true"#, version: "1.0"))
        #expect(old.text == stream.text)
        #expect(try mock.answer("status-418").status == 418)
        #expect(mock.provider.calls(ofRequest: "t/1") == ["gpt-test": 1, "mock/slow": 1])
    }

    @Test func otherServicesAnswerWhatWasRecorded() throws {
        let directory = try RecordingTests.directory()
        let mock = try MockFixture(MockConfiguration(recording: try MockRecording(path: directory.path)))
        let message = try mock.answer(raw: MockFixture.post("/v1/messages", #"{"model":"claude-test","max_tokens":5}"#))
        #expect(message.status == 529)
        let path = "/v1beta/models/gemini-test:streamGenerateContent?alt=sse"
        let gemini = try mock.answer(raw: MockFixture.post(path, #"{"contents":[{"x":1}]}"#))
        #expect(gemini.status == 200)
        #expect(gemini.text == "data: {}\r\n\r\n")
        let unknown = try mock.answer(raw: MockFixture.post("/v1/messages", #"{"model":"claude-other"}"#))
        #expect(unknown.status == 404)
        #expect(try unknown.json()["error"]?["type"] == "not_found_error")
        let faulty = try mock.answer(raw: MockFixture.post("/v1/messages", #"{"model":"status-529"}"#))
        #expect(faulty.status == 529)
        #expect(try faulty.json()["error"]?["type"] == "overloaded_error")
        #expect(try mock.answer(raw: MockFixture.post("/v1/messages", "{")).status == 400)
        #expect(mock.provider.counts().total == 5)
    }

    @Test func recordedBodyThatIsNoRequestIsReplayed() throws {
        let directory = try ScratchDirectory()
        let exchange = """
            {"request": {"url": "https://x/chat/completions", "body": {"model": "m", "messages": 7}},
             "response": {"status": 422, "body": {"detail": "made up"}}}
            """
        try directory.write("wrong.json", exchange)
        let mock = try MockFixture(MockConfiguration(recording: try MockRecording(path: directory.path)))
        let recorded = MockFixture.post("/v1/chat/completions", #"{"messages":7,"model":"m"}"#, id: "t/2")
        #expect(try mock.answer(raw: recorded).text == #"{"detail":"made up"}"#)
        #expect(try mock.answer(raw: MockFixture.post("/v1/chat/completions", #"{"messages":8}"#)).status == 400)
        #expect(mock.provider.counts().statuses == ["422": 1, "400": 1])
    }

    @Test func withoutARecordingOtherServicesAreUnknown() throws {
        let mock = try MockFixture()
        #expect(try mock.answer(raw: MockFixture.post("/v1/messages", #"{"model":"m"}"#)).status == 404)
        #expect(mock.provider.counts().total == 0)
    }

    @Test func scriptsThatReplayWhatIsMissingAreRefusedAtTheStart() throws {
        let loop = try EventLoop(name: "mock test")
        defer {
            loop.shutDown()
            loop.join()
        }
        let rule = MockRule(model: "*", behaviour: MockBehaviour(.replay("nothing/*")))
        var configuration = MockConfiguration(script: MockScript(rules: [rule]))
        let alone = #expect(throws: MockError.self) { try MockProvider(loop: loop, configuration: configuration) }
        #expect(alone?.message.contains("there is no recording") == true)
        let directory = try RecordingTests.directory()
        configuration.recording = try MockRecording(path: directory.path)
        let error = #expect(throws: MockError.self) { try MockProvider(loop: loop, configuration: configuration) }
        #expect(error?.message.contains("\"nothing/*\"") == true)
    }

    @Test func pageShowsWhatHappensAndEscapesNames() throws {
        let directory = try RecordingTests.directory()
        let script = MockScript(
            limits: [MockLimit(model: "gpt-*", requests: .init(perMinute: 60), tokens: .init(perMinute: 9000))],
            rules: [
                MockRule(
                    model: "phased",
                    phases: [MockPhase(calls: 5, behaviour: .ok), MockPhase(behaviour: .status(503))]
                )
            ]
        )
        let configuration = MockConfiguration(script: script, recording: try MockRecording(path: directory.path))
        let mock = try MockFixture(configuration)
        for model in ["gpt-x", "phased", "hello", "status-503", "<b>&'"] { _ = try mock.answer(model) }
        for path in ["/", "/_mock", "/_mock/"] {
            let page = try mock.answer(raw: "GET \(path) HTTP/1.1\r\nhost: m\r\n\r\n")
            #expect(page.status == 200)
            #expect(page.headers["content-type"] == "text/html; charset=utf-8")
            #expect(page.headers["content-security-policy"]?.contains("default-src 'none'") == true)
            #expect(page.text.contains("data-total=\"5\""))
            #expect(page.text.contains("&lt;b&gt;&amp;&#39;"))
            #expect(!page.text.contains("<b>&'"))
            #expect(page.text.contains("1 of 2"))
            #expect(page.text.contains("4 calls"))
            #expect(page.text.contains("59 of 60") || page.text.contains("60 of 60"))
            #expect(page.text.contains("openai/ok/hello"))
            #expect(!page.text.contains("http://") || page.text.contains("http://www.w3.org/2000/svg"))
            #expect(!page.text.contains("src="))
        }
        #expect(try mock.answer(raw: "POST / HTTP/1.1\r\ncontent-length: 0\r\n\r\n").status == 405)
    }

    @Test func idleConnectionsAreClosedAndWaitingOnesAreNot() throws {
        let mock = try MockFixture(MockConfiguration(idleTimeout: .milliseconds(200)))
        let silent = try mock.client()
        silent.send(MockFixture.call("silent"))
        let unused = try mock.client()
        let used = try mock.client()
        used.send(MockFixture.call("ok"))
        #expect(try used.readResponse().status == 200)
        #expect(unused.readToEnd().end == .closed)
        #expect(used.readToEnd().end == .closed)
        // By now the silent call is older than the others were.
        #expect(!silent.hasSomethingToRead)
    }

    @Test func halfARequestIsAnsweredWith408() throws {
        let mock = try MockFixture(MockConfiguration(idleTimeout: .milliseconds(100)))
        for half in ["POST /v1/chat/completions HTTP/1.1\r\nhost: m\r\ncontent-length: 10\r\n\r\n{}", "POST /v1"] {
            let client = try mock.client()
            client.send(half)
            let response = try client.readResponse()
            #expect(response.status == 408)
            #expect(response.headers["connection"] == "close")
        }
        #expect(mock.provider.counts().total == 0)
    }
}
