import BusProtocol
import CoreTypes
import Dispatch
import Journal

/// The broker's shell: what reaches the dispatcher, and what becomes of its effects.
extension World {
    /// Lets the dispatcher decide, the referee judge, and performs the effects in their order.
    func feed(_ event: DispatchEvent) {
        guard isBrokerUp, referee.violation == nil else { return }
        trace.event(now, event)
        var effects: [DispatchEffect] = []
        dispatcher.handle(event, now: now, into: &effects)
        statistics.events += 1
        for effect in effects { trace.effect(now, effect) }
        referee.observe(event, effects, dispatcher.counters, now: now)
        guard referee.violation == nil else { return }
        for effect in effects {
            perform(effect)
            if isActive, brokerCrashesLeft > 0, random.chance(scenario.brokerCrashOdds) { return crashBroker() }
            if isActive, random.chance(scenario.crashOdds) { crashSomebody(near: effect) }
        }
        scheduleWake()
    }

    func wake() {
        wakeAt = nil
        if let due = dispatcher.nextWake, due <= now { feed(.wake) }
        scheduleWake()
    }

    // MARK: - Messages

    /// Sends as a peer.
    func send(_ message: Connection.Upward, over connection: Connection) {
        guard !connection.isClosed else { return }
        connection.upward.append(message)
        guard !connection.isSevered else { return }
        connection.upwardLast = max(connection.upwardLast, now.advanced(by: delay()))
        schedule.add(.reachesBroker(connection), at: connection.upwardLast)
    }

    private func send(_ message: Connection.Downward, to id: ConnectionID) {
        let connection = connections[Int(id.value) - 1]
        guard !connection.isClosed, !connection.isSevered else { return }
        connection.downward.append(message)
        connection.downwardLast = max(connection.downwardLast, now.advanced(by: delay()))
        schedule.add(.reachesPeer(connection), at: connection.downwardLast)
    }

    private func delay() -> Duration {
        if random.chance(scenario.slowMessageOdds) { return random.duration(.zero, .seconds(2)) }
        return .nanoseconds(50_000 + Int64(random.next() % 1_000_000))
    }

    func connect(_ peer: Connection.Peer) -> Connection {
        let connection = Connection(id: ConnectionID(UInt32(connections.count + 1)), peer: peer)
        connection.isSevered = !isBrokerUp
        connections.append(connection)
        return connection
    }

    /// The next message of `connection` reaches the dispatcher.
    func arrive(_ connection: Connection) {
        // A crash may have cut it off.
        guard !connection.upward.isEmpty else { return }
        connection.isKnown = true
        switch connection.upward.removeFirst() {
        case .agent(let envelope, let message, let body):
            guard case .agent(let agent) = connection.peer else { return }
            bodyInHand = body
            let path = AgentPath(connection: connection.id, envelope: envelope)
            feed(.agent(path, agent.tenant, message, body: body))
        case .worker(let message, let terminal):
            guard case .worker(let worker) = connection.peer else { return }
            terminalInHand = terminal
            feed(.worker(connection.id, message, pid: worker.pid))
        }
        terminalInHand = nil
        bodyInHand = nil
        if connection.isDraining, connection.upward.isEmpty { schedule.add(.drained(connection), at: now) }
    }

    // MARK: - Ends of connections

    /// Closes a peer's end. Of what it had sent a part may be lost, always the last.
    func close(_ connection: Connection, losingTail: Bool) {
        guard !connection.isClosed else { return }
        connection.isClosed = true
        connection.downward.removeAll()
        if losingTail, !connection.upward.isEmpty {
            let kept = random.below(connection.upward.count + 1)
            trace.note(now, "\(connection.id) closes, \(connection.upward.count - kept) of its messages are lost")
            connection.upward.removeLast(connection.upward.count - kept)
        }
        schedule.add(.closed(connection), at: after(.zero, random.chance(0.8) ? .milliseconds(5) : .seconds(2)))
    }

    func seeClosed(_ connection: Connection) {
        switch connection.peer {
        case .agent:
            // The broker receives what an agent had sent before it looks at its end.
            guard connection.upward.isEmpty else {
                schedule.add(.closed(connection), at: now.advanced(by: .milliseconds(1)))
                return
            }
            feed(.agentDisconnected(connection.id))
        case .worker:
            // An end that comes before the first message belongs to nobody the broker knows.
            if connection.isKnown { feed(.workerDisconnected(connection.id)) }
        }
    }

    // MARK: - Effects

    private func perform(_ effect: DispatchEffect) {
        switch effect {
        case .answer(let path, let reply):
            send(.answer(path.envelope, reply), to: path.connection)
        case .answerSystem(let path, let snapshot):
            send(.answer(path.envelope, .document(snapshot.subject.id, .empty)), to: path.connection)
        case .sendTerminal(let path, let job, let id):
            guard let terminal = store.terminal(of: job) else {
                return referee.fail("terminals are kept", "job \(job) is to be sent and the store has no terminal")
            }
            send(.terminal(path.envelope, id, terminal), to: path.connection)
        case .order(let connection, let message):
            send(.order(message), to: connection)
        case .deliver(let connection, let key, let header):
            guard store.body(of: key.job) != nil else {
                return referee.fail("bodies are kept", "job \(key.job) is to be delivered and the store has no body")
            }
            guard let body = bodies[key.job] else { return }
            send(.job(key, header, body), to: connection)
        case .keepRequest(let job, let key):
            guard let body = bodyInHand else { return }
            store.keepRequest(job, key, body: filler(job.value, byteCount: body.byteCount))
            bodies[job] = body
            seenTerminals[key] = nil
            statistics.requests += 1
        case .keepTerminal(let job):
            guard let terminal = terminalInHand else { return }
            store.keepTerminal(job, terminal)
            statistics.count(terminal.outcome == .reply ? "reply" : "failure of a worker's account")
        case .composeTerminal(let job, let failure):
            store.keepTerminal(job, StoredTerminal(.failure, header: nextTag()))
            statistics.count("failure " + failure.reason.rawValue)
        case .forget(let job):
            store.forget(job)
        case .drain(let id):
            let connection = connections[Int(id.value) - 1]
            connection.isDraining = true
            if connection.upward.isEmpty { schedule.add(.drained(connection), at: now.advanced(by: .milliseconds(2))) }
        case .write(let ticket, let mark):
            write(mark, ticket)
        case .publish:
            break
        }
        referee.performed(effect, for: tenant(of: effect))
    }

    private func tenant(of effect: DispatchEffect) -> Tenant? {
        guard case .answer(let path, _) = effect,
            case .agent(let agent) = connections[Int(path.connection.value) - 1].peer
        else { return nil }
        return agent.tenant
    }

    /// A header that no other terminal has, so that two terminals can be told apart.
    func nextTag() -> Bytes {
        terminalTagLast += 1
        return Bytes("t\(terminalTagLast)")
    }
}
