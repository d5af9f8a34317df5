import BusProtocol
import CoreTypes
import Dispatch
import EventLoop
import Journal
import ZeroMQ

/// From effects to sockets, store and telemetry.
extension BrokerService {
    /// How long after a worker's death its socket is read again before its requests go to others.
    private static var drainPause: Duration { .milliseconds(2) }
    /// How often a full pipe is tried again.
    private static var flushInterval: Duration { .milliseconds(10) }

    /// Lets the dispatcher decide and does what it says.
    func process(_ event: DispatchEvent, inHand: MessageInHand? = nil) {
        precondition(effects.isEmpty, "an effect led to another event before all were performed")
        dispatcher.handle(event, now: loop.now(), into: &effects)
        performEffects(inHand: inHand)
    }

    /// Performs what the dispatcher wants done.
    func performEffects(inHand: MessageInHand? = nil) {
        var batch: [DispatchEffect] = []
        swap(&batch, &effects)
        // Swapped out, because a copy would retain all that an effect holds.
        var effect = DispatchEffect.forget(JobNumber(0))
        for index in batch.indices {
            swap(&effect, &batch[index])
            perform(effect, inHand: inHand)
        }
        dispatcher.keptBytes = store.terminalBytes
        batch.removeAll(keepingCapacity: true)
        if effects.isEmpty { swap(&batch, &effects) }
        scheduleWake()
    }

    func perform(_ effect: DispatchEffect, inHand: MessageInHand?) {
        switch effect {
        case .answer(let path, let reply):
            answer(reply, to: path)
        case .answerSystem(let path, let snapshot):
            let document = snapshot.document(journalBytes: keptByteCount.map(Int64.init))
            answer(.document(snapshot.subject.id, Bytes(document)), to: path)
        case .sendTerminal(let path, let job, let id):
            guard let terminal = store.terminal(of: job) else { preconditionFailure("job \(job) has no terminal") }
            sendToAgent(
                path,
                terminal.outcome == .reply ? .reply : .failure,
                id: id.bytes,
                header: terminal.header,
                body: terminal.body
            )
        case .order(let connection, let message):
            let message = message.encoded()
            sendToWorker(
                connection,
                message.verb,
                id: message.id,
                header: Bytes(message.header),
                body: message.body
            )
        case .deliver(let connection, let key, let header):
            guard let body = store.body(of: key.job) else { preconditionFailure("job \(key.job) has no body") }
            sendToWorker(connection, .job, id: key.bytes, header: Bytes(header.encoded), body: body)
        case .keepRequest(let job, let key):
            guard let inHand else { preconditionFailure("no REQUEST in hand") }
            store.keepRequest(job, key, body: inHand.bodyFrames(from: 0))
        case .keepTerminal(let job):
            guard let inHand else { preconditionFailure("no terminal in hand") }
            keepTerminal(job, inHand)
        case .composeTerminal(let job, let failure):
            store.keepTerminal(job, failure.terminal)
        case .forget(let job):
            store.forget(job)
        case .drain(let connection):
            loop.schedule(at: loop.now().advanced(by: Self.drainPause)) {
                self.after({ $0.drainWorkers() }, then: { $0.process(.workerDrained(connection)) })
            }
        case .write(let ticket, let mark):
            write(mark, ticket)
        case .publish(let event):
            publish(event, inHand: inHand)
        }
    }

    private func keepTerminal(_ job: JobNumber, _ inHand: MessageInHand) {
        let isReply = unsafe inHand.frames.withFrame(inHand.body.lowerBound - 3) { verb in
            unsafe verb.elementsEqual(Verb.reply.bytes)
        }
        // F4 is the worker's record for telemetry; the agent's body begins behind it.
        store.keepTerminal(
            job,
            StoredTerminal(isReply ? .reply : .failure, header: inHand.header, body: inHand.bodyFrames(from: 1))
        )
    }

    private func publish(_ event: BusEvent, inHand: MessageInHand?) {
        guard let sockets else { return }
        var record: Bytes?
        switch event {
        case .requestEnded(let ending) where ending.brokerClass == nil: record = inHand?.record
        case .requestLate: record = inHand?.record
        case .workerJoined(let name, let pid, let capacity):
            log("worker \(name) joined: pid \(pid ?? 0), capacity \(capacity)")
        case .workerLeft(let name, let pid):
            log("worker \(name) left: pid \(pid ?? 0)")
        case .workerLost(let name, let pid, let reason, let requeued, let failed):
            log(
                "worker \(name) lost: pid \(pid ?? 0), \(reason.rawValue); requests requeued \(requeued), failed \(failed)"
            )
        case .requestAccepted, .requestRejected, .requestEnded, .deliveryLost, .taskEnded:
            break
        }
        sockets.events.publish(event.encoded(time: UnixClock.milliseconds(), record: record))
    }

    // MARK: - Sending

    func answer(_ reply: AgentReply, to path: AgentPath) {
        let message = reply.encoded()
        sendToAgent(path, message.verb, id: message.id, header: Bytes(message.header), body: message.body)
    }

    private func sendToAgent(_ path: AgentPath, _ verb: Verb, id: [UInt8], header: Bytes, body: [Bytes]) {
        unsentToAgents.append(UnsentMessage(path: path, verb: verb, id: id, header: header, body: body))
    }

    private func sendToWorker(_ connection: ConnectionID, _ verb: Verb, id: [UInt8], header: Bytes, body: [Bytes]) {
        let path = AgentPath(connection: connection)
        if verb != .acknowledge { hasUnsentOrder = true }
        unsentToWorkers.append(UnsentMessage(path: path, verb: verb, id: id, header: header, body: body))
    }

    /// Sends what the messages of this turn led to; true when there was something.
    ///
    /// All of it at once, because libzmq wakes its own thread for each message that finds it asleep, and orders to workers
    /// first: an agent waits for what they lead to.
    ///
    /// Nobody waits for telemetry, nor for the `ACK` of a terminal while no request waits for a worker. To be told by
    /// itself wakes two threads of a subscriber or worker, which for lone requests costs more than all else. So these go
    /// when there are many or a little later, and `ACK`s at the latest with the next order.
    func sendUnsent() -> Bool {
        guard let sockets else { return false }
        var hasSent = !unsentToAgents.isEmpty
        let mayWait = !hasUnsentOrder && unsentToWorkers.count < Self.lazyMax && dispatcher.counters.queued == 0
        if !mayWait, !unsentToWorkers.isEmpty {
            sendToWorkers(sockets)
            hasSent = true
        }
        sendToAgents(sockets)
        if sockets.events.unsentCount >= Self.lazyMax { sendEvents(sockets) }
        if lazyTimer == nil, !unsentToWorkers.isEmpty || sockets.events.unsentCount > 0 {
            lazyTimer = loop.schedule(at: loop.now().advanced(by: Self.lazyDelay)) {
                self.sendAll()
                self.lazyTimer = nil
            }
        }
        return hasSent
    }

    /// Sends everything, what can wait included.
    func sendAll() {
        guard let sockets else { return }
        sendToWorkers(sockets)
        sendToAgents(sockets)
        sendEvents(sockets)
    }

    private func sendToAgents(_ sockets: BrokerSockets) {
        for message in unsentToAgents { sendNow(toAgent: message, sockets) }
        unsentToAgents.removeAll(keepingCapacity: unsentToAgents.count <= Self.unsentKept)
    }

    private func sendToWorkers(_ sockets: BrokerSockets) {
        for message in unsentToWorkers { sendNow(toWorker: message, sockets) }
        unsentToWorkers.removeAll(keepingCapacity: unsentToWorkers.count <= Self.unsentKept)
        hasUnsentOrder = false
    }

    private func sendEvents(_ sockets: BrokerSockets) {
        attempt { () throws(ZeroMQError) in try sockets.events.sendUnsent() }
    }

    /// Most `ACK`s and events that wait, and how long.
    private static var lazyMax: Int { 256 }
    private static var lazyDelay: Duration { .milliseconds(5) }

    /// Messages for which room is kept from turn to turn.
    private static var unsentKept: Int { 4096 }

    private func sendNow(toAgent message: UnsentMessage, _ sockets: BrokerSockets) {
        let (path, verb, id, header, body) = (message.path, message.verb, message.id, message.header, message.body)
        let isParked = !parkedAgents.isEmpty && parkedAgents.contains(path.connection)
        let isFull =
            isParked
            || isBlocked(orGone: { self.agentUnreachable(path.connection) }) {
                () throws(ZeroMQError) in
                try Self.send(sockets.agents, path.connection, path.envelope, verb, id: id, header: header, body: body)
            }
        guard isFull else { return }
        let frames = Self.frames(path.connection, path.envelope, verb, id: id, header: header, body: body)
        guard agents[path.connection]?.outbox.append(frames, byteCountMax: settings.unsentBytesMax) == true else {
            return
        }
        parkedAgents.insert(path.connection)
        scheduleFlush()
    }

    private func sendNow(toWorker message: UnsentMessage, _ sockets: BrokerSockets) {
        let (verb, id, header, body) = (message.verb, message.id, message.header, message.body)
        let connection = message.path.connection
        let isParked = !parkedWorkers.isEmpty && parkedWorkers.contains(connection)
        let isFull =
            isParked
            || isBlocked {
                () throws(ZeroMQError) in
                try Self.send(sockets.workers, connection, .none, verb, id: id, header: header, body: body)
            }
        guard isFull else { return }
        let frames = Self.frames(connection, .none, verb, id: id, header: header, body: body)
        // Credit bounds what waits for a worker; the bound here is the largest body for every job it may hold.
        guard workers[connection]?.outbox.append(frames, byteCountMax: .max) == true else { return }
        parkedWorkers.insert(connection)
        scheduleFlush()
    }

    /// Whether a send found the pipe full. A peer that is gone is no error.
    private func isBlocked(orGone gone: () -> Void = {}, _ send: () throws(ZeroMQError) -> SendResult) -> Bool {
        do throws(ZeroMQError) {
            let result = try send()
            if result == .unreachable { gone() }
            return result == .wouldBlock
        } catch {
            finish(.failure(error))
            return false
        }
    }

    private static func send(
        _ socket: Socket,
        _ connection: ConnectionID,
        _ envelope: Envelope,
        _ verb: Verb,
        id: [UInt8],
        header: Bytes,
        body: [Bytes]
    ) throws(ZeroMQError) -> SendResult {
        let result = try connection.send(on: socket)
        guard result == .sent else { return result }
        if envelope.isLockStep {
            for frame in envelope.frames { try socket.send(frame, more: true) }
        }
        try socket.send("UBP/1", more: true)
        try socket.send(verb.bytes, more: true)
        try socket.send(id, more: true)
        try socket.send(header, more: !body.isEmpty)
        for index in body.indices { try socket.send(body[index], more: index < body.count - 1) }
        return .sent
    }

    private static func frames(
        _ connection: ConnectionID,
        _ envelope: Envelope,
        _ verb: Verb,
        id: [UInt8],
        header: Bytes,
        body: [Bytes]
    ) -> [Bytes] {
        [Bytes(connection.routingID)] + envelope.frames.map { Bytes($0) }
            + [Bytes("UBP/1"), Bytes(verb.bytes), Bytes(id), header] + body
    }

    private func scheduleFlush() {
        guard flushTimer == nil else { return }
        flushTimer = loop.schedule(at: loop.now().advanced(by: Self.flushInterval)) { self.flush() }
    }

    private func flush() {
        flushTimer = nil
        guard let sockets else { return }
        parkedAgents = parkedAgents.filter { !Self.flush(&agents, $0, sockets.agents, self) }
        parkedWorkers = parkedWorkers.filter { !Self.flush(&workers, $0, sockets.workers, self) }
        if !parkedAgents.isEmpty || !parkedWorkers.isEmpty { scheduleFlush() }
    }

    /// Sends what waits for a connection; true when nothing waits any more.
    private static func flush(
        _ connections: inout Connections,
        _ connection: ConnectionID,
        _ socket: Socket,
        _ broker: isolated BrokerService
    ) -> Bool {
        while let message = connections[connection]?.outbox.first {
            do throws(ZeroMQError) {
                switch try socket.send(message) {
                case .sent: break
                case .wouldBlock: return false
                // The rest is as much in vain.
                case .unreachable: return true
                }
            } catch {
                broker.finish(.failure(error))
                return true
            }
            connections[connection]?.outbox.removeFirst()
        }
        return true
    }
}

/// A message that goes out at the end of the turn.
struct UnsentMessage {
    /// Where it goes; to a worker without an envelope.
    var path: AgentPath
    var verb: Verb
    var id: [UInt8]
    var header: Bytes
    var body: [Bytes]
}
