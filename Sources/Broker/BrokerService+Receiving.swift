import BusProtocol
import CoreTypes
import Dispatch
import EventLoop
import ZeroMQ

/// From sockets to events.
extension BrokerService {
    // MARK: - Agents

    func receive(agentMessage message: Multipart) {
        let frames = ReceivedMessage(message: message)
        inPlace.refill(with: message)
        let received = AgentMessage.receive(inPlace)
        guard let connection = frames.connection else {
            refuseRoutingID(message, received.envelope, id: received.id(in: message), on: sockets?.agents)
            return
        }
        guard let tenant = tenant(of: connection, message) else {
            let error = BusError(.routingID, "the socket does not tell which user this connection belongs to")
            let path = AgentPath(connection: connection, envelope: received.envelope)
            answer(.error(id: received.id(in: message), error), to: path)
            return
        }
        switch received {
        case .refused(let error, let envelope, let id):
            answer(.error(id: id, error), to: AgentPath(connection: connection, envelope: envelope))
        case .message(let agentMessage, let envelope, let body):
            var facts: BodyFacts?
            if case .request = agentMessage {
                var byteCount = 0
                for index in body { byteCount += message.byteCount(at: index + 1) }
                askJournal()
                facts = BodyFacts(hash: digest.hash(frames, frames: body), byteCount: byteCount)
            }
            let path = AgentPath(connection: connection, envelope: envelope)
            process(.agent(path, tenant, agentMessage, body: facts), inHand: MessageInHand(frames, body: body))
        }
    }

    private func tenant(of connection: ConnectionID, _ message: Multipart) -> Tenant? {
        if let user = agents.user(of: connection) { return .user(user) }
        guard let peer = message.peerAddress else { return nil }
        // The end of a connection that had the same descriptor must not be taken for the end of this one.
        sockets?.drainAgentEvents()
        let entry = Connections.Entry(
            descriptor: message.sourceDescriptor,
            uid: peer.uid,
            pid: peer.pid == 0 ? nil : peer.pid
        )
        if let former = agents.enter(connection, entry) { agentGone(former) }
        // Its end was seen before its first message was read.
        if agents[connection]?.descriptor == nil { agentEnded(connection) }
        return .user(peer.uid)
    }

    func agentConnection(_ event: MonitorEvent) {
        switch event.kind {
        case .accepted: agentEnded(agents.begin(descriptor: CInt(event.value)))
        case .disconnected: agentEnded(agents.end(descriptor: CInt(event.value)))
        case .acceptFailed: connectionRefused()
        default: break
        }
    }

    /// A send found no connection. Its end may have been told before its first message was read, and its descriptor be
    /// another's since.
    func agentUnreachable(_ connection: ConnectionID) {
        if agents.lose(connection) { agentEnded(connection) }
    }

    private func agentEnded(_ connection: ConnectionID?) {
        guard let connection else { return }
        // What it had sent before it left still counts.
        after({ $0.drainAgents() }, then: { $0.agentGone(connection) })
    }

    private func agentGone(_ connection: ConnectionID) {
        agents.remove(connection)
        parkedAgents.remove(connection)
        process(.agentDisconnected(connection))
        endLeaveIfAlone()
    }

    // MARK: - Workers

    func receive(workerMessage message: Multipart) {
        let frames = ReceivedMessage(message: message)
        inPlace.refill(with: message)
        let received = WorkerMessage.receive(inPlace)
        guard let connection = frames.connection else {
            refuseRoutingID(message, received.envelope, id: received.id(in: message), on: sockets?.workers)
            return
        }
        if !workers.contains(connection) {
            // The end of a connection that had the same descriptor must not be taken for the end of this one.
            sockets?.drainWorkerEvents()
            let peer = message.peerAddress
            let entry = Connections.Entry(
                descriptor: message.sourceDescriptor,
                uid: peer?.uid ?? 0,
                pid: peer.flatMap { $0.pid == 0 ? nil : $0.pid }
            )
            if let former = workers.enter(connection, entry) { process(.workerDisconnected(former)) }
        }
        switch received {
        case .refused(let error, _, let id):
            log("a worker's message was refused: \(error)")
            perform(.order(connection, .error(id: id, error)), inHand: nil)
        case .message(.event(let eventClass), _, let body):
            publish(eventClass, json: frames.frameBytes(body.lowerBound - 1))
        case .message(let workerMessage, _, let body):
            // Only a session's begin needs it, and only then is it looked up.
            var pid: Int32?
            if case .ready = workerMessage { pid = workers[connection]?.pid }
            process(.worker(connection, workerMessage, pid: pid), inHand: MessageInHand(frames, body: body))
            guard case .ready = workerMessage else { return }
            if let pid { processes?.watch(pid, for: connection) }
            // The end of this connection was seen before its last READY was read: no event will tell of it again.
            if let entry = workers[connection], entry.descriptor == nil { process(.workerDisconnected(connection)) }
        }
    }

    private func publish(_ eventClass: EventClass, json: Bytes) {
        guard let sockets else { return }
        do throws(BusError) {
            let tenant = try TelemetryFrames.tenant(ofEvent: json)
            sockets.events.publish(eventClass, tenant: tenant, json: json)
        } catch {
            log("a worker's event was refused: \(error)")
        }
    }

    func workerConnection(_ event: MonitorEvent) {
        switch event.kind {
        case .accepted: workerEnded(workers.begin(descriptor: CInt(event.value)))
        case .disconnected: workerEnded(workers.end(descriptor: CInt(event.value)))
        case .acceptFailed: connectionRefused()
        default: break
        }
    }

    private func workerEnded(_ connection: ConnectionID?) {
        guard let connection else { return }
        // Later, because this may be inside the handler of another worker's message.
        after({ _ in false }, then: { $0.process(.workerDisconnected(connection)) })
    }

    /// The program takes no connection beyond its descriptors; peers try again and again.
    private func connectionRefused() {
        let now = loop.now()
        guard now >= refusalToldAgainAt else { return }
        refusalToldAgainAt = now.advanced(by: .seconds(10))
        log("connections are refused: nearly all file descriptors are in use (ulimit -n)")
    }

    /// Parts of ``after(_:partsMax:then:)``: more than the pipes of a hundred busy peers hold.
    static var drainedPartsMax: Int { 8192 }

    /// Does `work` in a later turn, unless the broker has ended by then: when `drain`, which receives a part of what waits
    /// at a time, has said that nothing is left. Nobody who sends without end delays it, or anyone else, for long.
    func after(
        _ drain: @escaping (BrokerSockets) -> Bool,
        partsMax: Int = BrokerService.drainedPartsMax,
        then work: @escaping (isolated BrokerService) -> Void
    ) {
        loop.schedule(at: loop.now()) {
            guard let sockets = self.sockets else { return }
            if drain(sockets), partsMax > 1 {
                self.after(drain, partsMax: partsMax - 1, then: work)
            } else {
                work(self)
            }
        }
    }

    /// A peer that chose its own routing id could take another's place; it is told so under the id it chose.
    private func refuseRoutingID(_ message: Multipart, _ envelope: Envelope, id: [UInt8], on socket: Socket?) {
        guard let socket else { return }
        let error = BusError(
            .routingID,
            "the connection set a routing id (ZMQ_ROUTING_ID or ZMQ_IDENTITY); leave it unset"
        )
        let answer = AgentReply.error(id: id, error).encoded()
        let frames = [Bytes(message.array(at: 0))] + answer.frameList(envelope: envelope).frames.map { Bytes($0) }
        attempt { () throws(ZeroMQError) in _ = try socket.send(frames) }
    }
}

extension Received {
    /// The envelope, whatever came of the rest.
    fileprivate var envelope: Envelope {
        switch self {
        case .message(_, let envelope, _), .refused(_, let envelope, _): envelope
        }
    }

    /// F2 of the message that it came from, as far as it is readable; `message` begins with the routing id.
    fileprivate func id(in message: Multipart) -> [UInt8] {
        switch self {
        case .message(_, let envelope, _): message.array(at: 1 + envelope.frameCount + 2)
        case .refused(_, _, let id): id
        }
    }
}

/// The message that an event came from, for effects that keep or forward parts of it.
struct MessageInHand {
    let frames: ReceivedMessage
    /// F4..
    let body: Range<Int>

    init(_ frames: ReceivedMessage, body: Range<Int>) {
        self.frames = frames
        self.body = body
    }

    /// F3.
    var header: Bytes { frames.frameBytes(body.lowerBound - 1) }
    /// F4 of a worker's terminal: its record of the call.
    var record: Bytes? { body.isEmpty ? nil : frames.frameBytes(body.lowerBound) }

    /// F4.. or, of a worker's terminal, F5...
    func bodyFrames(from offset: Int) -> [Bytes] { body.dropFirst(offset).map { frames.frameBytes($0) } }
}
