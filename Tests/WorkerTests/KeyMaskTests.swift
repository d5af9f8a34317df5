import BusProtocol
import CoreTypes
import HTTPTransport
import JSON
import Resilience
import Testing

@testable import Worker

struct KeyMaskTests {
    private let mask = KeyMask("sk-a/b+cdefgh")

    @Test(arguments: [
        ("Invalid key: Bearer sk-a/b+cdefgh", "Invalid key: Bearer [key]"),
        ("sk-a/b+cdefgh,sk-a/b+cdefgh.", "[key],[key]."), (#"{"k":"sk-a\/b+cdefgh"}"#, #"{"k":"[key]"}"#),
        (#"{"k":"\u0073k-a/b\u002Bcdef\u0067h"}"#, #"{"k":"[key]"}"#),
        (#"{"raw":"{\"k\":\"sk-a\\/b\\u002bcdefgh\"}"}"#, #"{"raw":"{\"k\":\"[key]\"}"}"#),
        ("cut: sk-a/b+cd", "cut: [key]"), (#"cut: sk-a/b+cd\"#, "cut: [key]"), ("sk-a/b+", "sk-a/b+"),
        ("sk-a/b+cdefgX", "sk-a/b+cdefgX"), ("sk-sk-a/b+cdefgh", "sk-[key]"), ("", ""), ("\\", "\\"), ("é\n", "é\n"),
    ])
    func theKeyIsTakenOutHoweverItIsWritten(text: String, expected: String) {
        #expect(mask.masked(text) == expected)
    }

    @Test func aShortKeyIsTakenOutBehindItsSchemeOnly() {
        let mask = KeyMask("ollama")
        #expect(mask.masked("ollama: got Bearer ollama") == "ollama: got Bearer [key]")
        #expect(mask.masked(#"{"model":"ollama"}"#) == #"{"model":"ollama"}"#)
    }

    @Test func whatStaysIsJSONWheneverItWas() throws {
        var random = SeededGenerator(seed: 3)
        let pieces = ["sk-a/b+cdefgh", "sk-", "/", "\\", "\"", "\n", "u002f", "é", "Bearer "]
        for _ in 0..<2_000 {
            let text = (0..<6).map { _ in pieces[Int(random.next() % UInt64(pieces.count))] }.joined()
            var document = (["message": .string(text)] as JSONValue).serialized()
            let inner = String(decoding: document, as: UTF8.self)
            if random.next() % 2 == 0 { document = (["raw": .string(inner)] as JSONValue).serialized() }
            let masked = mask.masked(document)
            #expect(throws: Never.self) { try JSONValue(parsing: masked) }
            #expect(!String(decoding: masked, as: UTF8.self).contains("a/b+cdefgh"))
        }
    }

    @Test func noFailureShowsTheKeyOfItsProvider() throws {
        let rules = try SessionFixture.rules()
        let body = #"{"error":{"message":"Invalid key: Bearer sk-very-secret","type":"invalid_request_error"}}"#
        let response = HTTPResponse(
            head: HTTPResponseHead(status: 401, httpVersion: "1.1", headers: []),
            body: Array(body.utf8),
            phases: HTTPPhases()
        )
        let model = ModelName(provider: "paid", model: "x")
        guard case .failed(let failure) = rules.read(response, from: model, wallNow: 0) else {
            Issue.record("401 is a failure")
            return
        }
        #expect(failure.failureClass == .auth && failure.message == "Invalid key: Bearer [key]")
        let shown = String(decoding: failure.providerError ?? [], as: UTF8.self)
        #expect(shown.contains("[key]") && !shown.contains("very-secret"))
    }

    @Test func whatTelemetryIsToldOfAReplyHasNoKey() throws {
        let rules = try SessionFixture.rules()
        let body = """
            {"model":"sk-very-secret","choices":[{"finish_reason":"Bearer sk-very-secret","message":{"role":"assistant",\
            "content":"sk-very-secret"}}]}
            """
        let response = HTTPResponse(
            head: HTTPResponseHead(status: 200, httpVersion: "1.1", headers: []),
            body: Array(body.utf8),
            phases: HTTPPhases()
        )
        let model = ModelName(provider: "paid", model: "x")
        guard case .answered(let summary, let answer) = rules.read(response, from: model, wallNow: 0) else {
            Issue.record("200 is an answer")
            return
        }
        #expect(summary.responseModel == "[key]" && summary.finishReason == "Bearer [key]")
        #expect(answer == Bytes(body), "the answer itself is the agent's")
    }
}
