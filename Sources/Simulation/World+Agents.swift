import BusProtocol
import CoreTypes
import Dispatch
import Journal

/// What agents do.
extension World {
    func act(_ agent: Agent) {
        guard !isOver else { return }
        schedule.add(.agentActs(agent), at: after(.milliseconds(20), isActive ? scenario.agentPauseMax : .seconds(6)))
        if let givesUpAt = agent.givesUpAt {
            guard now >= givesUpAt, let connection = agent.connection else { return }
            // A lock-step agent that gave up waiting opens a new socket.
            close(connection, losingTail: false)
            agent.connection = nil
            agent.givesUpAt = nil
        }
        if agent.connection == nil { agent.connection = connect(.agent(agent)) }
        if requestsLeft > 0, isActive || isStopping, random.chance(0.6) { return ask(agent) }
        switch random.below(20) {
        case 0...3:
            if let request = anyRequest(of: agent) { say(.request(request.id, request.header), agent, request.body) }
        case 4:
            if let request = anyRequest(of: agent) {
                say(.request(request.id, request.header), agent, BodyFacts(hash: BodyHash(9, 9, 9, 9), byteCount: 9))
            }
        case 5, 6:
            if let request = anyRequest(of: agent), isActive { say(.cancel(request.id), agent) }
        case 7...10:
            let id = anyRequest(of: agent)?.id ?? RequestID("nobody")
            if let id { say(.get(id, wait: random.chance(0.5) ? .zero : random.duration(.zero, .seconds(8))), agent) }
        case 11...15:
            if let request = anyRequest(of: agent) { say(.acknowledge(request.id), agent) }
        case 16:
            let odd = [RequestID("sys.health"), RequestID("unheard-of")][random.below(2)]
            if let odd {
                switch random.below(4) {
                case 0: say(.get(odd, wait: .zero), agent)
                case 1: say(.cancel(odd), agent)
                case 2: say(.acknowledge(odd), agent)
                default:
                    if odd.isReserved {
                        say(.request(odd, RequestHeader()), agent, BodyFacts(hash: BodyHash(0, 0, 0, 0), byteCount: 1))
                    }
                }
            }
        case 17: say(random.chance(0.5) ? .hello(AgentHello()) : .ping(token: [1, 2]), agent)
        case 18:
            if let task = RequestID("task") { say(.task(TaskReport(task: task, outcome: .completed)), agent) }
        default:
            if isActive, random.chance(0.5) { leave(agent) }
        }
    }

    private func leave(_ agent: Agent) {
        guard let connection = agent.connection else { return }
        if random.chance(0.5) { return crash(agent) }
        say(.bye, agent)
        close(connection, losingTail: false)
        agent.connection = nil
        agent.givesUpAt = nil
    }

    /// Asks for something new; the first agent of a crowd sometimes for much at once.
    private func ask(_ agent: Agent) {
        let isGreedy = agent.number == 0 && scenario.greed > 1 && random.chance(0.3)
        for _ in 0..<(isGreedy ? min(scenario.greed, requestsLeft) : 1) { request(agent) }
    }

    private func request(_ agent: Agent) {
        requestsLeft -= 1
        requestLast += 1
        // Tenants use the same names, which must not meet.
        let name = scenario.tenantCount > 1 ? "r\(requestLast / 2)-\(agent.requests.count)" : "r\(requestLast)"
        guard let id = RequestID(name) else { return }
        var header = RequestHeader()
        switch random.below(4) {
        case 0: header.deadline = random.milliseconds(.seconds(1), .seconds(3))
        case 1: header.deadline = random.milliseconds(.seconds(3), .seconds(40))
        default: break
        }
        header.priority = random.below(scenario.priorityCount)
        header.onLoss = random.chance(0.3) ? .fail : .retry
        header.stream = random.chance(0.2)
        header.cancelOnDisconnect = random.chance(0.15)
        if random.chance(0.3) { header.ttl = random.milliseconds(.seconds(1), .seconds(20)) }
        if random.chance(scenario.namedDurabilityOdds) { header.durability = random.chance(0.5) ? .disk : .memory }
        let body = BodyFacts(
            hash: BodyHash(random.next(), random.next(), 0, 0),
            byteCount: 1 + random.below(scenario.bodyBytesMax)
        )
        agent.requests.append(Agent.Request(id: id, header: header, body: body))
        say(.request(id, header), agent, body)
    }

    /// After the broker came back: what was not accepted again, and the rest by its id.
    func resubmit(_ agent: Agent) {
        if case .request = agent.style { return }
        for request in agent.requests.suffix(6) {
            if agent.accepted.contains(request.id) {
                say(.get(request.id, wait: .seconds(5)), agent)
            } else {
                say(.request(request.id, request.header), agent, request.body)
            }
        }
    }

    /// One of its own requests, or of another agent of its tenant.
    private func anyRequest(of agent: Agent) -> Agent.Request? {
        var owner = agent
        if random.chance(0.2) {
            let other = agents[random.below(agents.count)]
            if other.tenant == agent.tenant { owner = other }
        }
        guard !owner.requests.isEmpty else { return nil }
        return owner.requests[random.below(owner.requests.count)]
    }

    private func say(_ message: AgentMessage, _ agent: Agent, _ body: BodyFacts? = nil) {
        guard let connection = agent.connection else { return }
        if case .request = agent.style { agent.givesUpAt = after(.milliseconds(500), .seconds(20)) }
        send(.agent(agent.nextEnvelope(), message, body), over: connection)
    }

    func receive(_ message: Connection.Downward, at agent: Agent) {
        switch message {
        case .answer(_, let reply):
            agent.givesUpAt = nil
            if case .accepted(let id, _, _) = reply { agent.accepted.insert(id) }
        case .terminal(_, let id, let terminal):
            agent.givesUpAt = nil
            let key = RequestKey(tenant: agent.tenant, id: id)
            if let seen = seenTerminals[key], seen != terminal {
                referee.fail(
                    "one terminal",
                    "agents got two different terminals for \(id): \(seen.header), \(terminal.header)"
                )
            }
            seenTerminals[key] = terminal
        case .order, .job:
            referee.fail("agents get agents' messages", "agent \(agent.number) got a worker's message")
        }
    }
}
