import CCurl
import CoreTypes
import EventLoop

/// One multi handle of libcurl: some calls, and the connections that they use one after the other.
@safe
final class ConnectionPool {
    /// Its number in ``PoolChoice``.
    let index: Int
    private unowned let transport: HTTPTransport
    /// Nil while it has neither calls nor connections.
    private var multi: UnsafeMutableRawPointer?
    private var timer: TimerID?
    private var closingTimer: TimerID?
    private var emptySince: Moment?

    init(_ index: Int, of transport: HTTPTransport) {
        self.index = index
        self.transport = transport
    }

    /// Gives libcurl a call.
    ///
    /// - Throws: ``TransportError/Code/internal`` when libcurl finds no memory.
    func add(_ easy: EasyHandle) throws(TransportError) {
        emptySince = nil
        let result = unsafe curl_multi_add_handle(try open(), easy.pointer)
        guard result == CURLM_OK else {
            let words = unsafe String(cString: curl_multi_strerror(result))
            throw TransportError(code: .internal, message: "curl_multi_add_handle: \(words)")
        }
    }

    /// Takes a call out; its connection is closed unless the call had come to its end. One that is not in is left alone.
    func remove(_ easy: EasyHandle) {
        if let multi = unsafe multi { unsafe _ = curl_multi_remove_handle(multi, easy.pointer) }
    }

    /// Lets libcurl work on a socket, or on its timers. To be followed by ``nextEnded()``.
    func act(socket: curl_socket_t, events: CInt) {
        guard let multi = unsafe multi else { return }
        var running: CInt = 0
        unsafe _ = curl_multi_socket_action(multi, socket, events, &running)
    }

    /// The next call that libcurl has finished with, and its result.
    func nextEnded() -> (call: HTTPCall, result: CURLcode)? {
        guard let multi = unsafe multi else { return nil }
        var left: CInt = 0
        while let message = unsafe curl_multi_info_read(multi, &left) {
            guard unsafe message.pointee.msg == CURLMSG_DONE, let easy = unsafe message.pointee.easy_handle else {
                continue
            }
            guard let call = unsafe callOf(easy) else {
                preconditionFailure("libcurl finished a transfer that belongs to no call")
            }
            return (call, unsafe ccurl_message_result(message))
        }
        return nil
    }

    /// Calls the library when it asked to be called.
    func setTimer(milliseconds: Int?) {
        let loop = transport.loop
        if let timer { loop.cancel(timer) }
        timer = milliseconds.map { delay in
            loop.schedule(at: loop.now().advanced(by: .milliseconds(delay))) { [self] in
                timer = nil
                transport.act(in: self, socket: CURL_SOCKET_TIMEOUT, events: 0)
            }
        }
    }

    /// The last call has left. When no other comes while its connections can still be used, they are closed: libcurl by
    /// itself would keep them until the next call, whatever their servers did.
    func becameEmpty() {
        emptySince = transport.loop.now()
        if closingTimer == nil { armClosing() }
    }

    private func armClosing() {
        guard let emptySince else { return }
        let end = emptySince.advanced(by: transport.configuration.idlePoolTime)
        closingTimer = transport.loop.schedule(at: end) { [self] in
            closingTimer = nil
            guard let emptySince = self.emptySince else { return }
            guard emptySince.advanced(by: transport.configuration.idlePoolTime) <= transport.loop.now() else {
                return armClosing()
            }
            close()
            transport.closed(self)
        }
    }

    /// Closes all connections. Its calls must have been removed.
    func close() {
        if let multi = unsafe multi { unsafe _ = curl_multi_cleanup(multi) }
        unsafe multi = nil
        for pending in [timer, closingTimer] {
            if let pending { transport.loop.cancel(pending) }
        }
        timer = nil
        closingTimer = nil
        emptySince = nil
    }

    private func open() throws(TransportError) -> UnsafeMutableRawPointer {
        if let multi = unsafe multi { return unsafe multi }
        guard let multi = unsafe curl_multi_init() else {
            throw TransportError(code: .internal, message: "curl_multi_init found no memory")
        }
        unsafe self.multi = multi
        let address = unsafe Unmanaged.passUnretained(self).toOpaque()
        unsafe _ = ccurl_multi_set_pointer(multi, CURLMOPT_SOCKETDATA, address)
        unsafe _ = ccurl_multi_set_socket_function(multi, socketCallback)
        unsafe _ = ccurl_multi_set_pointer(multi, CURLMOPT_TIMERDATA, address)
        unsafe _ = ccurl_multi_set_timer_function(multi, timerCallback)
        let connectionsMax = transport.configuration.connectionsPerPoolMax
        unsafe _ = ccurl_multi_set_long(multi, CURLMOPT_MAXCONNECTS, connectionsMax)
        // There are no more calls in a pool than this. So no call waits for it: what makes room is the oldest connection
        // that is kept for nobody, perhaps of another origin.
        unsafe _ = ccurl_multi_set_long(multi, CURLMOPT_MAX_TOTAL_CONNECTIONS, connectionsMax)
        return unsafe multi
    }

    /// What libcurl wants to be told about a socket; the error when the loop cannot watch it.
    func watch(_ socket: CInt, _ interest: Interest?, carriesRequest: Bool, isPaused: Bool) -> SystemError? {
        transport.watch(socket, interest, carriesRequest: carriesRequest, isPaused: isPaused, for: self)
    }
}
