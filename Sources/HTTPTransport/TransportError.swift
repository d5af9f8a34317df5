/// Why a call ended without a complete response, or why a transport could not be made.
public struct TransportError: Error, Sendable, CustomStringConvertible {
    /// What went wrong; the description is a bounded word, fit to be a label.
    public struct Code: Hashable, Sendable, CustomStringConvertible {
        private enum Kind: String {
            case nameLookup, connect, connectTimeout, tls, certificate, sendFailed, closedBeforeHead, closedMidBody
            case firstByteTimeout, silenceTimeout, totalTimeout, bodyTooLarge, headTooLarge, malformedResponse
            case badURL, badRequest, queueFull, outOfDescriptors, cancelled, `internal`
        }

        private let kind: Kind

        private init(_ kind: Kind) { self.kind = kind }

        /// The name of the server or of the proxy could not be looked up.
        public static var nameLookup: Code { Code(.nameLookup) }
        /// No connection: refused, unreachable, or the proxy would not make it.
        public static var connect: Code { Code(.connect) }
        /// Name lookup, connection and TLS took longer than ``HTTPRequest/connectTimeout``.
        public static var connectTimeout: Code { Code(.connectTimeout) }
        /// The TLS handshake failed.
        public static var tls: Code { Code(.tls) }
        /// The server's certificate is not trusted, or the trusted ones cannot be read. Trying again does not help.
        public static var certificate: Code { Code(.certificate) }
        /// The request could not be sent to its end.
        public static var sendFailed: Code { Code(.sendFailed) }
        /// The connection was closed or reset before the response's head was complete.
        public static var closedBeforeHead: Code { Code(.closedBeforeHead) }
        /// The connection was closed or reset within the response's body.
        public static var closedMidBody: Code { Code(.closedMidBody) }
        /// No byte of the response came within ``HTTPRequest/firstByteTimeout``.
        public static var firstByteTimeout: Code { Code(.firstByteTimeout) }
        /// The response paused for longer than ``HTTPRequest/silenceTimeout``.
        public static var silenceTimeout: Code { Code(.silenceTimeout) }
        /// The call took longer than ``HTTPRequest/totalTimeout``.
        public static var totalTimeout: Code { Code(.totalTimeout) }
        /// The body is larger than ``HTTPRequest/responseBodyBytesMax``.
        public static var bodyTooLarge: Code { Code(.bodyTooLarge) }
        /// The head is larger than ``HTTPRequest/responseHeaderBytesMax``.
        public static var headTooLarge: Code { Code(.headTooLarge) }
        /// What came is no HTTP, or its chunks or compression are broken.
        public static var malformedResponse: Code { Code(.malformedResponse) }
        /// The URL cannot be used.
        public static var badURL: Code { Code(.badURL) }
        /// A header field or the body cannot be sent as asked.
        public static var badRequest: Code { Code(.badRequest) }
        /// More calls wait than ``HTTPTransport/Configuration/waitingMax``.
        public static var queueFull: Code { Code(.queueFull) }
        /// No file descriptor was left on this side, so that nothing was sent.
        public static var outOfDescriptors: Code { Code(.outOfDescriptors) }
        /// The caller cancelled the call, or the transport was shut down.
        public static var cancelled: Code { Code(.cancelled) }
        /// This side failed, not the server: no memory is left, or libcurl refused an option.
        public static var `internal`: Code { Code(.internal) }

        public var description: String { kind.rawValue }
    }

    /// What went wrong.
    public var code: Code

    /// What the transport said, bare; no header and no body of ours is in it.
    public var message: String

    /// libcurl's result, when libcurl was the one to give up.
    public var curlCode: Int?

    /// Status of the response, when its head had come.
    public var status: Int?

    /// True when at least one byte of a response had come.
    public var bytesReceived: Bool

    /// How far the call came. ``HTTPPhases/requestSent`` tells whether the server may have acted on it.
    public var phases: HTTPPhases

    /// Describes a failed call.
    public init(
        code: Code,
        message: String,
        curlCode: Int? = nil,
        status: Int? = nil,
        bytesReceived: Bool = false,
        phases: HTTPPhases = HTTPPhases()
    ) {
        self.code = code
        self.message = message
        self.curlCode = curlCode
        self.status = status
        self.bytesReceived = bytesReceived
        self.phases = phases
    }

    /// True when the way to the server failed, rather than the server, the request or the time it took.
    public var isConnectionLevel: Bool {
        let connectionLevel: [Code] = [
            .nameLookup, .connect, .connectTimeout, .tls, .sendFailed, .closedBeforeHead, .closedMidBody,
        ]
        return connectionLevel.contains(code)
    }

    /// True when no connection came about, whoever is to blame.
    var isFailureToConnect: Bool {
        let failures: [Code] = [.nameLookup, .connect, .connectTimeout, .tls, .certificate]
        return !phases.requestSent && failures.contains(code)
    }

    public var description: String {
        let detail = curlCode.map { " [libcurl \($0)]" } ?? ""
        return "\(code): \(message)\(detail)"
    }
}
