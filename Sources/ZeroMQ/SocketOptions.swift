import CZeroMQ

/// Options that a socket gets before it binds or connects; nil leaves libzmq's default.
///
/// There is no way to set ZMTP heartbeats: libzmq 4.3.4 aborts a connecting process whose reader falls behind, and
/// drops healthy peers of a bound one (libzmq issues 3937 and 4767). The protocol has beats of its own.
public struct SocketOptions: Sendable {
    /// How long unsent messages live after `close`. Never unlimited.
    public var linger: Duration = .zero

    /// Messages queued per peer towards it; 0 is unlimited.
    public var sendQueueMax: Int?

    /// Messages queued per peer from it; 0 is unlimited.
    public var receiveQueueMax: Int?

    /// Bytes per received frame; a peer that sends a larger one is disconnected.
    public var frameBytesMax: Int?

    /// How long a peer may take for the ZMTP handshake.
    public var handshakeTimeout: Duration?

    /// Connections that wait to be accepted.
    public var backlog: Int?

    /// Size of the kernel's send buffer in bytes.
    public var sendBufferBytes: Int?

    /// ROUTER: report an unknown or full peer instead of dropping silently.
    public var reportsUnroutable: Bool?

    /// DEALER, REQ: queue only to peers whose connection is complete.
    public var connectedPeersOnly: Bool?

    /// First wait before a lost connection is tried again.
    public var reconnectInterval: Duration?

    /// Longest wait before a lost connection is tried again.
    public var reconnectIntervalMax: Duration?

    /// The id under which a ROUTER sees this socket. For tests: chosen ids can be taken over or parked.
    public var routingID: [UInt8]?

    /// REQ: match replies to requests by an id in the envelope.
    public var correlatesRequests: Bool?

    /// XPUB: pass on every subscription, not only the first of a topic.
    public var reportsEverySubscription: Bool?

    /// XPUB: what each new subscriber gets first, if it subscribed to a prefix of it.
    public var welcomeMessage: [UInt8]?

    /// Names the ZAP domain, which makes libzmq ask a ZAP handler about every peer.
    public var authenticationDomain: String?

    /// A listening descriptor to bind to, passed in by socket activation. Becomes libzmq's.
    public var listeningDescriptor: CInt?

    /// libzmq's defaults, but for the linger of 0.
    public init() {}

    /// A ROUTER of the broker. The real limits on queues are the broker's; a frame may be twice the protocol's limit,
    /// so that too large a body gets an answer instead of a disconnect.
    public static var broker: SocketOptions {
        var options = SocketOptions()
        options.linger = .seconds(1)
        options.sendQueueMax = 10_000
        options.receiveQueueMax = 10_000
        options.frameBytesMax = 16 << 20
        options.handshakeTimeout = .seconds(5)
        options.backlog = 1024
        options.reportsUnroutable = true
        return options
    }

    /// The XPUB that telemetry leaves by.
    public static var publisher: SocketOptions {
        var options = SocketOptions()
        options.sendQueueMax = 10_000
        options.frameBytesMax = 16 << 10
        options.handshakeTimeout = .seconds(5)
        options.backlog = 1024
        options.sendBufferBytes = 1 << 20
        options.reportsEverySubscription = true
        return options
    }

    /// A DEALER or REQ of an agent.
    public static var agent: SocketOptions {
        var options = SocketOptions()
        options.frameBytesMax = 16 << 20
        options.connectedPeersOnly = true
        options.reconnectInterval = .milliseconds(100)
        options.reconnectIntervalMax = .seconds(2)
        return options
    }

    /// A DEALER of a worker: what it receives is bounded by the credit it gives, and a broker that comes back has open
    /// requests for it, so that it looks for one more often than an agent does.
    public static var worker: SocketOptions {
        var options = agent
        options.receiveQueueMax = 0
        options.reconnectIntervalMax = .milliseconds(250)
        return options
    }

    /// A SUB of a telemetry reader.
    public static var subscriber: SocketOptions {
        var options = SocketOptions()
        options.receiveQueueMax = 10_000
        options.frameBytesMax = 16 << 20
        options.reconnectInterval = .milliseconds(100)
        options.reconnectIntervalMax = .seconds(2)
        return options
    }
}

extension SocketOptions {
    /// Sets what is not nil on a new socket.
    func apply(to socket: Socket) throws(ZeroMQError) {
        try socket.set(ZMQ_LINGER, "ZMQ_LINGER", milliseconds: linger)
        try socket.set(ZMQ_SNDHWM, "ZMQ_SNDHWM", sendQueueMax)
        try socket.set(ZMQ_RCVHWM, "ZMQ_RCVHWM", receiveQueueMax)
        if let frameBytesMax {
            let bytes = Int64(frameBytesMax)
            try socket.set(ZMQ_MAXMSGSIZE, "ZMQ_MAXMSGSIZE", value: bytes, "\(bytes)")
        }
        try socket.set(ZMQ_HANDSHAKE_IVL, "ZMQ_HANDSHAKE_IVL", milliseconds: handshakeTimeout)
        try socket.set(ZMQ_BACKLOG, "ZMQ_BACKLOG", backlog)
        try socket.set(ZMQ_SNDBUF, "ZMQ_SNDBUF", sendBufferBytes)
        try socket.set(ZMQ_ROUTER_MANDATORY, "ZMQ_ROUTER_MANDATORY", reportsUnroutable.map { $0 ? 1 : 0 })
        try socket.set(ZMQ_IMMEDIATE, "ZMQ_IMMEDIATE", connectedPeersOnly.map { $0 ? 1 : 0 })
        try socket.set(ZMQ_RECONNECT_IVL, "ZMQ_RECONNECT_IVL", milliseconds: reconnectInterval)
        try socket.set(ZMQ_RECONNECT_IVL_MAX, "ZMQ_RECONNECT_IVL_MAX", milliseconds: reconnectIntervalMax)
        try socket.set(ZMQ_ROUTING_ID, "ZMQ_ROUTING_ID", bytes: routingID)
        try socket.set(ZMQ_REQ_CORRELATE, "ZMQ_REQ_CORRELATE", correlatesRequests.map { $0 ? 1 : 0 })
        try socket.set(ZMQ_XPUB_VERBOSE, "ZMQ_XPUB_VERBOSE", reportsEverySubscription.map { $0 ? 1 : 0 })
        try socket.set(ZMQ_XPUB_WELCOME_MSG, "ZMQ_XPUB_WELCOME_MSG", bytes: welcomeMessage)
        try socket.set(ZMQ_ZAP_DOMAIN, "ZMQ_ZAP_DOMAIN", bytes: authenticationDomain.map { Array($0.utf8) })
        try socket.set(ZMQ_USE_FD, "ZMQ_USE_FD", listeningDescriptor.map { Int($0) })
    }
}

extension Socket {
    fileprivate func set(_ option: CInt, _ name: String, _ value: Int?) throws(ZeroMQError) {
        guard let value else { return }
        guard let number = CInt(exactly: value) else {
            throw ZeroMQError(call: "zmq_setsockopt", errno: EINVAL, context: "\(name) \(value)")
        }
        try set(option, name, value: number, "\(value)")
    }

    fileprivate func set(_ option: CInt, _ name: String, milliseconds duration: Duration?) throws(ZeroMQError) {
        guard let duration else { return }
        let milliseconds = duration / .milliseconds(1)
        guard milliseconds >= 0, milliseconds <= Double(CInt.max) else {
            throw ZeroMQError(call: "zmq_setsockopt", errno: EINVAL, context: "\(name) \(duration)")
        }
        try set(option, name, value: CInt(milliseconds.rounded(.up)), "\(duration)")
    }

    fileprivate func set<Value: BitwiseCopyable>(
        _ option: CInt,
        _ name: String,
        value: Value,
        _ text: @autoclosure () -> String
    ) throws(ZeroMQError) {
        let result = unsafe withUnsafeBytes(of: value) { bytes in
            unsafe zmq_setsockopt(handle, option, bytes.baseAddress, bytes.count)
        }
        guard result == 0 else { throw .last("zmq_setsockopt", "\(name) \(text())") }
    }

    func set(_ option: CInt, _ name: String, bytes: [UInt8]?) throws(ZeroMQError) {
        guard let bytes else { return }
        let result = unsafe bytes.withUnsafeBytes { buffer in
            unsafe zmq_setsockopt(handle, option, buffer.baseAddress, buffer.count)
        }
        guard result == 0 else { throw .last("zmq_setsockopt", "\(name), \(bytes.count) bytes") }
    }
}
