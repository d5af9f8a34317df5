import CoreTypes
import Glibc
import JSON
import Testing

@testable import MockProvider

/// A directory of its own that is removed with it.
final class ScratchDirectory {
    let path: String

    init() throws {
        var template = Array("/tmp/understudy-mock-XXXXXX".utf8CString)
        guard unsafe mkdtemp(&template) != nil else { throw MockError(code: .system, message: "mkdtemp: \(errno)") }
        path = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }

    deinit {
        Self.remove(path)
    }

    /// Writes a file; folders of its name are made.
    func write(_ name: String, _ text: String) throws {
        let parts = name.split(separator: "/")
        for count in 1..<max(parts.count, 1) {
            unsafe mkdir("\(path)/\(parts.prefix(count).joined(separator: "/"))", 0o700)
        }
        let descriptor = unsafe open("\(path)/\(name)", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else { throw MockError(code: .system, message: "open \(name): \(errno)") }
        defer { close(descriptor) }
        let bytes = Array(text.utf8)
        let count = unsafe Glibc.write(descriptor, bytes, bytes.count)
        guard count == bytes.count else { throw MockError(code: .system, message: "write \(name): \(errno)") }
    }

    private static func remove(_ path: String) {
        if let stream = unsafe opendir(path) {
            var names: [String] = []
            while let entry = unsafe readdir(stream) {
                let name = unsafe withUnsafePointer(to: &entry.pointee.d_name) { pointer in
                    unsafe pointer.withMemoryRebound(to: CChar.self, capacity: 256) { unsafe String(cString: $0) }
                }
                if name != "." && name != ".." { names.append(name) }
            }
            unsafe closedir(stream)
            for name in names { remove("\(path)/\(name)") }
            unsafe rmdir(path)
        } else {
            unsafe unlink(path)
        }
    }
}

@Suite struct RecordingTests {
    static let hello = """
        {"source": "made up", "provider": "openai", "features": ["x"],
         "request": {"method": "POST", "url": "https://api.openai.com/v1/chat/completions?a=b", "headers": {"a": "b"},
                     "body": {"model": "gpt-test", "messages": [{"role": "user", "content": "Hello"}]}},
         "response": {"status": 200, "headers": {"Content-Type": "application/json", "x-own": "1", "Date": "long ago",
                      "transfer-encoding": "chunked"}, "latency_ms": 3,
                      "body": {"id": "rec-1", "choices": []}}}
        """
    static let again = """
        {"request": {"url": "https://x/v1/chat/completions",
                     "body": {"messages": [{"content": "Other", "role": "user"}], "model": "gpt-test"}},
         "response": {"status": 429, "headers": {"retry-after": "7"}, "body": {"error": {"message": "slow down"}}}}
        """
    static let stream = """
        [{"request": {"url": "https://x/chat/completions", "body": {"model": "gpt-test", "stream": true}},
          "response": {"status": 200, "body": "data: {\\"a\\":1}\\n\\ndata: [DONE]\\n\\n"}},
         {"request": {"url": "https://y/v1beta/models/gemini-test:streamGenerateContent?alt=sse", "body": {"contents": []}},
          "response": {"status": 200, "headers": {"content-type": "text/event-stream"}, "body": "data: {}\\r\\n\\r\\n"}}]
        """
    static let message = """
        {"request": {"url": "https://api.anthropic.com/v1/messages", "body": {"model": "claude-test", "max_tokens": 5}},
         "response": {"status": 529, "body": {"type": "error"}}}
        """

    static func directory() throws -> ScratchDirectory {
        let directory = try ScratchDirectory()
        try directory.write("openai/ok/hello.json", hello)
        try directory.write("openai/error/slow.json", again)
        try directory.write("streams.json", stream)
        try directory.write("anthropic/over.json", message)
        try directory.write(
            "unknown.json",
            #"{"request": {"url": "https://x/v1/responses"}, "response": {"status": 502}}"#
        )
        try directory.write("page.json", #"{"response": {"status": 502, "body": "<html>"}}"#)
        try directory.write("README.md", "not read")
        try directory.write(".hidden.json", "not read")
        return directory
    }

    private func question(_ endpoint: Endpoint, _ body: String, path: String = "/x") throws -> MockExchange.Question {
        MockExchange.Question(endpoint: endpoint, path: path, body: try JSONValue(parsing: body))
    }

    @Test func directoryIsReadInTheOrderOfItsNames() throws {
        let directory = try Self.directory()
        let recording = try MockRecording(path: directory.path + "/")
        #expect(
            recording.exchanges.map(\.name) == [
                "anthropic/over", "openai/error/slow", "openai/ok/hello", "page", "streams#1", "streams#2", "unknown",
            ]
        )
        let hello = recording.exchanges[2]
        #expect(hello.status == 200)
        #expect(hello.headers == [MockHeader("Content-Type", "application/json"), MockHeader("x-own", "1")])
        #expect(String(decoding: hello.body, as: UTF8.self) == #"{"id":"rec-1","choices":[]}"#)
        #expect(hello.latency == MockLatency(milliseconds: 3))
        #expect(recording.exchanges[3].headers == [MockHeader("content-type", "text/plain; charset=utf-8")])
        #expect(recording.exchanges[4].isEventStream)
        #expect(recording.exchanges[5].question?.model == "gemini-test")
        #expect(recording.exchanges[6].question == nil)
        #expect(recording.exchanges[6].body.isEmpty)
    }

    @Test func aFileAloneIsARecording() throws {
        let directory = try Self.directory()
        let recording = try MockRecording(path: directory.path + "/openai/ok/hello.json")
        #expect(recording.exchanges.map(\.name) == ["hello"])
    }

    @Test func callsFindTheirExchange() throws {
        let directory = try Self.directory()
        let recording = try MockRecording(path: directory.path)
        func names(_ model: String, _ question: MockExchange.Question?) -> [String] {
            guard let group = recording.group(model: model, question: question) else { return [] }
            return recording.groups[group].map { recording.exchanges[$0].name }
        }
        #expect(names("openai/error/slow", nil) == ["openai/error/slow"])
        #expect(names("slow", nil) == ["openai/error/slow"])
        #expect(names("mock/slow", nil) == ["openai/error/slow"])
        // The same body with its members in another order.
        let other = try question(.chat, #"{"model":"gpt-test","messages":[{"role":"user","content":"Other"}]}"#)
        #expect(names("gpt-test", other) == ["openai/error/slow"])
        let new = try question(.chat, #"{"model":"gpt-test","messages":[{"role":"user","content":"New"}]}"#)
        #expect(names("gpt-test", new) == ["openai/error/slow", "openai/ok/hello"])
        let streamed = try question(.chat, #"{"model":"gpt-test","messages":[1],"stream":true}"#)
        #expect(names("gpt-test", streamed) == ["streams#1"])
        let wrongService = try question(.messages, #"{"model":"gpt-test","max_tokens":5}"#)
        #expect(names("gpt-test", wrongService) == [])
        let path = "/v1/models/gemini-test:streamGenerateContent"
        let gemini = try question(.streamGenerate, #"{"contents":[1]}"#, path: path)
        #expect(names("gemini-test", gemini) == ["streams#2"])
        #expect(names("gpt-unknown", nil) == [])
    }

    @Test func exchangesTakeTurnsAndRulesNameThem() throws {
        let directory = try Self.directory()
        let recording = try MockRecording(path: directory.path)
        let rules = [
            MockRule(model: "x", behaviour: MockBehaviour(.replay("openai/*"), latency: MockLatency(milliseconds: 9)))
        ]
        var playbook = Playbook(script: MockScript(rules: rules), recording: recording, countedIDsMax: 10)
        let ruled = (0..<3).map { _ in playbook.decide(model: "x", id: nil) }
        #expect(ruled.map { $0.exchange?.name } == ["openai/error/slow", "openai/ok/hello", "openai/error/slow"])
        #expect(ruled.allSatisfy { $0.latencyMilliseconds == 9 })
        let recorded = playbook.decide(model: "hello", id: nil)
        #expect(recorded.exchange?.name == "openai/ok/hello")
        #expect(recorded.latencyMilliseconds == 3)
        #expect(playbook.decide(model: "status-503", id: nil).outcome == .status(MockStatus(503)))
        #expect(playbook.counts.snapshot().statuses == ["429": 2, "200": 2, "503": 1])
        #expect(playbook.replays.reduce(0, +) == 4)
        playbook.reset()
        #expect(playbook.decide(model: "x", id: nil).exchange?.name == "openai/error/slow")
    }

    @Test(arguments: ["a\n\nb\n\n", "a: 1\r\nb: 2\r\n\r\nc", "\n\n\n", "x", "", "data: é\n\ndata: [DONE]\n\n"])
    func eventsAreThePiecesOfTheBody(text: String) throws {
        let writer = JSONValue(text).description
        let json = #"{"response": {"status": 200, "body": \#(writer)}}"#
        let exchange = try MockExchange.list(parsing: Array(json.utf8), name: "n", source: "s")[0]
        #expect(exchange.events.flatMap { $0 } == Array(text.utf8))
        #expect(exchange.events.dropLast().allSatisfy { $0.last == UInt8(ascii: "\n") })
    }

    @Test(arguments: [
        ("", "bad.json: $"), ("7", "$"), ("{}", "response"), (#"{"response": {}}"#, "$.response"),
        (#"{"response": {"status": 99}}"#, "$.response.status"),
        (#"{"response": {"status": 200, "bodi": 1}}"#, "$.response.bodi"),
        (#"{"response": {"status": 200, "headers": {"a": 1}}}"#, "$.response.headers.a"),
        (#"{"response": {"status": 200, "headers": {"a b": "1"}}}"#, "\"a b\""),
        (#"{"response": {"status": 200, "headers": {"a": "1\nb: 2"}}}"#, "$.response.headers.a"),
        (#"{"response": {"status": 200, "latency_ms": -1}}"#, "$.response.latency_ms"),
        (#"{"request": {}, "response": {"status": 200}}"#, "$.request"),
        (#"{"request": {"url": ""}, "response": {"status": 200}}"#, "$.request.url"),
        (#"[{"response": {"status": 200}}, {"response": {"status": "200"}}]"#, "$[1].response.status"),
    ])
    func wrongExchangeIsRefusedWithItsPlace(text: String, place: String) throws {
        let directory = try ScratchDirectory()
        try directory.write("bad.json", text)
        let error = #expect(throws: MockError.self) { try MockRecording(path: directory.path) }
        #expect(error?.code == .recording)
        #expect(error?.message.hasPrefix("\(directory.path)/bad.json: ") == true)
        #expect(error?.message.contains(place) == true, "\(error?.message ?? "no error")")
    }

    @Test func whatCannotBeReadIsNamed() throws {
        let directory = try ScratchDirectory()
        func message(_ name: String) -> String? {
            #expect(throws: MockError.self) { try MockRecording(path: directory.path + name) }?.message
        }
        #expect(message("/nothing")?.contains("there is no such file or directory") == true)
        #expect(message("")?.contains("there are no exchanges") == true)
        unsafe mkfifo(directory.path + "/pipe.json", 0o600)
        #expect(message("/pipe.json")?.contains("expected a regular file or a directory") == true)
        try directory.write(String(repeating: "d/", count: 18) + "deep.json", "{}")
        #expect(message("")?.contains("at most 16 deep") == true)
    }

    @Test func twoOfOneNameAreRefused() throws {
        let exchange = try MockExchange.list(parsing: Array(Self.hello.utf8), name: "n", source: "s")[0]
        let error = #expect(throws: MockError.self) { try MockRecording([exchange, exchange]) }
        #expect(error?.message.contains("\"n\"") == true)
    }

    @Test func exampleOfTheHelpIsAnExchange() throws {
        let help = MockRecording.help
        let start = try #require(help.firstIndex(of: "{"))
        let end = try #require(help.firstRange(of: "}}}}"))
        let text = String(help[start..<end.upperBound])
        let exchange = try #require(try MockExchange.list(parsing: Array(text.utf8), name: "n", source: "s").first)
        #expect(exchange.status == 429)
        #expect(exchange.question?.model == "gpt-4o")
    }

    @Test func damagedExchangesNeverTrap() {
        var generator = SeededGenerator(seed: 17)
        var refused = 0
        for text in [Self.hello, Self.stream] {
            let original = Array(text.utf8)
            for _ in 0..<1500 {
                var bytes = original
                for _ in 0...Int.random(in: 0..<3, using: &generator) {
                    bytes[Int.random(in: 0..<bytes.count, using: &generator)] =
                        original.randomElement(using: &generator) ?? 0
                }
                do throws(JSONError) {
                    let exchanges = try MockExchange.list(parsing: bytes, name: "n", source: "s")
                    for exchange in exchanges { #expect(exchange.events.flatMap { $0 } == exchange.body) }
                } catch {
                    refused += 1
                }
            }
        }
        #expect(refused > 500)
    }
}
