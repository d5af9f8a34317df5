import BusProtocol
import CoreTypes

/// What workers say.
extension Dispatcher {
    mutating func handle(
        _ message: WorkerMessage,
        from connection: ConnectionID,
        pid: Int32?,
        now: Moment,
        into effects: inout [DispatchEffect]
    ) {
        if case .ready(let ready) = message {
            join(ready, connection: connection, pid: pid, now: now, into: &effects)
            return
        }
        guard let worker = workers[connection] else {
            // A worker of another session: of a broker before this one, or given up by its lease.
            switch message {
            case .event, .bye: break
            case .ready, .credit, .start, .chunk, .reply, .failure, .returned, .beat:
                effects.append(.order(connection, .beat(.rejoin)))
            }
            return
        }
        worker.leaseUntil = now.advanced(by: configuration.lease)
        switch message {
        case .ready, .event, .chunk, .beat:
            break
        case .credit(let total):
            guard total >= worker.grantedTotal else {
                let error = BusError(
                    .unexpected,
                    "granted_total fell from \(worker.grantedTotal) to \(total); it only rises in a session"
                )
                effects.append(.order(connection, .error(id: [], error)))
                return
            }
            worker.grantedTotal = total
            worker.isFull = false
            dispatch(now: now, into: &effects)
        case .start(let key):
            start(key, worker: worker, now: now, into: &effects)
        case .reply(let key):
            terminal(key, isReply: true, worker: worker, now: now, into: &effects)
        case .failure(let key):
            terminal(key, isReply: false, worker: worker, now: now, into: &effects)
        case .returned(let key, let reason):
            takeBack(key, reason: reason, worker: worker, now: now, into: &effects)
        case .bye:
            remove(worker)
            effects.append(.publish(.workerLeft(name: worker.name, pid: worker.pid)))
            loseHeld(of: worker, countsAsDeath: false, now: now, into: &effects)
            dispatch(now: now, into: &effects)
        }
    }

    // MARK: - Sessions

    private mutating func join(
        _ ready: WorkerReady,
        connection: ConnectionID,
        pid: Int32?,
        now: Moment,
        into effects: inout [DispatchEffect]
    ) {
        let before = formerSessions(of: ready.name, connection: connection, pid: pid)
        for former in before { remove(former) }
        let worker = WorkerRecord(
            connection: connection,
            ready: ready,
            pid: pid,
            session: SessionToken(using: &random),
            now: now,
            lease: configuration.lease
        )
        if let same = before.first(where: { $0.connection == connection }) {
            // Read from the tail of a dead worker, READY does not bring it back to life.
            worker.isDisconnected = same.isDisconnected
            worker.isProcessGone = same.isProcessGone
            worker.isDraining = same.isDraining
        }
        workers[connection] = worker
        workerOrder.append(worker)

        var keep: [DeliveryKey] = []
        var drop: [DeliveryKey] = []
        for held in ready.held {
            if reclaim(held, for: worker, before: before, now: now) {
                keep.append(held.key)
            } else {
                drop.append(held.key)
            }
        }
        effects.append(
            .order(
                connection,
                .welcome(
                    WorkerWelcome(
                        session: worker.session,
                        epoch: configuration.epoch,
                        keep: keep,
                        drop: drop,
                        beatInterval: configuration.beatInterval,
                        lease: configuration.lease
                    )
                )
            )
        )
        if before.isEmpty {
            effects.append(.publish(.workerJoined(name: worker.name, pid: pid, capacity: worker.capacity)))
        }
        for former in before {
            // What the worker no longer has never reached it, or it let go of it: alive, so no death.
            loseHeld(of: former, countsAsDeath: false, now: now, into: &effects)
        }
        dispatch(now: now, into: &effects)
    }

    /// The sessions that end with a `READY`: that of the connection, and those of the same process whose connection broke.
    private func formerSessions(of name: String, connection: ConnectionID, pid: Int32?) -> [WorkerRecord] {
        workerOrder.filter { former in
            if former.connection == connection { return true }
            guard let pid, former.pid == pid, former.name == name else { return false }
            return former.isDisconnected && !former.isProcessGone
        }
    }

    /// Whether a worker that opens a session keeps what it holds. A finished result is wanted as long as nothing has won;
    /// an unfinished delivery only if it is still the lease of one of its former sessions, or of a worker that is not
    /// connected. A worker may be back before the end of its former connection is seen.
    private mutating func reclaim(
        _ held: WorkerReady.Held,
        for worker: WorkerRecord,
        before: [WorkerRecord],
        now: Moment
    ) -> Bool {
        let number = held.key.job
        guard let job = jobs[number], job.body.hash == held.bodyHash else { return false }
        // A result is the worker's to keep until the terminal is on disk.
        guard job.isOpen else { return held.state == .finished && !gate.isOpen(job.endTicket) }
        if case .leased(let holder, let started, let since) = job.phase, held.key.delivery == job.deliveries,
            holder !== worker,
            holder.isSameProcess(as: worker) || before.contains(where: { $0 === holder })
                // Of a request of an earlier broker, a worker without a GO may have another delivery of the same number:
                // the GO is the holder's.
                || holder.isDisconnected && !(started && held.state == .waiting && job.origin != .thisBroker)
        {
            holder.held[number] = nil
            worker.held[number] = held.key.delivery
            job.phase = .leased(worker, started: started, since: since)
            return true
        }
        if adopt(job, held, by: worker, now: now) { return true }
        return held.state == .finished && held.key.delivery <= job.deliveries
    }

    /// Gives `worker` the lease of an orphan: the broker that gave it is gone, and the worker has it still.
    ///
    /// A worker without a GO has the delivery that the mark is about if one broker gave them all. If there were two, it may
    /// have the first one's, and another worker the second one's of the same number, with the GO.
    private mutating func adopt(_ job: Job, _ held: WorkerReady.Held, by worker: WorkerRecord, now: Moment) -> Bool {
        guard case .orphaned = job.phase, held.key.delivery == job.deliveries,
            held.state != .waiting || job.origin == .lastBroker
        else { return false }
        counters.orphaned -= 1
        retireTimer()
        counters.leased += 1
        job.phase = .leased(worker, started: true, since: now)
        worker.held[job.number] = held.key.delivery
        return true
    }

    /// Takes `worker` off the table; what it holds stays in `worker.held`.
    mutating func remove(_ worker: WorkerRecord) {
        workers[worker.connection] = nil
        workerOrder.removeAll { $0 === worker }
    }

    // MARK: - The money rule

    private mutating func start(
        _ key: DeliveryKey,
        worker: WorkerRecord,
        now: Moment,
        into effects: inout [DispatchEffect]
    ) {
        func refuse(_ reason: NoGoReason) {
            count { $0.noGoes += 1 }
            effects.append(
                .order(worker.connection, .noGo(key, session: worker.session, reason: reason, wait: nil))
            )
        }
        // Nobody is there to get the GO: nothing is spent, and nothing must look as if it were.
        guard worker.isReachable else { return }
        guard let job = jobs[key.job] else { return refuse(.superseded) }
        switch job.phase {
        case .ended(_, let reason):
            refuse(reason == .cancelled ? .cancelled : reason == .deadline ? .expired : .ended)
        case .queued, .orphaned:
            refuse(.superseded)
        case .leased(let holder, let started, let since):
            guard holder === worker, key.delivery == job.deliveries else { return refuse(.superseded) }
            guard now < job.expiresAt else { return refuse(.expired) }
            if started, key.attempt == job.lastAttempt {
                // The same question again, because the first answer was lost with a session: the same GO.
                effects.append(.order(worker.connection, .go(key, session: worker.session)))
                return
            }
            guard key.attempt > job.lastAttempt, key.attempt - job.lastAttempt <= configuration.attemptsMax else {
                return refuse(.superseded)
            }
            guard job.attempts < configuration.attemptsMax else {
                refuse(.ended)
                end(
                    job,
                    isReply: false,
                    brokerClass: .poison,
                    message: "the request used \(job.attempts) attempts, the most one request may",
                    now: now,
                    into: &effects
                )
                return
            }
            guard job.durability == .disk else {
                grant(key, of: job, to: worker, isFirst: !started, since: since, into: &effects)
                return
            }
            // Every attempt, not only the first: the next broker numbers on from what was begun, and must know it all.
            job.pendingStart = key
            gate.hold(.go(key, worker.session), of: job.number, until: write(.started(key), into: &effects))
        }
    }

    /// Lets a worker begin an attempt.
    private mutating func grant(
        _ key: DeliveryKey,
        of job: Job,
        to worker: WorkerRecord,
        isFirst: Bool,
        since: Moment,
        into effects: inout [DispatchEffect]
    ) {
        job.attempts += 1
        job.lastAttempt = key.attempt
        if isFirst { job.paid.append(key.delivery) }
        job.phase = .leased(worker, started: true, since: since)
        count { $0.goes += 1 }
        effects.append(.order(worker.connection, .go(key, session: worker.session)))
    }

    /// The mark of an attempt is on disk: `GO`, if the request still stands where it stood.
    mutating func startCommitted(
        _ key: DeliveryKey,
        session: SessionToken,
        now: Moment,
        into effects: inout [DispatchEffect]
    ) {
        guard let job = jobs[key.job], job.pendingStart == key,
            case .leased(let holder, let started, let since) = job.phase,
            holder.session == session, key.delivery == job.deliveries, holder.isReachable
        else { return }
        job.pendingStart = nil
        guard now < job.expiresAt else {
            count { $0.noGoes += 1 }
            let refusal = BrokerMessage.noGo(key, session: session, reason: .expired, wait: nil)
            effects.append(.order(holder.connection, refusal))
            return
        }
        grant(key, of: job, to: holder, isFirst: !started, since: since, into: &effects)
    }

    // MARK: - Ends of deliveries

    private mutating func terminal(
        _ key: DeliveryKey,
        isReply: Bool,
        worker: WorkerRecord,
        now: Moment,
        into effects: inout [DispatchEffect]
    ) {
        release(key, from: worker)
        defer { dispatch(now: now, into: &effects) }
        guard let job = jobs[key.job], job.isOpen, key.delivery <= job.deliveries else {
            late(key, isReply: isReply, worker: worker, into: &effects)
            return
        }
        if case .leased(let holder, let started, _) = job.phase, holder === worker, key.delivery == job.deliveries {
            guard started || !isReply else {
                // A result without a GO was not bought through the bus; it is not trusted to have been bought at all.
                let error = BusError(.unexpected, "REPLY for \(key) without a GO; START every attempt first")
                effects.append(.order(worker.connection, .error(id: key.bytes, error)))
                effects.append(.order(worker.connection, .acknowledge(key)))
                requeueFree(job, now: now, into: &effects)
                return
            }
        } else {
            // An older delivery. Its reply is paid for and wins if nothing has won yet; its failure decides nothing
            // while a newer delivery may still succeed.
            guard isReply, job.paid.contains(key.delivery) else {
                late(key, isReply: isReply, worker: worker, into: &effects)
                return
            }
            tellHolderToCancel(job, into: &effects)
        }
        end(job, isReply: isReply, brokerClass: nil, now: now, into: &effects)
        perform(.order(worker.connection, .acknowledge(key)), of: job, after: job.endTicket, into: &effects)
    }

    private mutating func late(
        _ key: DeliveryKey,
        isReply: Bool,
        worker: WorkerRecord,
        into effects: inout [DispatchEffect]
    ) {
        count { $0.lateTerminals += 1 }
        let job = jobs[key.job]
        effects.append(.publish(.requestLate(job?.key, key, isReply: isReply)))
        let acknowledgement = DispatchEffect.order(worker.connection, .acknowledge(key))
        if let job, !job.isOpen {
            perform(acknowledgement, of: job, after: job.endTicket, into: &effects)
        } else {
            effects.append(acknowledgement)
        }
    }

    private mutating func takeBack(
        _ key: DeliveryKey,
        reason: ReturnReason,
        worker: WorkerRecord,
        now: Moment,
        into effects: inout [DispatchEffect]
    ) {
        release(key, from: worker)
        switch reason {
        case .draining: worker.isQuiet = true
        case .full: worker.isFull = true
        case .noGo: break
        }
        if let job = jobs[key.job], case .leased(let holder, let started, _) = job.phase, holder === worker,
            key.delivery == job.deliveries
        {
            if now >= job.expiresAt {
                // Most likely the answer to a NOGO of that reason: the worker is not lost.
                endAtDeadline(job, now: now, into: &effects)
            } else if started {
                settleLoss(of: job, worker: worker, countsAsDeath: false, now: now, into: &effects)
            } else {
                requeueFree(job, now: now, into: &effects)
            }
        }
        dispatch(now: now, into: &effects)
    }

    private func release(_ key: DeliveryKey, from worker: WorkerRecord) {
        if worker.held[key.job] == key.delivery { worker.held[key.job] = nil }
    }

    /// The worker that has `job` shall stop; it keeps its place in the worker's capacity until the worker confirms.
    func tellHolderToCancel(_ job: Job, into effects: inout [DispatchEffect]) {
        guard case .leased(let holder, _, _) = job.phase, !holder.isDisconnected else { return }
        effects.append(
            .order(
                holder.connection,
                .cancel(DeliveryKey(job: job.number, delivery: job.deliveries), session: holder.session)
            )
        )
    }
}
