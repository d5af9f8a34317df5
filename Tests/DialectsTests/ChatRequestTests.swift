import CoreTypes
import Dialects
import Testing

@Suite struct ChatRequestTests {
    @Test func modelAndFallbacksAreRead() throws {
        let request = try ChatRequest(
            Bytes(
                #"{"model":"openai/gpt-4o","fallback_models":["a/b","c"],"messages":[{"role":"user","content":"x"}]}"#
            )
        )
        #expect(request.model == "openai/gpt-4o")
        #expect(request.fallbackModels == ["a/b", "c"])
        let bare = try ChatRequest(Bytes(#"{"model":null,"fallback_models":null,"messages":[{}]}"#))
        #expect(bare.model == nil)
        #expect(bare.fallbackModels == nil)
    }

    @Test(arguments: [
        ("", "the body is no JSON object"), ("[]", "the body is no JSON object"), ("{", "the body is no JSON object"),
        (#"{"model":"m"}"#, "messages is missing"), (#"{"messages":"hello"}"#, "messages is "),
        (#"{"messages":null}"#, "messages is "), (#"{"messages":[ \#n ]}"#, "messages is empty"),
        (#"{"messages":[{}],"model":7}"#, "model is "),
        (#"{"messages":[{}],"fallback_models":"a"}"#, "fallback_models is "),
        (#"{"messages":[{}],"fallback_models":["a",1]}"#, "fallback_models[1] is "),
        (#"{"messages":[{}],"messages":[{}]}"#, "the body is no JSON object"),
    ])
    func aBodyThatIsNoRequestIsRefusedByName(body: String, message: String) {
        let error = #expect(throws: DialectError.self) { try ChatRequest(Bytes(body)) }
        #expect(error?.code == .invalidRequest)
        #expect(error?.message.hasPrefix(message) == true, "\(error?.message ?? "")")
    }

    @Test func tooManyFallbacksAreRefused() {
        let list = Array(repeating: "\"a\"", count: 17).joined(separator: ",")
        let error = #expect(throws: DialectError.self) {
            try ChatRequest(Bytes("{\"messages\":[{}],\"fallback_models\":[\(list)]}"))
        }
        #expect(error?.message == "fallback_models has 17 entries; expected at most 16")
    }

    @Test func everythingButOurMembersStaysByteForByte() throws {
        let body = #"""
            { "temperature" : 1.00e0,"fallback_models":["x"],
              "model":"openai/gpt-4o", "stream" : true, "messages":[ {"content":"\u00e9\ud800"} ], "stream_options":{},
              "x_new": {"b":1, "a":[ ]} }
            """#
        let sent = OpenAIChat().makeRequest(try ChatRequest(Bytes(body)), model: "gpt-4o", stream: false, key: "sk-1")
        let expected = #"""
            { "temperature" : 1.00e0,
              "model":"gpt-4o", "messages":[ {"content":"\u00e9\ud800"} ],
              "x_new": {"b":1, "a":[ ]} }
            """#
        #expect(String(decoding: sent.body, as: UTF8.self) == expected)
        #expect(sent.path == "/chat/completions")
        #expect(sent.headers.contains { $0 == ("Authorization", "Bearer sk-1") })
    }

    @Test func aMissingModelIsAddedAndAStreamAskedFor() throws {
        let request = try ChatRequest(
            Bytes(#"{"messages":[{}],"stream":false,"stream_options":{"include_usage":true}}"#)
        )
        let sent = OpenAIChat().makeRequest(request, model: "a\"b", stream: true, key: nil)
        #expect(
            String(decoding: sent.body, as: UTF8.self)
                == #"{"messages":[{}],"stream":true,"stream_options":{"include_usage":true},"model":"a\"b"}"#
        )
        #expect(!sent.headers.contains { $0.0 == "Authorization" })
    }
}
