import BusProtocol
import CoreTypes
import Dialects
import Glibc
import JSON
import Resilience
import Testing

/// The recorded and quoted exchanges of many providers, when `UNDERSTUDY_CORPUS` names their folder.
@Suite struct CorpusTests {
    @Test(.timeLimit(.minutes(10))) func everyErrorOfTheDialectIsReadAsExpected() throws {
        let files = try Corpus.files(kind: "error").filter { $0.dialect == "openai-chat" }
        for file in files { check(file) }
        print("corpus: \(files.count) errors of this dialect")
    }

    /// The other dialects' errors come through their OpenAI-compatible endpoints in much the same envelopes.
    @Test(.timeLimit(.minutes(10))) func errorStatusesOfOtherDialectsAreReadAsExpected() throws {
        let files = try Corpus.files(kind: "error").filter { $0.dialect != "openai-chat" && $0.status >= 400 }
        for file in files { check(file) }
        print("corpus: \(files.count) errors of other dialects")
    }

    @Test(.timeLimit(.minutes(10))) func everyGoodReplyIsASuccess() throws {
        for file in try Corpus.files(kind: "ok") where file.dialect == "openai-chat" {
            let reading = file.read()
            guard case .success(let summary) = reading else {
                Issue.record("\(file.name): \(reading)")
                continue
            }
            #expect(summary.httpStatus == file.status, "\(file.name)")
            let counted = file.exchange["response"]?["body"]?["usage"]?["prompt_tokens"]?.intValue
            #expect(summary.usage?.promptTokens == counted, "\(file.name)")
        }
    }

    @Test(.timeLimit(.minutes(10))) func requestsOfTheDialectTravelOnUnchangedButForTheirModel() throws {
        for file in try Corpus.files(kind: "ok") where file.dialect == "openai-chat" {
            guard let body = file.exchange["request"]?["body"], body["messages"] != nil else { continue }
            let request = try ChatRequest(Bytes(body.serialized()))
            let sent = OpenAIChat().makeRequest(request, model: "other", stream: false, key: "k")
            var expected = try #require(body.objectValue)
            expected["model"] = "other"
            expected.removeValue(forKey: "stream")
            expected.removeValue(forKey: "stream_options")
            #expect(
                String(decoding: sent.body, as: UTF8.self) == JSONValue.object(expected).description,
                "\(file.name)"
            )
        }
    }

    private func check(_ file: Corpus.File) {
        guard case .failure(let failure) = file.read() else {
            Issue.record("\(file.name) is read as a success")
            return
        }
        let expect = file.exchange["expect"]
        let found = failure.failureClass.rawValue
        #expect(found == expect?["class"]?.stringValue, "\(file.name): \(failure.message.prefix(200))")
        #expect(failure.sameModelAdvice == expect?["retryable_same_model"]?.boolValue, "\(file.name): same model")
        let wait = expect?["retry_after_s"]?.doubleValue.map { Int64(($0 * 1000).rounded()) }
        let read = failure.hint?.wholeMilliseconds
        let isClose = wait == read || wait.flatMap { wait in read.map { abs(wait - $0) <= 1 } } == true
        #expect(isClose, "\(file.name): wait \(String(describing: read)) ms, expected \(String(describing: wait)) ms")
    }
}

/// The corpus's files, read without Foundation.
private enum Corpus {
    struct File {
        let name: String
        let exchange: JSONValue

        var dialect: String { exchange["dialect"]?.stringValue ?? "" }
        var status: Int { exchange["response"]?["status"]?.intValue ?? 0 }

        func read() -> ReplyReading {
            let response = exchange["response"]
            let headers = (response?["headers"]?.objectValue ?? JSONObject()).map { key, value in
                (key, value.stringValue ?? value.description)
            }
            let body: Bytes =
                switch response?["body"] {
                case nil, .null?: .empty
                case .string(let text)?: Bytes(text)
                case let value?: Bytes(value.serialized())
                }
            return OpenAIChat().readReply(status: status, headers: headers, body: body, wallNow: 1_790_000_000_000)
        }
    }

    /// `*/kind/*.json` in order; empty, with a message, when the folder is not given.
    static func files(kind: String) throws -> [File] {
        guard let variable = unsafe getenv("UNDERSTUDY_CORPUS") else {
            print("skipped: UNDERSTUDY_CORPUS does not name the corpus")
            return []
        }
        let root = unsafe String(cString: variable)
        var files: [File] = []
        for provider in names(in: root) {
            for name in names(in: "\(root)/\(provider)/\(kind)") where name.hasSuffix(".json") {
                let path = "\(root)/\(provider)/\(kind)/\(name)"
                let exchange = try JSONValue(parsing: contents(of: path))
                files.append(File(name: "\(provider)/\(kind)/\(name)", exchange: exchange))
            }
        }
        #expect(!files.isEmpty, "no file of kind \(kind) under \(root)")
        return files
    }

    private static func names(in directory: String) -> [String] {
        guard let handle = unsafe opendir(directory) else { return [] }
        defer { unsafe closedir(handle) }
        var names: [String] = []
        while let entry = unsafe readdir(handle) {
            let name = unsafe withUnsafePointer(to: &entry.pointee.d_name) { pointer in
                unsafe pointer.withMemoryRebound(to: CChar.self, capacity: 256) { unsafe String(cString: $0) }
            }
            if !name.hasPrefix(".") { names.append(name) }
        }
        return names.sorted()
    }

    private static func contents(of path: String) -> [UInt8] {
        guard let file = unsafe fopen(path, "r") else { return [] }
        defer { unsafe fclose(file) }
        var bytes: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 65_536)
        while true {
            let count = unsafe fread(&buffer, 1, buffer.count, file)
            guard count > 0 else { return bytes }
            bytes += buffer[..<count]
        }
    }
}
