public import EventLoop
import Synchronization

/// An LLM provider that fails on command: a real HTTP/1.1 server with the OpenAI interface.
///
/// - `POST …/chat/completions`, whatever the prefix: plays the call by script and model name, streamed when the
///   request says `"stream": true`. The bearer key `bad-key` is refused with 401.
/// - With a recording also `POST …/messages` (Anthropic) and `POST …:generateContent`, `…:streamGenerateContent`
///   (Gemini): answered by what was recorded and by scripts, see ``MockRecording``.
/// - `GET /` and `GET /_mock/`: a page for people with counts, phases and limits, which keeps itself up to date.
/// - `GET …/models`: the models of the script and examples of the grammar of names.
/// - `GET /_mock/counts`: what was counted, as JSON; `?id=X` for one request id with its calls per model, `?summary`
///   without the counts per request id. The id comes in the header `x-understudy-request-id`, at most 256 bytes.
/// - `POST /_mock/reset`: forgets all counts, so that "the first calls" come again. `GET /_mock/health`.
///
/// Limits: headers 64 KiB (431), body 16 MiB (413), 4096 models and ``MockConfiguration/countedIDsMax`` ids counted
/// one by one. Connections are limited by the descriptors of the process; without any left accepting pauses. Connections
/// that are silent for ``MockConfiguration/idleTimeout`` are closed.
///
/// All work is done on the loop's thread; the methods here may be called on any thread.
public final class MockProvider: Sendable {
    /// The TCP port it listens on.
    public let port: UInt16

    /// The base URL for clients, for example `http://127.0.0.1:8080/v1`.
    public let baseURL: String

    private let server: Server

    /// Listens and starts to answer. When it returns, clients can connect.
    ///
    /// - Throws: ``MockError`` when the address is wrong, the port is in use or forbidden, or the script replays exchanges
    ///   that were not recorded.
    public init(loop: EventLoop, configuration: MockConfiguration) throws(MockError) {
        try Self.checkReplays(configuration)
        let (descriptor, port) = try Sockets.listen(host: configuration.host, port: configuration.port)
        self.port = port
        let host = configuration.host.contains(":") ? "[\(configuration.host)]" : configuration.host
        baseURL = "http://\(host):\(port)/v1"
        let server = Server(loop: loop, listener: descriptor, configuration: configuration)
        self.server = server
        loop.execute { server.start() }
    }

    deinit {
        shutDown()
    }

    private static func checkReplays(_ configuration: MockConfiguration) throws(MockError) {
        for pattern in configuration.script.replayPatterns.sorted() {
            guard let recording = configuration.recording else {
                let message = "the script replays \"\(pattern)\", but there is no recording"
                throw MockError(code: .script, message: message)
            }
            guard recording.exchanges(named: pattern).isEmpty else { continue }
            let message =
                "the script replays \"\(pattern)\", but none of the \(recording.exchanges.count) recorded exchanges is "
                + "called so; one is \"\(recording.exchanges[0].name)\""
            throw MockError(code: .script, message: message)
        }
    }

    /// What was counted so far.
    public func counts() -> MockCounts {
        server.playbook.withLock { $0.counts.snapshot() }
    }

    /// Calls of one request id to each model; empty for an unknown id.
    public func calls(ofRequest id: String) -> [String: Int] {
        server.playbook.withLock { $0.counts.calls(of: id).models }
    }

    /// Forgets all counts.
    public func resetCounts() {
        server.playbook.withLock { $0.reset() }
    }

    /// Closes the listener and all connections, soon. More than once is no error.
    public func shutDown() {
        let server = server
        server.loop.execute { server.stop() }
    }
}
