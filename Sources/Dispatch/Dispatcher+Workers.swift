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
