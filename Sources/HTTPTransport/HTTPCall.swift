import CoreTypes
import EventLoop

/// One call: what ``HTTPTransport/start(_:handler:)`` gives back and the other methods take.
///
/// Belongs to the thread of its transport's loop.
public final class HTTPCall {
    /// Where the call stands.
    enum Stage {
        /// In the transport's queue; next `running` or `ended`.
        case waiting
        /// With libcurl; next `ended`.
        case running(EasyHandle, in: ConnectionPool)
        /// Over.
        case ended
    }

    let request: HTTPRequest
    let handler: any HTTPCallHandler
    let origin: String
    let queuedAt: Moment
    unowned let transport: HTTPTransport
    /// When libcurl got the call; nil while it waits.
    var startedAt: Moment?
    var stage = Stage.waiting
    var phases = HTTPPhases()
    var timers: CallTimers?
    var timer: TimerID?
    var head: HeadParser
    var bodyBytes = 0
    var isPaused = false
    /// Why the last socket could not be made.
    var socketError: SystemError?
    /// Whether the call waits for a connection that another one is opening, to share it.
    var isSharing = false
    /// Whether the call began to open a connection of its own.
    var hasOpened = false
    /// Whether libcurl let the call open its own connection too late: it has to be given in again, with new clocks.
    var mustStartAnew = false
    private var isLookingUp = true
    /// Set when we, not libcurl, decided that the call fails: it then explains libcurl's result.
    var verdict: (code: TransportError.Code, message: String)?

    init(
        request: HTTPRequest,
        handler: any HTTPCallHandler,
        origin: String,
        transport: HTTPTransport,
        queuedAt: Moment
    ) {
        self.request = request
        self.handler = handler
        self.origin = origin
        self.transport = transport
        self.queuedAt = queuedAt
        head = HeadParser(bytesMax: request.responseHeaderBytesMax)
    }

    /// True once the call is over, even if its handler has still to be told.
    public var hasEnded: Bool {
        if case .ended = stage { return true }
        return false
    }

    /// Whether the call can share a connection at all: only TLS connections speak HTTP/2 here.
    var mayShare: Bool {
        transport.configuration.offersHTTP2 && request.http2 == .negotiate && isEncrypted
    }

    /// Whether it goes over TLS.
    var isEncrypted: Bool { origin.utf8.starts(with: "https:".utf8) }

    /// Whether nothing was done yet for this call alone.
    var isWaitingForAnother: Bool { isSharing && !hasOpened && !phases.requestSent && easy != nil }

    /// For how many seconds at most a connection may have been idle for this call; nil for no limit of its own.
    var idleSecondsMax: Int? { transport.staleOrigins.idleSecondsMax(origin: origin, now: transport.loop.now()) }

    var easy: EasyHandle? {
        if case .running(let easy, _) = stage { return easy }
        return nil
    }

    /// Tells the queue, once, that the address of the server is known, or not needed any more.
    func endLookup() {
        guard isLookingUp else { return }
        isLookingUp = false
        transport.queue.endLookup(origin: origin)
    }

    /// An error of this call as far as it has come.
    func error(_ code: TransportError.Code, _ message: String, curlCode: Int? = nil) -> TransportError {
        TransportError(
            code: code,
            message: message,
            curlCode: curlCode,
            status: head.completeHead?.status,
            bytesReceived: head.hasBytes,
            phases: phases
        )
    }
}
