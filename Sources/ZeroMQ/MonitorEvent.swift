/// Something that happened to a connection or a listener of a socket.
public struct MonitorEvent: Hashable, Sendable {
    /// What happened. The name says what ``MonitorEvent/value`` is.
    public enum Kind: Hashable, Sendable {
        /// Connected to a peer; value: the descriptor.
        case connected
        /// A connection attempt goes on; value: 0 or an error number.
        case connectDelayed
        /// The next connection attempt is due; value: milliseconds until then.
        case connectRetried
        /// A listener is open; value: its descriptor.
        case listening
        /// A bind failed; value: the error number.
        case bindFailed
        /// A peer connected; value: its descriptor. What was known about the number is void.
        case accepted
        /// A peer could not be accepted; value: the error number. Descriptors may have run out.
        case acceptFailed
        /// A listener or an unfinished connection was closed; value: the descriptor.
        case closed
        /// Closing failed; value: the error number.
        case closeFailed
        /// A connection ended; value: the descriptor it had. Messages received before may still wait.
        case disconnected
        /// The socket was closed: nothing comes after this.
        case monitorStopped
        /// A peer spoke no proper ZMTP or none in time; value: an error number.
        case handshakeFailed
        /// A connection is ready for messages; value: 0, not the descriptor.
        case handshakeSucceeded
        /// A peer violated ZMTP; value: libzmq's protocol error.
        case handshakeProtocolFailed
        /// A peer was refused by ZAP; value: the status, for example 400.
        case handshakeRefused
        /// One that this libzmq knows and this code does not.
        case unknown(UInt16)

        init(number: UInt16) {
            switch number {
            case 0x0001: self = .connected
            case 0x0002: self = .connectDelayed
            case 0x0004: self = .connectRetried
            case 0x0008: self = .listening
            case 0x0010: self = .bindFailed
            case 0x0020: self = .accepted
            case 0x0040: self = .acceptFailed
            case 0x0080: self = .closed
            case 0x0100: self = .closeFailed
            case 0x0200: self = .disconnected
            case 0x0400: self = .monitorStopped
            case 0x0800: self = .handshakeFailed
            case 0x1000: self = .handshakeSucceeded
            case 0x2000: self = .handshakeProtocolFailed
            case 0x4000: self = .handshakeRefused
            default: self = .unknown(number)
            }
        }
    }

    /// What happened.
    public var kind: Kind

    /// A descriptor or an error number, see ``Kind``.
    public var value: CInt

    /// The endpoint it happened at.
    public var endpoint: String

    /// Makes an event of its parts.
    public init(kind: Kind, value: CInt, endpoint: String) {
        self.kind = kind
        self.value = value
        self.endpoint = endpoint
    }

    /// Reads the two frames of a monitor: `u16 event, u32 value` in this machine's byte order, and the endpoint.
    init?(_ message: Multipart) {
        guard message.frameCount == 2, message.byteCount(at: 0) == 6 else { return nil }
        let (number, value) = unsafe message.withBytes(at: 0) { bytes in
            unsafe (
                bytes.loadUnaligned(as: UInt16.self),
                bytes.loadUnaligned(fromByteOffset: 2, as: CInt.self)
            )
        }
        let endpoint = unsafe message.withBytes(at: 1) { unsafe String(decoding: $0, as: UTF8.self) }
        self.init(kind: Kind(number: number), value: value, endpoint: endpoint)
    }
}
