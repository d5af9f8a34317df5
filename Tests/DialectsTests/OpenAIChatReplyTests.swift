import BusProtocol
import CoreTypes
import Dialects
import JSON
import Resilience
import Testing

@Suite struct OpenAIChatReplyTests {
    func read(_ status: Int, _ body: String, headers: [(String, String)] = []) -> ReplyReading {
        OpenAIChat().readReply(status: status, headers: headers, body: Bytes(body), wallNow: 1_790_000_000_000)
    }

    func failure(_ status: Int, _ body: String, headers: [(String, String)] = []) -> AttemptFailure? {
        if case .failure(let failure) = read(status, body, headers: headers) { failure } else { nil }
    }

    @Test func aGoodReplyIsSummedUp() {
        let body = #"""
            {"id":"c1","model":"gpt-4o-2024","choices":[{"message":{"content":"hi"},"finish_reason":"stop"}],
             "usage":{"prompt_tokens":9,"completion_tokens":3,"prompt_tokens_details":{"cached_tokens":4},
             "completion_tokens_details":{"reasoning_tokens":2}},"error":null}
            """#
        let usage = TokenUsage(promptTokens: 9, completionTokens: 3, cachedTokens: 4, reasoningTokens: 2)
        let summary = ReplySummary(
            usage: usage,
            finishReason: "stop",
            responseModel: "gpt-4o-2024",
            responseID: "c1"
        )
        #expect(read(200, body) == .success(summary))
    }

    @Test(arguments: [
        #"{"message":{"content":null,"tool_calls":[{}]},"finish_reason":"tool_calls"}"#,
        #"{"message":{"content":null,"refusal":"no"},"finish_reason":"stop"}"#,
        #"{"message":{"content":"","reasoning_content":"hm"},"finish_reason":"stop"}"#,
        #"{"message":{"content":""},"finish_reason":"length"}"#,
        #"{"message":{"content":"\ud800"},"finish_reason":"stop"}"#,
    ])
    func aReplyWithoutPlainContentMayBeGood(choice: String) {
        #expect(failure(200, "{\"choices\":[\(choice)]}") == nil)
    }

    /// Some servers always send the member.
    @Test(arguments: ["null", "false", #""""#, "{}", "[]"]) func anErrorThatSaysNothingIsNone(error: String) {
        let choice = #"{"error":\#(error),"message":{"content":"hi"},"finish_reason":"stop"}"#
        #expect(failure(200, #"{"error":\#(error),"choices":[\#(choice)]}"#) == nil)
    }

    @Test(arguments: ["true", "1", #""no""#, #"{"code":503}"#, #"["no"]"#]) func anyOtherErrorIsOne(error: String) {
        let choices = #"[{"message":{"content":"hi"},"finish_reason":"stop"}]"#
        #expect(failure(200, #"{"error":\#(error),"choices":\#(choices)}"#) != nil)
    }

    @Test(arguments: [
        ("", FailureClass.malformedResponse), ("<html>hello</html>", .malformedResponse), ("null", .malformedResponse),
        ("{}", .malformedResponse), (#"{"choices":[]}"#, .malformedResponse), (#"{"choices":{}}"#, .malformedResponse),
        (#"{"choices":[{"message":{"content":""},"finish_reason":"stop"}]}"#, .malformedResponse),
        (#"{"choices":[{"message":{"content":"half"},"finish_reason":"content_filter"}]}"#, .contentPolicy),
        (#"{"choices":[{"message":{"content":"half"},"finish_reason":"error"}]}"#, .serverError),
        (#"{"choices":[{"error":{"code":429,"message":"slow"}}]}"#, .rateLimited),
        (#"{"error":{"code":502,"message":"bad"}}"#, .badGateway), (#"{"error":"broken"}"#, .serverError),
        (#"{"choices":[{"#, .malformedResponse),
        (#"{"choices":[{"finish_reason":"length"}]}"#, .malformedResponse),
        (#"{"choices":[{"finish_reason":"tool_calls","message":null}]}"#, .malformedResponse),
        ("data: {\"choices\":[{\"finish_reason\":\"stop\"}]}\n\ndata: [DONE]\n\n", .malformedResponse),
        ("data: {\"choices\":[{\"finish_reason\":null}]}\n\n", .connection),
        ("data: {\"error\":{\"code\":503}}\n\n", .overloaded),
    ])
    func status200IsNotAlwaysASuccess(body: String, expected: FailureClass) {
        #expect(failure(200, body)?.failureClass == expected)
    }

    @Test(arguments: [
        (301, FailureClass.malformedResponse), (400, .invalidRequest), (401, .auth), (402, .billing),
        (403, .permission),
        (404, .notFound), (405, .notFound), (406, .malformedResponse), (407, .connection), (410, .notFound),
        (418, .malformedResponse), (421, .connection), (431, .malformedResponse), (451, .permission),
        (408, .timeout), (409, .serverError), (413, .contextLength), (415, .invalidRequest),
        (422, .invalidRequest), (429, .rateLimited), (500, .serverError), (502, .badGateway), (503, .overloaded),
        (504, .timeout), (520, .badGateway), (524, .timeout), (529, .overloaded), (599, .serverError),
    ])
    func aBareStatusHasItsClass(status: Int, expected: FailureClass) {
        for body in ["", "{}", "[]", "null", "oops"] { #expect(failure(status, body)?.failureClass == expected) }
    }

    /// What nobody documents must not end the chain at the primary, unless its body blames the request.
    @Test func anUnknownRefusalLeavesTheNextModelItsChance() {
        #expect(failure(418, "")?.sameModelAdvice == false)
        #expect(failure(407, "")?.sameModelAdvice == false)
        #expect(failure(421, "")?.sameModelAdvice == true)
        for type in ["invalid_request_error", "BadRequestError", "INVALID_ARGUMENT"] {
            let body = #"{"error":{"message":"no such field","type":"\#(type)"}}"#
            #expect(failure(418, body)?.failureClass == .invalidRequest)
        }
    }

    @Test(arguments: [
        (302, "", "https://user:pw@Other.example:8443/login?token=t", "other.example:8443"),
        (307, "<html><title>307 Temporary Redirect</title></html>", "//other.example/v1/", "other.example"),
        (308, "", "/v1/chat/completions/", "another path of the same host"),
        (301, "{}", "https:///", "another place"), (304, "", "", "another place"),
        (404, "", "", "nothing at this address"),
        (404, #"{"error":{"message":" "}}"#, "", "nothing at this address"), (405, "\r\n", "", "takes a POST"),
    ])
    func aSilentRefusalOfTheAddressNamesWhatToCheck(status: Int, body: String, location: String, expected: String) {
        let headers = location.isEmpty ? [] : [("Location", location)]
        let message = failure(status, body, headers: headers)?.message ?? ""
        for part in [expected, "\(status)", "base_url"] { #expect(message.contains(part), "\(message)") }
        #expect(!message.contains("token") && !message.contains("pw"))
    }

    @Test(arguments: ["", " \r\n", "\"\"", #"{"error":{"message":""}}"#, #"{"error":"  "}"#, "<html><title></title>"])
    func noFailureIsWithoutWords(body: String) {
        for status in [302, 400, 401, 404, 418, 429, 500, 503] {
            let message = failure(status, body)?.message ?? ""
            #expect(message.contains { !$0.isWhitespace }, "status \(status)")
        }
    }

    @Test func aReplyWithDuplicateKeysIsAReply() {
        let twice = #"{"id":"a","id":"b","choices":[{"message":{"content":"hi"},"finish_reason":"stop"}],"usage":null}"#
        #expect(read(200, twice) == .success(ReplySummary(finishReason: "stop", responseID: "b")))
        let inside = #"{"choices":[{"message":{"content":"hi","content":"ho"}}]}"#
        #expect(failure(200, inside) == nil)
        let error = #"{"choices":[{"message":{"content":"hi"}}],"error":null,"error":{"code":503,"message":"no"}}"#
        #expect(failure(200, error) != nil)
    }

    @Test func theProvidersNoIsFollowed() {
        #expect(failure(503, "", headers: [("X-Should-Retry", "false")])?.sameModelAdvice == false)
        #expect(failure(503, "", headers: [("x-should-retry", "true")])?.sameModelAdvice == true)
        #expect(failure(401, "", headers: [("x-should-retry", "true")])?.sameModelAdvice == false)
    }

    @Test func errorTextsAreShortened() throws {
        let long = String(repeating: "x", count: 100_000)
        let found = try #require(failure(400, #"{"error":{"message":"\#(long)"}}"#))
        #expect(found.message.utf8.count == AttemptFailure.messageBytesMax)
        #expect(found.providerError?.count == AttemptFailure.providerErrorBytesMax)
    }

    @Test func noBodyStopsTheReader() {
        let seeds = [
            #"{"error":{"message":"try again in 5s","code":"429","details":[{"retryDelay":"3s","violations":[{}]}]}}"#,
            #"[{"error":{"error":{"metadata":{"raw":"{\"error\":{\"code\":400}}"}}}}]"#,
            #"{"choices":[{"message":{"content":"hi"},"finish_reason":"stop"}],"usage":{"prompt_tokens":-1}}"#,
            "data: {\"choices\":[]}\n\ndata: [DONE]",
        ]
        var random = SeededGenerator(seed: 5)
        for round in 0..<4000 {
            var bytes = Array(seeds[round % seeds.count].utf8)
            for _ in 0..<Int(random.next() % 6) {
                let place = Int(random.next() % UInt64(bytes.count))
                if random.next() % 3 == 0 { bytes.remove(at: place) } else { bytes[place] = UInt8(random.next() % 256) }
            }
            let status = [200, 400, 429, 500, 503, 0, -1, 999][Int(random.next() % 8)]
            let reading = OpenAIChat().readReply(status: status, headers: [], body: Bytes(bytes), wallNow: .max)
            if case .failure(let failure) = reading { #expect(failure.message.utf8.count <= 2048) }
            if !(200...299).contains(status), case .success = reading { Issue.record("a success with \(status)") }
        }
    }
}
