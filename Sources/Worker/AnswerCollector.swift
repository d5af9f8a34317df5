import CoreTypes
import EventLoop
import HTTPTransport

/// Gathers a provider's answer. On the loop's thread.
///
/// The head of an error says most of it: the status, and when to come back. If the rest is late, broken or endless, the
/// error counts with as much of its body as came, so that a 401 is no broken connection and a named wait is kept.
final class AnswerCollector: HTTPCallHandler {
    /// How long the body of an error may take.
    static let errorBodyPatience: Duration = .seconds(5)
    /// Most bytes of an error's body; more is not searched.
    static let errorBodyBytesMax = 256 << 10
    /// Most bytes reserved on the word of a `Content-Length`.
    private static let reservedMax = 256 << 10

    private let transport: HTTPTransport
    private let loop: EventLoop
    private let completion: (Result<HTTPResponse, TransportError>) -> Void
    private var head: HTTPResponseHead?
    private var body: [UInt8] = []
    private var timer: TimerID?
    /// We ended the call because enough of an error is here.
    private var isCut = false

    /// - Parameter completion: Called exactly once.
    init(
        _ transport: HTTPTransport,
        on loop: EventLoop,
        completion: @escaping (Result<HTTPResponse, TransportError>) -> Void
    ) {
        self.transport = transport
        self.loop = loop
        self.completion = completion
    }

    func received(_ head: HTTPResponseHead, for call: HTTPCall) {
        self.head = head
        if isError {
            timer = loop.schedule(at: loop.now().advanced(by: Self.errorBodyPatience)) { self.cut(call) }
        } else if let length = head.header("content-length").flatMap({ Int($0) }), length > 0 {
            body.reserveCapacity(min(length, Self.reservedMax))
        }
    }

    func received(_ bytes: RawSpan, for call: HTTPCall) -> BodyFlow {
        unsafe bytes.withUnsafeBytes { unsafe body.append(contentsOf: $0) }
        if isError, body.count >= Self.errorBodyBytesMax { cut(call) }
        return .proceed
    }

    func ended(_ result: Result<HTTPPhases, TransportError>, for call: HTTPCall) {
        if let timer { loop.cancel(timer) }
        timer = nil
        switch result {
        case .success(let phases):
            guard let head else { preconditionFailure("a call succeeded without a head") }
            completion(.success(HTTPResponse(head: head, body: body, phases: phases)))
        case .failure(let error):
            if let head, isError, isCut || error.code != .cancelled {
                completion(.success(HTTPResponse(head: head, body: body, phases: error.phases)))
            } else {
                completion(.failure(error))
            }
        }
    }

    private var isError: Bool { head.map { !(200...299).contains($0.status) } ?? false }

    private func cut(_ call: HTTPCall) {
        guard !isCut else { return }
        isCut = true
        transport.cancel(call)
    }
}
