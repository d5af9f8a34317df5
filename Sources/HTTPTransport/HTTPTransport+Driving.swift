import CCurl
import CoreTypes
import EventLoop
import Glibc

// Between the event loop and libcurl: readiness and timers go in, ended transfers come out.
extension HTTPTransport {
    /// Most handlers told in one go, so that handlers that start calls which fail at once cannot hold the loop.
    private static let toldPerTurnMax = 256

    /// Watches, changes or releases a socket (`interest` nil); the error when the loop cannot watch it.
    func watch(
        _ socket: CInt,
        _ interest: Interest?,
        carriesRequest: Bool,
        isPaused: Bool = false,
        for pool: ConnectionPool
    ) -> SystemError? {
        guard let interest else {
            let stays = sockets.released(socket, carriedRequest: carriesRequest, isPaused: isPaused)
            if !stays { unwatch(socket) }
            return nil
        }
        if sockets.isWatched(socket) {
            loop.update(socket, interest)
        } else {
            do throws(SystemError) {
                try loop.watch(socket, interest) { [self] in happened($0, on: socket, of: pool) }
            } catch {
                return error
            }
        }
        sockets.wanted(socket, interest, carriesRequest: carriesRequest)
        return nil
    }

    private func happened(_ readiness: Readiness, on socket: CInt, of pool: ConnectionPool) {
        // Closed by its peer, nearly always; libcurl finds out when the next call begins in this pool.
        guard !sockets.isIdle(socket) else {
            // Those that know HTTP/2 well enough see to it themselves.
            if !configuration.offersHTTP2 { Self.spend(socket) }
            poolChoice.noteClosed(in: pool.index)
            return unwatch(socket)
        }
        var events: CInt = 0
        if !readiness.isDisjoint(with: [.read, .hangUp]) { events |= CURL_CSELECT_IN }
        if readiness.contains(.write) { events |= CURL_CSELECT_OUT }
        if readiness.contains(.error) { events |= CURL_CSELECT_ERR }
        act(in: pool, socket: socket, events: events)
    }

    /// Makes libcurl find a kept connection dead on which its peer has closed or sent what nobody asked for.
    ///
    /// libcurl looks for a byte to read, and takes a connection that has one for alive (7.88, `ossl_check_cxn` and
    /// `cf_socket_is_alive`; from 8.1 on it rejects such a one). Over TLS every orderly end has one, the close_notify in
    /// front of it. A request that went there would be lost, for it is not sent a second time.
    private static func spend(_ socket: CInt) {
        shutdown(socket, CInt(SHUT_RD))
        var waste = [UInt8](repeating: 0, count: 4096)
        for _ in 0..<64 {
            guard unsafe recv(socket, &waste, waste.count, CInt(MSG_DONTWAIT)) > 0 else { return }
        }
    }

    private func unwatch(_ socket: CInt) {
        guard sockets.isWatched(socket) else { return }
        loop.unwatch(socket)
        sockets.unwatched(socket)
    }

    /// A connection's socket was made; the error when the loop cannot watch it.
    func opened(_ socket: CInt, for pool: ConnectionPool) -> SystemError? {
        let interest = sockets.interest(in: socket)
        // Of an earlier owner of the number.
        unwatch(socket)
        sockets.opened(socket)
        return interest.flatMap { watch(socket, $0, carriesRequest: false, for: pool) }
    }

    /// A connection is over: closes its socket.
    func close(_ socket: CInt) -> CInt {
        unwatch(socket)
        sockets.closed(socket)
        return Glibc.close(socket)
    }

    /// Lets libcurl work on a socket, or on its timers, and then sees to what came of it.
    func act(in pool: ConnectionPool, socket: curl_socket_t, events: CInt) {
        isInsideLibrary = true
        pool.act(socket: socket, events: events)
        isInsideLibrary = false
        settle()
    }

    /// Does what was postponed, collects ended transfers, tells handlers and admits waiting calls.
    func settle() {
        guard !isSettling else { return }
        isSettling = true
        guard !isShutDown else {
            // Only the handlers of calls that were started too late are left.
            postponed = []
            tellHandlers(atMost: Self.toldPerTurnMax)
            isSettling = false
            if !ended.isEmpty { settleSoon() }
            return
        }
        let commands = postponed
        postponed = []
        var mustShutDown = false
        for command in commands {
            switch command {
            case .cancel(let call): end(call, call.error(.cancelled, "the call was cancelled"))
            case .resume(let call): resumeNow(call)
            case .shutDown: mustShutDown = true
            }
        }
        collect()
        tellHandlers(atMost: Self.toldPerTurnMax)
        if !mustShutDown { admit() }
        isSettling = false
        if mustShutDown {
            shutDownNow()
        } else if !postponed.isEmpty || !ended.isEmpty {
            settleSoon()
        }
    }

    /// Tells the handlers of ended calls.
    func tellHandlers(atMost limit: Int = .max) {
        let batch = ended.prefix(limit)
        ended.removeFirst(batch.count)
        for (call, result) in batch { call.handler.ended(result, for: call) }
    }

    /// Gives libcurl the calls that may run now.
    func admit() {
        while let id = queue.admitNext() {
            guard let call = calls[id] else { preconditionFailure("a call that is not in flight was admitted") }
            run(call)
        }
        if !ended.isEmpty { settleSoon() }
    }

    /// Gives a call to libcurl; its clocks start.
    func run(_ call: HTTPCall) {
        guard let easy = takeHandle() else {
            queue.endLookup(origin: call.origin)
            queue.finish(origin: call.origin)
            call.stage = .ended
            calls[ObjectIdentifier(call)] = nil
            ended.append((call, .failure(call.error(.internal, "curl_easy_init found no memory"))))
            return
        }
        let now = loop.now()
        call.phases.queued = call.queuedAt.duration(to: now)
        call.startedAt = now
        call.timers = CallTimers(call.request, startedAt: now)
        let pool = takePool(for: call)
        call.stage = .running(easy, in: pool)
        do throws(TransportError) {
            call.mustStartAnew = false
            call.isSharing = call.mayShare && http2Origins.contains(call.origin)
            try easy.prepare(for: call, configuration)
            try pool.add(easy)
        } catch {
            end(call, call.error(error.code, error.message, curlCode: error.curlCode))
            return
        }
        armTimer(of: call)
    }

    /// Ends the transfers libcurl has finished with.
    private func collect() {
        for pool in pools {
            while let (call, result) = pool.nextEnded() { end(call, with: result) }
        }
    }

    /// Ends a call with libcurl's own result.
    private func end(_ call: HTTPCall, with result: CURLcode) {
        guard let easy = call.easy else { return }
        if call.mustStartAnew {
            stopSharing(call.origin)
            if call.mustStartAnew { startAnew(call) }
            return
        }
        end(call, call.failure(of: result, message: easy.message(for: result)))
    }

    /// Ends a call, well if there is no error: takes it out of the queue or out of libcurl. Its handler is told later.
    func end(_ call: HTTPCall, _ error: TransportError?) {
        switch call.stage {
        case .ended:
            return
        case .waiting:
            guard queue.remove(ObjectIdentifier(call), origin: call.origin) else {
                preconditionFailure("a waiting call is not in the queue")
            }
            call.phases.queued = call.queuedAt.duration(to: loop.now())
        case .running(let easy, let pool):
            // What libcurl knows of the transfer is gone once the handle is reset.
            easy.read(into: &call.phases)
            let spokeHTTP2 = call.mayShare ? easy.spokeHTTP2 : nil
            call.phases.total = call.startedAt?.duration(to: loop.now()) ?? .zero
            // From here on the callbacks take nothing more.
            call.stage = .ended
            leave(pool, easy, call, leavesConnection: error == nil)
            if let timer = call.timer { loop.cancel(timer) }
            call.timer = nil
            call.endLookup()
            queue.finish(origin: call.origin)
            if call.mayShare { learn(from: call, spokeHTTP2: spokeHTTP2, error) }
            staleOrigins.note(error, reused: call.phases.reusedConnection, origin: call.origin, now: loop.now())
        }
        call.stage = .ended
        calls[ObjectIdentifier(call)] = nil
        if var error {
            error.phases = call.phases
            ended.append((call, .failure(error)))
        } else {
            ended.append((call, .success(call.phases)))
        }
    }

    /// Sets the one timer of a call to what runs out next. Bytes that arrive only move the limits, not the timer: when
    /// it fires too early it is set again.
    private func armTimer(of call: HTTPCall) {
        guard let next = call.timers?.next, next.at < .distantFuture else { return }
        call.timer = loop.schedule(at: next.at) { [self, unowned call] in
            call.timer = nil
            timerFired(of: call)
        }
    }

    private func timerFired(of call: HTTPCall) {
        guard let timers = call.timers, let next = timers.next else { return }
        if next.at > loop.now() { return armTimer(of: call) }
        if next.code == .connectTimeout, call.isWaitingForAnother { return stopWaiting(call) }
        end(call, call.error(next.code, timers.message(for: next.code)))
        settle()
    }

    /// Takes up a paused call.
    func resumeNow(_ call: HTTPCall) {
        guard call.isPaused, let easy = call.easy else { return }
        call.isPaused = false
        call.timers?.resumed(at: loop.now())
        isInsideLibrary = true
        let result = unsafe curl_easy_pause(easy.pointer, CURLPAUSE_CONT)
        isInsideLibrary = false
        if result != CURLE_OK { end(call, with: result) }
        if let timer = call.timer { loop.cancel(timer) }
        if !call.hasEnded { armTimer(of: call) }
        settleSoon()
    }
}
