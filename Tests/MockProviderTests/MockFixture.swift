import EventLoop
import MockProvider

/// A mock provider on a loop of its own, and clients for it.
final class MockFixture {
    let loop: EventLoop
    let provider: MockProvider

    init(_ configuration: MockConfiguration = MockConfiguration()) throws {
        loop = try EventLoop(name: "mock test")
        provider = try MockProvider(loop: loop, configuration: configuration)
    }

    deinit {
        provider.shutDown()
        loop.shutDown()
        loop.join()
    }

    func client() throws -> RawClient { try RawClient(port: provider.port) }

    /// The bytes of a chat completions call.
    static func call(
        _ model: String,
        id: String? = nil,
        text: String = "Hello",
        more: String = "",
        headers: String = "",
        version: String = "1.1"
    ) -> String {
        let body = #"{"model":"\#(model)","messages":[{"role":"user","content":"\#(text)"}]\#(more)}"#
        return post("/v1/chat/completions", body, id: id, headers: headers, version: version)
    }

    /// The bytes of a POST.
    static func post(
        _ path: String,
        _ body: String,
        id: String? = nil,
        headers: String = "",
        version: String = "1.1"
    ) -> String {
        let idHeader = id.map { "x-understudy-request-id: \($0)\r\n" } ?? ""
        return "POST \(path) HTTP/\(version)\r\nhost: mock\r\n\(idHeader)\(headers)"
            + "content-length: \(body.utf8.count)\r\n\r\n\(body)"
    }

    /// Makes one call on a connection of its own.
    func answer(_ model: String, id: String? = nil, text: String = "Hello", more: String = "") throws
        -> RawClient.Response
    {
        let client = try client()
        client.send(Self.call(model, id: id, text: text, more: more))
        return try client.readResponse()
    }

    /// Sends one request on a connection of its own.
    func answer(raw request: String) throws -> RawClient.Response {
        let client = try client()
        client.send(request)
        return try client.readResponse()
    }
}
