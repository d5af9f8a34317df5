/// Gathers a whole response for ``HTTPTransport/start(_:collecting:)``.
final class ResponseCollector: HTTPCallHandler {
    /// Most bytes reserved on the word of a `Content-Length`.
    private static let reservedMax = 256 << 10

    private let completion: (Result<HTTPResponse, TransportError>) -> Void
    private var head: HTTPResponseHead?
    private var body: [UInt8] = []

    init(_ completion: @escaping (Result<HTTPResponse, TransportError>) -> Void) {
        self.completion = completion
    }

    func received(_ head: HTTPResponseHead, for call: HTTPCall) {
        self.head = head
        if let length = head.header("content-length").flatMap(Int.init), length > 0 {
            body.reserveCapacity(min(length, Self.reservedMax, call.request.responseBodyBytesMax))
        }
    }

    func received(_ bytes: RawSpan, for call: HTTPCall) -> BodyFlow {
        unsafe bytes.withUnsafeBytes { unsafe body.append(contentsOf: $0) }
        return .proceed
    }

    func ended(_ result: Result<HTTPPhases, TransportError>, for call: HTTPCall) {
        switch result {
        case .success(let phases):
            guard let head else { preconditionFailure("a call succeeded without a head") }
            completion(.success(HTTPResponse(head: head, body: body, phases: phases)))
        case .failure(let error):
            completion(.failure(error))
        }
    }
}

extension HTTPTransport {
    /// Starts a call and collects its body, up to ``HTTPRequest/responseBodyBytesMax``.
    ///
    /// - Parameter completion: Called exactly once, on the loop's thread, never before this returns.
    @discardableResult
    public func start(
        _ request: HTTPRequest,
        collecting completion: @escaping (Result<HTTPResponse, TransportError>) -> Void
    ) -> HTTPCall {
        start(request, handler: ResponseCollector(completion))
    }
}
