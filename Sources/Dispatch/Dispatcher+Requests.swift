import BusProtocol
import CoreTypes

/// What becomes of a `REQUEST`.
extension Dispatcher {
    mutating func request(
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

    /// The durability that a request with this header gets.
    private func durability(of header: RequestHeader) -> RequestHeader.Durability {
        header.durability ?? (configuration.hasJournal ? .disk : .memory)
    }
}
