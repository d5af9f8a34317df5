import CZeroMQ

/// A ZeroMQ socket. Belongs to one thread at a time; closed by ``close()`` or with the last reference.
///
/// No call blocks. Sending and receiving are in `Socket+Send.swift` and `Socket+Receive.swift`.
@safe public final class Socket {
    /// How a socket distributes what it sends and receives.
    public enum Kind: Sendable {
        case router, dealer, req, rep, pub, xpub, sub, xsub, pair

        var number: CInt {
            switch self {
            case .router: ZMQ_ROUTER
            case .dealer: ZMQ_DEALER
            case .req: ZMQ_REQ
            case .rep: ZMQ_REP
            case .pub: ZMQ_PUB
            case .xpub: ZMQ_XPUB
            case .sub: ZMQ_SUB
            case .xsub: ZMQ_XSUB
            case .pair: ZMQ_PAIR
            }
        }
    }

    /// How the socket distributes messages.
    public let kind: Kind

    /// Readable when libzmq has something to do for this socket: edge-triggered, see ``LoopSocket``. Never read from or
    /// close it.
    public let descriptor: CInt

    let context: Context

    /// nil after ``close()``; calls then fail with `ENOTSOCK`.
    private(set) var handle: UnsafeMutableRawPointer?

    /// A call was made that may have consumed the edge of ``descriptor``.
    var isTouched = true

    /// A multipart message is begun and not ended.
    var isMidMessage = false

    /// Makes a socket and sets its options.
    ///
    /// - Throws: ``ZeroMQError``: `EMFILE` when the context's or the system's limit is reached, `EINVAL` for an option
    ///   that the kind of socket does not have.
    public init(_ context: Context, _ kind: Kind, _ options: SocketOptions = SocketOptions()) throws(ZeroMQError) {
        guard let handle = unsafe zmq_socket(context.handle, kind.number) else { throw .last("zmq_socket", "\(kind)") }
        self.context = context
        self.kind = kind
        var descriptor: CInt = -1
        var size = MemoryLayout<CInt>.size
        guard unsafe zmq_getsockopt(handle, ZMQ_FD, &descriptor, &size) == 0 else {
            let failure = ZeroMQError.last("zmq_getsockopt", "ZMQ_FD")
            unsafe zmq_close(handle)
            throw failure
        }
        self.descriptor = descriptor
        unsafe self.handle = handle
        try options.apply(to: self)
    }

    deinit {
        close()
    }

    /// Closes the socket. Unsent messages live on for the linger of its options. Closing twice is no error.
    ///
    /// Detach a ``LoopSocket`` first.
    public func close() {
        guard let open = unsafe handle else { return }
        unsafe handle = nil
        unsafe zmq_socket_monitor(open, nil, 0)
        unsafe zmq_close(open)
    }

    /// Accepts connections at an endpoint, for example `ipc:///run/understudy/agents.sock`.
    ///
    /// For `ipc` libzmq unlinks whatever is at the path and takes it over: hold an ``EndpointLock`` first.
    public func bind(_ endpoint: String) throws(ZeroMQError) {
        isTouched = true
        guard unsafe zmq_bind(handle, endpoint) == 0 else { throw .last("zmq_bind", endpoint) }
    }

    /// Stops accepting at an endpoint and drops its connections. Give ``lastEndpoint`` as it was after `bind`.
    public func unbind(_ endpoint: String) throws(ZeroMQError) {
        isTouched = true
        guard unsafe zmq_unbind(handle, endpoint) == 0 else { throw .last("zmq_unbind", endpoint) }
    }

    /// Connects to an endpoint, and again whenever the connection is lost.
    ///
    /// Returns at once and says nothing of success: a missing file or a lack of permission shows in a ``Monitor`` only;
    /// ``Reachability`` tells them apart.
    public func connect(_ endpoint: String) throws(ZeroMQError) {
        isTouched = true
        guard unsafe zmq_connect(handle, endpoint) == 0 else { throw .last("zmq_connect", endpoint) }
    }

    /// Ends the connection to an endpoint and drops what waits for it.
    public func disconnect(_ endpoint: String) throws(ZeroMQError) {
        isTouched = true
        guard unsafe zmq_disconnect(handle, endpoint) == 0 else { throw .last("zmq_disconnect", endpoint) }
    }

    /// SUB: asks for messages whose first frame starts with `prefix`.
    public func subscribe(_ prefix: String) throws(ZeroMQError) {
        isTouched = true
        try set(ZMQ_SUBSCRIBE, "ZMQ_SUBSCRIBE \(prefix)", bytes: Array(prefix.utf8))
    }

    /// SUB: takes back one ``subscribe(_:)`` of the same prefix.
    public func unsubscribe(_ prefix: String) throws(ZeroMQError) {
        isTouched = true
        try set(ZMQ_UNSUBSCRIBE, "ZMQ_UNSUBSCRIBE \(prefix)", bytes: Array(prefix.utf8))
    }

    /// The endpoint of the last `bind`, with the port the system chose; or of the last `connect`.
    public func lastEndpoint() throws(ZeroMQError) -> String {
        // The longest is an ipc path of 107 bytes with its scheme.
        var text = [CChar](repeating: 0, count: 512)
        var size = text.count
        guard unsafe zmq_getsockopt(handle, ZMQ_LAST_ENDPOINT, &text, &size) == 0 else {
            throw .last("zmq_getsockopt", "ZMQ_LAST_ENDPOINT")
        }
        return String(decoding: text.prefix(max(0, size - 1)).map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }

    /// What the socket can do without blocking.
    public struct Events: OptionSet, Sendable {
        public let rawValue: CInt

        public init(rawValue: CInt) {
            self.rawValue = rawValue
        }

        /// A message can be received.
        public static let receive = Events(rawValue: 1)

        /// A message can be sent. Says nothing of a given peer of a ROUTER.
        public static let send = Events(rawValue: 2)
    }

    /// What the socket can do now. Consumes the edge of ``descriptor``.
    public func events() throws(ZeroMQError) -> Events {
        isTouched = true
        var events: CInt = 0
        var size = MemoryLayout<CInt>.size
        guard unsafe zmq_getsockopt(handle, ZMQ_EVENTS, &events, &size) == 0 else {
            throw .last("zmq_getsockopt", "ZMQ_EVENTS")
        }
        return Events(rawValue: events)
    }
}
