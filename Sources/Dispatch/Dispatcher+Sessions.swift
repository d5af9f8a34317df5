import BusProtocol
import CoreTypes

/// Workers that come, and what of their deliveries they keep.
extension Dispatcher {
    mutating func join(
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
}
