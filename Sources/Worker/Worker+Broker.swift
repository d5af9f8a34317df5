import BusProtocol
import CoreTypes
import EventLoop
import ZeroMQ

// The socket to the broker.
extension Worker {
    func receive(_ message: Multipart) {
        let frames = ReceivedFrames(message: message)
        let time = time
        do throws(BusError) {
            inPlace.refill(with: message)
            let decoded = try BrokerMessage.decode(inPlace)
            var body = Bytes.empty
            if case .job = decoded { body = frames.takeBody() }
            decide { $0.receive(decoded, body: body, time, into: &$1) }
        } catch {
            let key = frames.keyOfJob
            decide { $0.receivedUnreadable(key, error, into: &$1) }
        }
    }

    /// Says what is due at the end of a turn; true when the socket was used.
    func finishTurn() -> Bool {
        let hasSent = sendUnsent()
        if session.needsReady {
            openSession()
            return true
        }
        guard let credit = session.takeCredit() else { return hasSent }
        _ = trySend(credit)
        return true
    }

    private func openSession() {
        // What is here now belongs to the session before; the core drops it.
        socket?.drain(limit: Self.staleMessagesMax)
        guard session.needsReady else { return }
        sendUnsent()
        let ready = session.ready(now: loop.now())
        if !trySend(ready) {
            decide { session, _ in session.readyFailed() }
            loop.schedule(at: loop.now().advanced(by: Self.pause)) { self.decide { session, _ in session.connected() } }
        }
        setTicker()
    }

    /// Sends at the end of the turn: all of it at once, because libzmq wakes its own thread for each message that finds
    /// it asleep.
    func send(_ message: OutgoingMessage) {
        unsent.append(message)
    }

    /// Sends what the inputs of this turn led to; true when there was something.
    @discardableResult
    func sendUnsent() -> Bool {
        guard !unsent.isEmpty else { return false }
        // Unsent means that the connection is gone; the monitor says so in a moment, and the next session repeats
        // what matters.
        for message in unsent { _ = trySend(message) }
        unsent.removeAll(keepingCapacity: unsent.count <= Self.unsentKept)
        return true
    }

    private func trySend(_ message: OutgoingMessage) -> Bool {
        guard let socket else { return false }
        let body = message.body
        do throws(ZeroMQError) {
            let socket = socket.socket
            guard try socket.send("UBP/1", more: true) == .sent else { return false }
            try socket.send(message.verb.bytes, more: true)
            try socket.send(message.id, more: true)
            try socket.send(message.header, more: !body.isEmpty)
            for index in body.indices { try socket.send(body[index], more: index < body.count - 1) }
            return true
        } catch {
            end(.failure(WorkerError(.socket, "cannot send to the broker: \(error)")))
            return false
        }
    }

    func connectionChanged(_ event: MonitorEvent) {
        switch event.kind {
        case .handshakeSucceeded:
            do throws(EndpointError) {
                try connector?.confirm()
            } catch {
                return end(.failure(Self.error(error)))
            }
            decide { session, _ in session.connected() }
        case .disconnected:
            // Belongs to the session that has just ended.
            unsent.removeAll()
            let time = time
            decide { $0.disconnected(time, into: &$1) }
            awaitBroker()
        default:
            break
        }
    }

    func joined() {
        if let patienceTimer { loop.cancel(patienceTimer) }
        patienceTimer = nil
        hasToldOfAbsence = false
        report(.joined)
    }

    /// Tells the operator, once in each absence, why there is no broker: libzmq keeps trying in silence.
    func awaitBroker() {
        guard patienceTimer == nil, !hasToldOfAbsence, result == nil else { return }
        patienceTimer = loop.schedule(at: loop.now().advanced(by: Self.patience)) {
            self.patienceTimer = nil
            guard !self.session.isOpen, let path = try? self.options.directory.socketPath("workers.sock") else {
                return
            }
            self.hasToldOfAbsence = true
            let reason = Reachability.check(path: path).explanation(path: path)
            self.report(.note("waiting for a broker: \(reason)"))
        }
    }
}
