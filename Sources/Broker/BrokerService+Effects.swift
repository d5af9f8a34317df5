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
        let wake = dispatcher.handle(event, now: loop.now(), into: &effects)
        performEffects(inHand: inHand)
        scheduleWake(at: wake)
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
        // Swapped out and lent, because a copy would retain all that a message holds.
        var messages: [UnsentMessage] = []
        swap(&messages, &unsentToAgents)
        do {
            let span = messages.span
            for index in span.indices { sendNow(toAgent: span[index], sockets) }
        }
        messages.removeAll(keepingCapacity: messages.count <= Self.unsentKept)
        swap(&messages, &unsentToAgents)
    }

    private func sendToWorkers(_ sockets: BrokerSockets) {
        var messages: [UnsentMessage] = []
        swap(&messages, &unsentToWorkers)
        do {
            let span = messages.span
            for index in span.indices { sendNow(toWorker: span[index], sockets) }
        }
        messages.removeAll(keepingCapacity: messages.count <= Self.unsentKept)
        swap(&messages, &unsentToWorkers)
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

    private func sendNow(toAgent message: borrowing UnsentMessage, _ sockets: BrokerSockets) {
        let connection = message.path.connection
        if parkedAgents.isEmpty || !parkedAgents.contains(connection) {
            switch send(message, on: sockets.agents) {
            case .sent: return
            case .unreachable: return agentUnreachable(connection)
            case .wouldBlock: break
            }
        }
        guard agents[connection]?.outbox.append(message.frames, byteCountMax: settings.unsentBytesMax) == true else {
            return
        }
        parkedAgents.insert(connection)
        scheduleFlush()
    }

    private func sendNow(toWorker message: borrowing UnsentMessage, _ sockets: BrokerSockets) {
        let connection = message.path.connection
        if parkedWorkers.isEmpty || !parkedWorkers.contains(connection) {
            guard send(message, on: sockets.workers) == .wouldBlock else { return }
        }
        // Credit bounds what waits for a worker; the bound here is the largest body for every job it may hold.
        guard workers[connection]?.outbox.append(message.frames, byteCountMax: .max) == true else { return }
        parkedWorkers.insert(connection)
        scheduleFlush()
    }

    private func send(_ message: borrowing UnsentMessage, on socket: Socket) -> SendResult {
        do throws(ZeroMQError) {
            return try message.send(on: socket)
        } catch {
            finish(.failure(error))
            return .sent
        }
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
