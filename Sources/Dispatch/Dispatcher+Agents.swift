import BusProtocol
import CoreTypes

/// What agents ask for.
extension Dispatcher {
    mutating func handle(
        _ message: AgentMessage,
        from path: AgentPath,
        tenant: Tenant,
        body: BodyFacts?,
        now: Moment,
        into effects: inout [DispatchEffect]
    ) {
        switch message {
        case .hello:
            let welcome = AgentWelcome(
                epoch: configuration.epoch,
                dedup: configuration.dedup,
                durabilities: configuration.hasJournal ? [.disk, .memory] : [.memory]
            )
            effects.append(.answer(path, .welcome(welcome)))
        case .ping(let token):
            effects.append(.answer(path, .pong(token: token)))
        case .bye:
            effects.append(.answer(path, .ok(id: [])))
            agentLeft(path.connection, now: now, into: &effects)
        case .task(let report):
            effects.append(.publish(.taskEnded(tenant, report)))
            effects.append(.answer(path, .ok(id: Array(report.task.text.utf8))))
        case .request(let id, let header):
            guard let body else { preconditionFailure("a REQUEST comes with the facts of its body") }
            request(
                RequestKey(tenant: tenant, id: id),
                header,
                body: body,
                from: path,
                now: now,
                into: &effects
            )
        case .get(let id, let wait):
            if id.isReserved { return system(id, tenant: tenant, from: path, now: now, into: &effects) }
            guard let job = find(RequestKey(tenant: tenant, id: id), for: path, into: &effects) else { return }
            get(job, wait: wait, from: path, now: now, into: &effects)
        case .cancel(let id):
            guard let job = find(RequestKey(tenant: tenant, id: id), for: path, into: &effects) else { return }
            cancel(job, from: path, now: now, into: &effects)
        case .acknowledge(let id):
            acknowledge(RequestKey(tenant: tenant, id: id), from: path, now: now, into: &effects)
        }
    }

    /// An agent's connection is gone: nobody listens there any more, and what it wanted cancelled with it is cancelled.
    mutating func agentLeft(_ connection: ConnectionID, now: Moment, into effects: inout [DispatchEffect]) {
        guard let numbers = agents.removeValue(forKey: connection) else { return }
        for number in numbers.sorted() {
            guard let job = jobs[number] else { continue }
            let waits = job.listeners.count { $0.path.connection == connection && $0.waitTicket != 0 }
            job.listeners.removeAll { $0.path.connection == connection }
            for _ in 0..<waits { retireTimer() }
            guard job.isOpen, job.cancelledWith == connection else { continue }
            tellHolderToCancel(job, into: &effects)
            end(
                job,
                isReply: false,
                brokerClass: .cancelled,
                message: "the connection that sent the request closed, and cancel_on_disconnect was set",
                now: now,
                into: &effects
            )
        }
    }

    /// The job that a `GET`, `CANCEL` or `ACK` names, or nil after the error was answered.
    private mutating func find(
        _ key: RequestKey,
        for path: AgentPath,
        into effects: inout [DispatchEffect]
    ) -> Job? {
        if let number = numbers[key], let job = jobs[number] { return job }
        let error =
            key.id.isReserved
            ? Self.reserved(key.id)
            : tombstones.contains(key)
                ? BusError(.gone, "this request ended and its terminal is gone")
                : BusError(.unknownRequest, "no request has the id \(key.id)")
        effects.append(.answer(path, .error(id: Array(key.id.text.utf8), error)))
        return nil
    }

    private mutating func get(
        _ job: Job,
        wait: Duration,
        from path: AgentPath,
        now: Moment,
        into effects: inout [DispatchEffect]
    ) {
        guard job.isOpen else {
            sendTerminal(of: job, to: path, into: &effects)
            return
        }
        if path.isLockStep, wait == .zero {
            sendState(of: job, to: path, now: now, into: &effects)
            return
        }
        guard canListen(path, to: job, into: &effects) else { return }
        guard path.isLockStep else {
            sendState(of: job, to: path, now: now, into: &effects)
            listen(path, to: job)
            return
        }
        waitTicketLast += 1
        listen(path, to: job, waitTicket: waitTicketLast)
        timers.add(.wait(job.number, ticket: waitTicketLast), due: now.advanced(by: wait))
    }

    private mutating func cancel(
        _ job: Job,
        from path: AgentPath,
        now: Moment,
        into effects: inout [DispatchEffect]
    ) {
        guard job.isOpen else {
            sendTerminal(of: job, to: path, into: &effects)
            return
        }
        let listens = !path.isLockStep && job.listeners.contains { $0.path == path }
        tellHolderToCancel(job, into: &effects)
        end(
            job,
            isReply: false,
            brokerClass: .cancelled,
            message: "the agent cancelled the request",
            now: now,
            into: &effects
        )
        if !listens { sendTerminal(of: job, to: path, into: &effects) }
    }

    private mutating func acknowledge(
        _ key: RequestKey,
        from path: AgentPath,
        now: Moment,
        into effects: inout [DispatchEffect]
    ) {
        let id = Array(key.id.text.utf8)
        if let number = numbers[key], let job = jobs[number] {
            guard !job.isOpen, gate.isOpen(job.endTicket) else {
                let error = BusError(.unexpected, "the request has no terminal yet that an ACK could name")
                effects.append(.answer(path, .error(id: id, error)))
                return
            }
            forget(job, now: now, into: &effects)
        } else if !tombstones.contains(key) {
            let error =
                key.id.isReserved
                ? Self.reserved(key.id) : BusError(.unknownRequest, "no request has the id \(key.id)")
            effects.append(.answer(path, .error(id: id, error)))
            return
        }
        effects.append(.answer(path, .ok(id: id)))
    }

    func state(of job: Job, now: Moment) -> RequestState {
        let phase: RequestState.Phase =
            switch job.phase {
            case .queued: .queued
            case .leased(_, let started, _): started ? .running : .leased
            case .orphaned: .running
            case .ended: preconditionFailure("an ended job answers with its terminal")
            }
        return RequestState(
            phase: phase,
            deliveries: job.deliveries,
            attempts: job.attempts,
            age: job.acceptedAt.duration(to: now),
            remaining: max(.zero, now.duration(to: job.expiresAt))
        )
    }

    // MARK: - Listeners

    /// Whether one more may wait for `job`; answers the error when not.
    func canListen(
        _ path: AgentPath,
        to job: Job,
        into effects: inout [DispatchEffect]
    ) -> Bool {
        if job.listeners.count < configuration.listenersPerRequestMax { return true }
        if !path.isLockStep, job.listeners.contains(where: { $0.path == path }) { return true }
        let error = BusError(
            .busy,
            "\(job.listeners.count) connections wait for this request already",
            retryAfter: configuration.busyRetryAfter
        )
        effects.append(.answer(path, .error(id: Array(job.key.id.text.utf8), error)))
        return false
    }

    mutating func listen(_ path: AgentPath, to job: Job, waitTicket: UInt64 = 0) {
        if !path.isLockStep, job.listeners.contains(where: { $0.path == path }) { return }
        job.listeners.append(Job.Listener(path: path, waitTicket: waitTicket))
        agents[path.connection, default: []].insert(job.number)
    }
}
