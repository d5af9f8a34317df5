public import EventLoop

/// A transport for callers that do not live on its loop: each call is awaited.
///
/// Call ``shutDown()`` before the last reference goes.
public actor HTTPClient {
    private nonisolated let loop: EventLoop
    private let transport: HTTPTransport
    private var calls: [UInt64: HTTPCall] = [:]
    private var lastNumber: UInt64 = 0

    public nonisolated var unownedExecutor: UnownedSerialExecutor { unsafe loop.asUnownedSerialExecutor() }

    /// Makes a client on `loop`.
    ///
    /// - Throws: ``TransportError/Code/internal`` when libcurl does not start.
    public init(
        loop: EventLoop,
        configuration: HTTPTransport.Configuration = HTTPTransport.Configuration()
    ) throws(TransportError) {
        self.loop = loop
        transport = try HTTPTransport(loop: loop, configuration: configuration)
    }

    /// Sends a request and waits for the whole response, of any status.
    ///
    /// - Throws: Why there is none; ``TransportError/Code/cancelled`` when the task was cancelled, which closes the
    ///   call.
    public func send(_ request: HTTPRequest) async throws(TransportError) -> HTTPResponse {
        lastNumber += 1
        let number = lastNumber
        let result: Result<HTTPResponse, TransportError> = await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                calls[number] = transport.start(request) { result in
                    self.assumeIsolated { $0.calls[number] = nil }
                    continuation.resume(returning: result)
                }
                if Task.isCancelled { cancel(number) }
            }
        } onCancel: {
            loop.execute { self.assumeIsolated { $0.cancel(number) } }
        }
        return try result.get()
    }

    /// Calls that have been started and have not ended.
    public var callsInFlight: Int { transport.callsInFlight }

    /// Ends every call and closes all connections.
    public func shutDown() {
        transport.shutDown()
    }

    private func cancel(_ number: UInt64) {
        if let call = calls[number] { transport.cancel(call) }
    }
}
