public import CoreTypes

/// One HTTP request with the limits that hold for its call.
///
/// The durations count from the moment the call leaves the transport's own queue: waiting for a free connection of
/// ours is never held against the server.
public struct HTTPRequest: Sendable {
    /// The methods the transport speaks.
    public enum Method: String, Sendable {
        case get = "GET"
        case head = "HEAD"
        case post = "POST"
    }

    /// Whether HTTP/2 may be spoken.
    public enum HTTP2: Sendable {
        /// HTTP/1.1 only.
        case never
        /// HTTP/2 where the transport offers it and a TLS server agrees to it by ALPN, else HTTP/1.1. Without TLS always
        /// HTTP/1.1.
        case negotiate
    }

    /// The method. Only a `post` carries a body.
    public var method: Method

    /// Absolute URL with the scheme `http` or `https` and no credentials in it.
    public var url: String

    /// Name and value of each header field, sent in this order.
    ///
    /// `Content-Length`, `Transfer-Encoding`, `Expect` and `Accept-Encoding` are the transport's own and are refused
    /// here. Together at most 64 KiB.
    public var headers: [(String, String)]

    /// The body. Bytes in foreign memory are sent from where they are; an array is copied once.
    public var body: Bytes

    /// Longest time for name lookup, connection and TLS together. Default 5 s.
    public var connectTimeout: Duration

    /// Longest time to the first byte of the response; nil means no such limit.
    public var firstByteTimeout: Duration?

    /// Longest silence between bytes of the response; does not run while the handler holds the body back. Nil means
    /// no such limit.
    public var silenceTimeout: Duration?

    /// Longest time of the whole call; nil means no such limit.
    public var totalTimeout: Duration?

    /// Most bytes of body, after decompression. Default 32 MiB.
    public var responseBodyBytesMax: Int

    /// Most bytes of status line, header fields and trailers, interim responses included. Default 64 KiB.
    public var responseHeaderBytesMax: Int

    /// Whether HTTP/2 may be spoken. Default ``HTTP2/negotiate``.
    public var http2: HTTP2

    /// Whether a connection that was kept must not be used. Default false.
    public var needsFreshConnection = false

    /// Makes a request; nothing is checked before ``HTTPTransport/start(_:handler:)``.
    public init(
        method: Method,
        url: String,
        headers: [(String, String)] = [],
        body: Bytes = .empty,
        connectTimeout: Duration = .seconds(5),
        firstByteTimeout: Duration? = nil,
        silenceTimeout: Duration? = nil,
        totalTimeout: Duration? = nil,
        responseBodyBytesMax: Int = 32 << 20,
        responseHeaderBytesMax: Int = 64 << 10,
        http2: HTTP2 = .negotiate
    ) {
        self.method = method
        self.url = url
        self.headers = headers
        self.body = body
        self.connectTimeout = connectTimeout
        self.firstByteTimeout = firstByteTimeout
        self.silenceTimeout = silenceTimeout
        self.totalTimeout = totalTimeout
        self.responseBodyBytesMax = responseBodyBytesMax
        self.responseHeaderBytesMax = responseHeaderBytesMax
        self.http2 = http2
    }
}
