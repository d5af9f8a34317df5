import CoreTypes
import EventLoop
import HTTPTransport
import Synchronization
import Testing

/// Lives on a loop and lends its transport to tests.
actor Driver {
    nonisolated let loop: EventLoop
    private let transport: HTTPTransport

    nonisolated var unownedExecutor: UnownedSerialExecutor { unsafe loop.asUnownedSerialExecutor() }

    init(_ loop: EventLoop, _ configuration: HTTPTransport.Configuration) throws {
        self.loop = loop
        transport = try HTTPTransport(loop: loop, configuration: configuration)
    }

    /// Runs `body` on the loop.
    func run<Result: Sendable>(_ body: @Sendable (HTTPTransport) throws -> Result) rethrows -> Result {
        try body(transport)
    }

    /// Returns when so much time has passed for the loop.
    func passes(_ time: Duration) async {
        await withCheckedContinuation { continuation in
            loop.schedule(at: loop.now().advanced(by: time)) { continuation.resume() }
        }
    }

    /// Runs `body` on the loop and waits for what it hands to the function it gets.
    func outcome(
        _ body:
            @Sendable (
                HTTPTransport, _ finish: @escaping (Result<HTTPResponse, TransportError>) -> Void
            ) -> Void
    ) async -> Result<HTTPResponse, TransportError> {
        await withCheckedContinuation { continuation in
            body(transport) { continuation.resume(returning: $0) }
        }
    }

    /// Starts a call with a recording handler made on the loop, and waits for its end.
    func record(
        _ request: HTTPRequest,
        _ onEvent: @escaping @Sendable (Recorder, HTTPCall, HTTPTransport) -> BodyFlow = { _, _, _ in .proceed }
    ) async -> Recording {
        await withCheckedContinuation { continuation in
            let recorder = Recorder(transport, onEvent) { continuation.resume(returning: $0) }
            transport.start(request, handler: recorder)
        }
    }

    /// Starts calls in one turn of the loop, so that none begins after another's end unless it had to wait for its
    /// turn, and waits for all of them.
    ///
    /// - Parameter started: Called in the same turn.
    func recordTogether(
        _ requests: [HTTPRequest],
        started: @Sendable (HTTPTransport) -> Void = { _ in }
    ) async -> [Recording] {
        let (recordings, sink) = AsyncStream<Recording>.makeStream()
        for request in requests {
            let recorder = Recorder(transport, { _, _, _ in .proceed }) { sink.yield($0) }
            transport.start(request, handler: recorder)
        }
        started(transport)
        return await recordings.prefix(requests.count).reduce(into: []) { $0.append($1) }
    }
}

/// What a handler saw.
struct Recording: Sendable {
    var head: HTTPResponseHead?
    var body: [UInt8] = []
    var pieces = 0
    var pauses = 0
    var result: Result<HTTPPhases, TransportError>?

    var code: TransportError.Code? {
        if case .failure(let error) = result { return error.code }
        return nil
    }
}

/// Keeps what a call's handler is told; a closure answers each piece of body.
final class Recorder: HTTPCallHandler {
    var recording = Recording()
    private let transport: HTTPTransport
    private let onPiece: (Recorder, HTTPCall, HTTPTransport) -> BodyFlow
    private let onEnd: (Recording) -> Void

    init(
        _ transport: HTTPTransport,
        _ onPiece: @escaping (Recorder, HTTPCall, HTTPTransport) -> BodyFlow,
        onEnd: @escaping (Recording) -> Void
    ) {
        self.transport = transport
        self.onPiece = onPiece
        self.onEnd = onEnd
    }

    func received(_ head: HTTPResponseHead, for call: HTTPCall) {
        precondition(recording.head == nil && recording.pieces == 0)
        recording.head = head
    }

    func received(_ bytes: RawSpan, for call: HTTPCall) -> BodyFlow {
        precondition(recording.head != nil && recording.result == nil)
        recording.pieces += 1
        let flow = onPiece(self, call, transport)
        switch flow {
        case .proceed: unsafe bytes.withUnsafeBytes { unsafe recording.body.append(contentsOf: $0) }
        case .pause: recording.pauses += 1
        }
        return flow
    }

    func ended(_ result: Result<HTTPPhases, TransportError>, for call: HTTPCall) {
        precondition(recording.result == nil && call.hasEnded)
        recording.result = result
        onEnd(recording)
    }
}

extension Result<HTTPResponse, TransportError> {
    /// The code of a failure.
    var code: TransportError.Code? {
        if case .failure(let error) = self { return error.code }
        return nil
    }
}

/// What handlers on the loop note for a test.
final class Notes<Element: Sendable>: Sendable {
    private let elements = Mutex<[Element]>([])

    var all: [Element] { elements.withLock { $0 } }

    func add(_ element: Element?) {
        if let element { elements.withLock { $0.append(element) } }
    }
}

extension HTTPTransport.Configuration {
    /// Untouched by the environment of whoever runs the tests.
    static func isolated(
        perHost: Int = 1_000,
        waiting: Int = 10_000,
        offersHTTP2: Bool = HTTPTransport.Configuration.isHTTP2Safe
    ) -> HTTPTransport.Configuration {
        HTTPTransport.Configuration(
            connectionsPerHostMax: perHost,
            waitingMax: waiting,
            proxyFromEnvironment: false,
            offersHTTP2: offersHTTP2
        )
    }
}

/// Runs `body` with a client on a loop of its own; every call must have ended by itself when it returns.
func withClient(
    _ configuration: HTTPTransport.Configuration = .isolated(),
    _ body: (HTTPClient) async throws -> Void
) async throws {
    let loop = try EventLoop(name: "http test")
    let client = try HTTPClient(loop: loop, configuration: configuration)
    do {
        try await body(client)
        #expect(await client.callsInFlight == 0)
        await client.shutDown()
    } catch {
        await client.shutDown()
        Issue.record(error)
    }
    loop.shutDown()
    await loop.ended()
}

/// Runs `body` with a driver on a loop of its own.
func withDriver(
    _ configuration: HTTPTransport.Configuration = .isolated(),
    _ body: (Driver) async throws -> Void
) async throws {
    let loop = try EventLoop(name: "http test")
    let driver = try Driver(loop, configuration)
    do {
        try await body(driver)
    } catch {
        Issue.record(error)
    }
    await driver.run { $0.shutDown() }
    loop.shutDown()
    await loop.ended()
}

/// The error a call ends with; records an issue when it ends well.
func failure(of request: HTTPRequest, _ client: HTTPClient) async -> TransportError? {
    do throws(TransportError) {
        let response = try await client.send(request)
        Issue.record("answered \(response.status), expected an error")
        return nil
    } catch {
        return error
    }
}

/// A POST with a small body.
func post(_ url: String, _ body: String = "{}", headers: [(String, String)] = []) -> HTTPRequest {
    HTTPRequest(method: .post, url: url, headers: headers, body: Bytes(body), http2: .never)
}
