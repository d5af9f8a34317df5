import JSON
import MockProvider
import Testing

@Suite struct MockFaultTests {
    private let mock: MockFixture

    init() throws { mock = try MockFixture() }

    @Test(arguments: [
        (400, nil), (401, "invalid_api_key"), (403, "unsupported_country_region_territory"), (404, "model_not_found"),
        (413, "request_too_large"), (429, "rate_limit_exceeded"), (500, nil), (503, nil), (529, nil),
    ])
    func statusComesWithTheRealEnvelope(status: Int, code: String?) throws {
        let response = try mock.answer("mock/status-\(status)")
        #expect(response.status == status)
        #expect(response.headers["content-type"] == "application/json")
        let error = try #require(try response.json()["error"])
        #expect(error["code"]?.stringValue == code)
        #expect(error["message"]?.stringValue?.isEmpty == false)
        #expect(error["type"]?.stringValue?.isEmpty == false)
        #expect(response.headers["retry-after"] == nil)
    }

    @Test func hintsComeInTheirForms() throws {
        #expect(try mock.answer("status-429-after-2").headers["retry-after"] == "2")
        #expect(try mock.answer("status-429-ms-1500").headers["retry-after-ms"] == "1500")
        let date = try mock.answer("status-503-date-60")
        #expect(date.headers["retry-after"]?.hasSuffix(" GMT") == true)
        #expect(date.headers["retry-after"] != date.headers["date"])
    }

    @Test func gatewayPageIsHTML() throws {
        let response = try mock.answer("html-502")
        #expect(response.status == 502)
        #expect(response.headers["content-type"]?.hasPrefix("text/html") == true)
        #expect(response.text.contains("<h1>502 Bad Gateway</h1>"))
    }

    @Test func successMayHideAnError() throws {
        let inside = try mock.answer("error-200")
        #expect(inside.status == 200)
        #expect(try inside.json()["error"] != nil)
        #expect(try inside.json()["choices"] == nil)
        let empty = try mock.answer("empty")
        #expect(empty.status == 200)
        #expect(empty.body.isEmpty)
        #expect(empty.brokenBy == nil)
        let malformed = try mock.answer("malformed")
        #expect(malformed.status == 200)
        #expect(malformed.brokenBy == nil)
        #expect(throws: JSONError.self) { try malformed.json() }
    }

    @Test func truncatedBodyEndsWithAClose() throws {
        let response = try mock.answer("truncated")
        #expect(response.status == 200)
        #expect(response.brokenBy == .closed)
        #expect(!response.body.isEmpty)
    }

    @Test func resetComesBeforeTheFirstByte() throws {
        let client = try mock.client()
        client.send(MockFixture.call("reset-before"))
        let (end, bytes) = client.readToEnd()
        #expect(end == .reset)
        #expect(bytes.isEmpty)
    }

    @Test func resetComesBehindTheHead() throws {
        let response = try mock.answer("reset-after-head")
        #expect(response.status == 200)
        #expect(response.body.isEmpty)
        #expect(response.brokenBy == .reset)
    }

    @Test(.timeLimit(.minutes(10))) func silentCallIsCountedNeverAnsweredAndNotedWhenLeft() throws {
        do {
            let silent = try mock.client()
            silent.send(MockFixture.call("silent", id: "t/quiet"))
            while mock.provider.counts().statuses["silent"] == nil { _ = try mock.answer("ok") }
            // All that the mock would send for the call it would have sent before it answered this one.
            #expect(try mock.answer("ok").status == 200)
            #expect(!silent.hasSomethingToRead)
            #expect(mock.provider.counts().aborted == 0)
        }
        while mock.provider.counts().aborted == 0 { _ = try mock.answer("ok") }
        #expect(mock.provider.calls(ofRequest: "t/quiet") == ["silent": 1])
    }

    @Test func latencyHoldsBackItsOwnCallOnly() throws {
        let slow = try mock.client()
        slow.send(MockFixture.call("ok-3600000", id: "slow"))
        #expect(try mock.answer("ok-1").status == 200)
        #expect(try mock.answer("status-503+1-3").status == 503)
        #expect(!slow.hasSomethingToRead)
        mock.provider.shutDown()
        #expect(slow.readToEnd().bytes.isEmpty)
    }

    @Test func streamIsWholeUnlessAsked() throws {
        let more = #","stream":true,"stream_options":{"include_usage":true}"#
        let whole = try mock.answer("ok", text: "one two three", more: more)
        #expect(whole.headers["content-type"]?.hasPrefix("text/event-stream") == true)
        #expect(whole.brokenBy == nil)
        let events = whole.text.split(separator: "\n\n").map { String($0.dropFirst("data: ".count)) }
        #expect(events.last == "[DONE]")
        let values = try events.dropLast().map { try JSONValue(parsing: $0) }
        let text = values.compactMap { $0["choices"]?[0]?["delta"]?["content"]?.stringValue }.joined()
        #expect(text == "Mock answer to: one two three")
        #expect(values.compactMap { $0["choices"]?[0]?["finish_reason"]?.stringValue } == ["stop"])
        #expect(values.last?["usage"]?["total_tokens"]?.intValue != nil)

        let truncated = try mock.answer("truncated", more: more)
        #expect(truncated.brokenBy == .closed)
        #expect(truncated.text.contains("data: "))
        #expect(!truncated.text.contains("\"finish_reason\":\"stop\""))
        let malformed = try mock.answer("malformed", more: more)
        let parsed = malformed.text.split(separator: "\n\n").dropLast().map {
            (try? JSONValue(parsing: String($0.dropFirst("data: ".count)))) != nil
        }
        #expect(parsed.count { !$0 } == 1)
        #expect(try mock.answer("reset-after-head", more: more).brokenBy == .reset)
        #expect(try mock.answer("error-200", more: more).text.contains("data: {\"error\":"))
        #expect(try mock.answer("status-503", more: more).status == 503)
        #expect(try mock.answer("empty", more: more).body.isEmpty)
    }

    @Test func scriptSetsHeadersAndBodies() throws {
        let script = """
            {"rules": [
              {"model": "a", "behaviour": {"status": 429, "body": {"detail": "slow"}, "retry_after": {"reset": "1m9.6s"},
                                           "headers": {"Content-Type": "application/problem+json", "x-a": "b"}}},
              {"model": "b", "behaviour": {"status": 429, "retry_after": {"text": "1m9.6s"}}},
              {"model": "c", "behaviour": {"status": 529, "body": "anthropic"}},
              {"model": "d", "behaviour": {"status": 429, "body": "gemini", "retry_after": {"retry_info": "34.4s"}}},
              {"model": "e", "behaviour": {"status": 503, "body": "text"}},
              {"model": "f", "behaviour": {"status": 200, "headers": {"retry-after": "1"}}}
            ]}
            """
        let configuration = MockConfiguration(script: try MockScript(parsing: Array(script.utf8)))
        let mock = try MockFixture(configuration)
        let first = try mock.answer("provider/a")
        #expect(first.text == #"{"detail":"slow"}"#)
        #expect(first.headers["Content-Type"] == "application/problem+json")
        #expect(first.headers["content-type"] == nil)
        #expect(first.headers["x-a"] == "b")
        #expect(first.headers["x-ratelimit-reset-requests"] == "1m9.6s")
        #expect(try mock.answer("b").text.contains("Please try again in 1m9.6s."))
        #expect(try mock.answer("c").json()["error"]?["type"]?.stringValue == "overloaded_error")
        let gemini = try mock.answer("d").json()["error"]
        #expect(gemini?["status"]?.stringValue == "RESOURCE_EXHAUSTED")
        #expect(gemini?["details"]?[0]?["retryDelay"]?.stringValue == "34.4s")
        #expect(try mock.answer("e").headers["content-type"] == "text/plain")
        let success = try mock.answer("f")
        #expect(success.headers["retry-after"] == "1")
        #expect(try success.json()["choices"]?[0]?["finish_reason"]?.stringValue == "stop")
    }
}
