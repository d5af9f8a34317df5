import CCurl
import CoreTypes
public import EventLoop
import Glibc

/// Thousands of concurrent HTTP calls over libcurl's multi interface, driven by the caller's event loop.
///
/// Confined to the thread of its loop: make it anywhere, then use it only there. A call crosses no thread (only name
/// lookups run on threads of libcurl). One call sends at most one request: nothing is retried or redirected here.
@safe
public final class HTTPTransport {
    let loop: EventLoop
    let configuration: Configuration
    /// What all easy handles share: the addresses of names that were looked up.
    private var share: UnsafeMutableRawPointer?
    private(set) var pools: [ConnectionPool] = []
    var poolChoice: PoolChoice
    var queue: AdmissionQueue<ObjectIdentifier>
    /// Every call that has not ended: this keeps alive what libcurl has the address of.
    var calls: [ObjectIdentifier: HTTPCall] = [:]
    /// Calls that have ended and whose handlers have still to be told.
    var ended: [(call: HTTPCall, result: Result<HTTPPhases, TransportError>)] = []
    /// What handlers asked for while libcurl was at work; it must not be called from within itself.
    var postponed: [Postponed] = []
    var isInsideLibrary = false
    var isSettling = false
    var isShutDown = false
    var sockets = SocketTable()
    private var settleTimer: TimerID?
    var http2Origins = HTTP2Origins()
    var staleOrigins = StaleOrigins()
    private var origins = OriginReader()
    private var idleHandles: [EasyHandle] = []

    enum Postponed {
        case cancel(HTTPCall)
        case resume(HTTPCall)
        case shutDown
    }

    /// The result of `curl_global_init`, which must run once, before other threads.
    private static let libraryResult: CURLcode = {
        // OpenSSL writes to sockets without MSG_NOSIGNAL: a peer that closed would end the process.
        _ = signal(SIGPIPE, SIG_IGN)
        return curl_global_init(Int(CURL_GLOBAL_DEFAULT))
    }()

    /// Prepares libcurl and OpenSSL, and makes the process ignore SIGPIPE. First thing in `main`, before any thread is
    /// started; later calls do nothing.
    public static func initializeLibrary() {
        _ = libraryResult
    }

    /// Makes a transport that lives on `loop`.
    ///
    /// - Throws: ``TransportError/Code/internal`` when libcurl does not start.
    /// - Precondition: Every limit of `configuration` is at least 1.
    public init(loop: EventLoop, configuration: Configuration = Configuration()) throws(TransportError) {
        configuration.check()
        guard Self.libraryResult == CURLE_OK, let share = unsafe curl_share_init() else {
            throw TransportError(
                code: .internal,
                message: "libcurl does not start",
                curlCode: Int(Self.libraryResult.rawValue)
            )
        }
        self.loop = loop
        self.configuration = configuration
        // On one thread, which needs no locks.
        unsafe _ = ccurl_share_set_int(share, CURLSHOPT_SHARE, CInt(CURL_LOCK_DATA_DNS.rawValue))
        unsafe self.share = share
        poolChoice = PoolChoice(callsPerPoolMax: configuration.connectionsPerPoolMax)
        queue = AdmissionQueue(
            perOriginMax: configuration.connectionsPerHostMax,
            totalMax: configuration.connectionsMax,
            waitingMax: configuration.waitingMax,
            lookupsPerOriginMax: configuration.lookupsPerHostMax
        )
    }

    deinit {
        precondition(isShutDown, "an HTTPTransport was released without shutDown()")
    }

    /// Calls that have been started and have not ended, those that wait included.
    public var callsInFlight: Int { calls.count }

    /// Calls that wait for a connection of ours.
    public var callsWaiting: Int { queue.waiting }

    /// Starts a call. Whatever becomes of it, `handler` learns it later, never before this returns.
    @discardableResult
    public func start(_ request: HTTPRequest, handler: any HTTPCallHandler) -> HTTPCall {
        loop.checkIsolated()
        do throws(TransportError) {
            if isShutDown { throw TransportError(code: .cancelled, message: "the transport is shut down") }
            try request.check()
            let call = makeCall(request, handler, origin: try origins.origin(of: request.url))
            guard queue.add(ObjectIdentifier(call), origin: call.origin) else {
                throw TransportError(
                    code: .queueFull,
                    message: "\(queue.waiting) calls wait already, limit \(configuration.waitingMax)"
                )
            }
            calls[ObjectIdentifier(call)] = call
            if !isInsideLibrary && !isSettling { admit() }
            return call
        } catch {
            let call = makeCall(request, handler, origin: "")
            call.stage = .ended
            ended.append((call, .failure(error)))
            settleSoon()
            return call
        }
    }

    /// Ends a call: its connection is closed (an HTTP/2 stream is reset), and its handler learns
    /// ``TransportError/Code/cancelled``, later. One that has ended is left alone.
    public func cancel(_ call: HTTPCall) {
        loop.checkIsolated()
        if isInsideLibrary {
            postponed.append(.cancel(call))
        } else {
            end(call, call.error(.cancelled, "the call was cancelled"))
            settleSoon()
        }
    }

    /// Takes up the body of a call whose handler had answered ``BodyFlow/pause``; any other call is left alone.
    public func resume(_ call: HTTPCall) {
        loop.checkIsolated()
        if isInsideLibrary || isSettling {
            postponed.append(.resume(call))
            settleSoon()
        } else {
            resumeNow(call)
        }
    }

    /// Ends every call as ``cancel(_:)`` does, closes all connections and gives everything back. The handlers are told
    /// before this returns, or, when one of them called it, soon after. Calling it again does nothing.
    public func shutDown() {
        loop.checkIsolated()
        if isInsideLibrary || isSettling {
            postponed.append(.shutDown)
            settleSoon()
        } else {
            shutDownNow()
        }
    }

    private func makeCall(_ request: HTTPRequest, _ handler: any HTTPCallHandler, origin: String) -> HTTPCall {
        HTTPCall(request: request, handler: handler, origin: origin, transport: self, queuedAt: loop.now())
    }

    /// An easy handle, used before or new; nil when there is no memory.
    func takeHandle() -> EasyHandle? {
        unsafe idleHandles.popLast() ?? EasyHandle(share: share)
    }

    /// Keeps a handle for the next call.
    func giveBack(_ handle: EasyHandle) {
        handle.reset()
        if !isShutDown, idleHandles.count < Configuration.idleHandlesMax { idleHandles.append(handle) }
    }

    /// The pool in which a call begins.
    func takePool(for call: HTTPCall) -> ConnectionPool {
        let index = poolChoice.begin(origin: call.origin)
        if index == pools.count { pools.append(ConnectionPool(index, of: self)) }
        return pools[index]
    }

    /// A call leaves its pool.
    func leave(_ pool: ConnectionPool, _ easy: EasyHandle, _ call: HTTPCall, leavesConnection: Bool) {
        pool.remove(easy)
        poolChoice.end(pool.index, origin: call.origin, leavesConnection: leavesConnection)
        if poolChoice.isEmpty(pool.index) { pool.becameEmpty() }
        giveBack(easy)
    }

    /// A pool has closed its connections.
    func closed(_ pool: ConnectionPool) { poolChoice.forget(pool.index) }

    /// Lets what was put off happen in the loop's next turn.
    func settleSoon() {
        guard settleTimer == nil, !isInsideLibrary else { return }
        settleTimer = loop.schedule(at: loop.now()) { [self] in
            settleTimer = nil
            settle()
        }
    }

    /// Ends everything; see ``shutDown()``.
    func shutDownNow() {
        guard !isShutDown else { return }
        isShutDown = true
        for call in Array(calls.values) {
            end(call, call.error(.cancelled, "the transport was shut down"))
        }
        idleHandles.removeAll()
        for pool in pools { pool.close() }
        unsafe _ = curl_share_cleanup(share)
        unsafe share = nil
        for socket in sockets.watched { loop.unwatch(socket) }
        sockets = SocketTable()
        if let settleTimer { loop.cancel(settleTimer) }
        settleTimer = nil
        tellHandlers()
    }
}
