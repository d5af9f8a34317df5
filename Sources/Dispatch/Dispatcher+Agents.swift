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

    private mutating func request(
        _ key: RequestKey,
        _ header: RequestHeader,
        body: BodyFacts,
        from path: AgentPath,
        now: Moment,
        into effects: inout [DispatchEffect]
    ) {
        if key.id.isReserved {
            effects.append(.answer(path, .error(id: key.id.bytes, Self.reserved(key.id))))
            return
        }
        if let number = numbers[key], let job = jobs[number] {
            repeated(job, body: body, from: path, into: &effects)
            return
        }
        if let sameBody = tombstones.matches(key, body: body.hash) {
            let error =
                sameBody
                ? BusError(.gone, "this request ended and its terminal is gone; use a new id to run it again")
                : BusError(.idConflict, "this id was used with another body; use a new id")
            effects.append(.answer(path, .error(id: Array(key.id.text.utf8), error)))
            return
        }
        // The tenant comes last: it books the request if nothing else is against it.
        if let refusal = refusal(of: header, bytes: body.byteCount)
            ?? tenants.admit(key.tenant, bytes: body.byteCount, now: now)
        {
            count { $0.rejected += 1 }
            rejections[refusal.code, default: 0] += 1
            effects.append(.answer(path, .rejected(key.id, refusal)))
            effects.append(.publish(.requestRejected(key, task: header.task, refusal.code)))
            return
        }
        accept(key, header, body: body, from: path, now: now, into: &effects)
    }

    private mutating func accept(
        _ key: RequestKey,
        _ header: RequestHeader,
        body: BodyFacts,
        from path: AgentPath,
        now: Moment,
        into effects: inout [DispatchEffect]
    ) {
        jobLast += 1
        let number = JobNumber(jobLast)
        let durability = durability(of: header)
        let usualTTL =
            durability == .disk && !path.isLockStep ? Limits.ttlDefaultDisk : Limits.ttlDefaultMemory
        let job = Job(
            number: number,
            key: key,
            header: header,
            body: body,
            durability: durability,
            acceptedAt: now,
            expiresAt: now.advanced(by: header.deadline),
            ttl: header.ttl ?? usualTTL,
            connection: path.connection
        )
        jobs[number] = job
        numbers[key] = number
        noteRecent(number)
        let tenantCount = tenants.activeCount
        count {
            $0.tenants = tenantCount
            $0.accepted += 1
            $0.queued += 1
            $0.openBytes += body.byteCount
            if durability == .memory { $0.openInMemory += 1 }
        }
        effects.append(.keepRequest(number, key))
        if durability == .disk {
            var header = header
            header.durability = .disk
            let facts = AcceptedFacts(key: key, header: header, body: body, ttl: job.ttl)
            job.acceptTicket = write(.accepted(number, facts), into: &effects)
        }
        if !path.isLockStep {
            let accepted = DispatchEffect.answer(path, .accepted(key.id, durability: durability, duplicate: false))
            perform(accepted, of: job, after: job.acceptTicket, into: &effects)
        }
        effects.append(
            .publish(
                .requestAccepted(key, number, task: header.task, priority: header.priority, durability: durability)
            )
        )
        listen(path, to: job)
        if job.cancelledWith != nil { agents[path.connection, default: []].insert(number) }
        timers.add(.deadline(number), due: job.expiresAt)
        queue.push(job)
        dispatch(now: now, into: &effects)
    }

    /// The same id again: the state of affairs, never a second run.
    private mutating func repeated(
        _ job: Job,
        body: BodyFacts,
        from path: AgentPath,
        into effects: inout [DispatchEffect]
    ) {
        let id = job.key.id
        guard job.body.hash == body.hash else {
            let error = BusError(.idConflict, "this id is in use with another body; use a new id")
            effects.append(.answer(path, .error(id: Array(id.text.utf8), error)))
            return
        }
        guard !job.isOpen || canListen(path, to: job, into: &effects) else { return }
        if !path.isLockStep {
            let accepted = DispatchEffect.answer(path, .accepted(id, durability: job.durability, duplicate: true))
            perform(accepted, of: job, after: job.acceptTicket, into: &effects)
        }
        if job.isOpen {
            listen(path, to: job)
        } else {
            sendTerminal(of: job, to: path, into: &effects)
        }
    }

    /// Why a new request cannot be taken now; nil when it can.
    private func refusal(of header: RequestHeader, bytes: Int) -> BusError? {
        if isStopping {
            return BusError(.stopping, "the broker is stopping", retryAfter: configuration.stoppingRetryAfter)
        }
        if durability(of: header) == .disk {
            if let journalRefusal { return journalRefusal }
        }
        if header.durability == .disk, !configuration.hasJournal {
            return BusError(
                .notImplemented,
                "durability disk needs a journal, and this broker has none; ask for memory"
            )
        }
        if counters.open >= configuration.openRequestsMax {
            return BusError(
                .busy,
                "\(configuration.openRequestsMax) requests are open, the most this broker takes",
                retryAfter: configuration.busyRetryAfter
            )
        }
        if counters.openBytes + bytes > configuration.openBytesMax {
            return BusError(
                .busy,
                "open requests hold \(counters.openBytes) of \(configuration.openBytesMax) bytes",
                retryAfter: configuration.busyRetryAfter
            )
        }
        if keptBytes >= configuration.keptBytesMax {
            return BusError(
                .storeFull,
                "terminals that wait for their ACK hold \(keptBytes) of \(configuration.keptBytesMax) bytes",
                retryAfter: configuration.stoppingRetryAfter
            )
        }
        if counters.kept >= configuration.keptTerminalsMax || tombstones.count >= configuration.tombstonesMax {
            return BusError(
                .storeFull,
                "\(counters.kept) terminals wait for their ACK and \(tombstones.count) ids are remembered",
                retryAfter: configuration.stoppingRetryAfter
            )
        }
        return nil
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

    /// The durability that a request with this header gets.
    private func durability(of header: RequestHeader) -> RequestHeader.Durability {
        header.durability ?? (configuration.hasJournal ? .disk : .memory)
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
    private func canListen(
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

    private mutating func listen(_ path: AgentPath, to job: Job, waitTicket: UInt64 = 0) {
        if !path.isLockStep, job.listeners.contains(where: { $0.path == path }) { return }
        job.listeners.append(Job.Listener(path: path, waitTicket: waitTicket))
        agents[path.connection, default: []].insert(job.number)
    }
}
