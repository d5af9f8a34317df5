import BusProtocol
import CoreTypes

/// Workers that die, freeze or leave, and what becomes of what they had.
extension Dispatcher {
    /// A closed connection alone is no death, and a vanished process alone may have left messages behind: only both
    /// together are, and then everything it had sent is received before anything is given to another.
    func drainIfDead(_ connection: ConnectionID, into effects: inout [DispatchEffect]) {
        guard let worker = workers[connection], worker.isDisconnected, worker.isProcessGone, !worker.isDraining
        else { return }
        worker.isDraining = true
        effects.append(.drain(connection))
    }

    /// The broker did not listen for so long: nobody's time to be heard has passed meanwhile.
    mutating func stalled(for gap: Duration) {
        for worker in workerOrder { worker.leaseUntil = worker.leaseUntil.advanced(by: gap) }
        guard counters.orphaned > 0 else { return }
        for job in jobs.values {
            if case .orphaned(let until) = job.phase { job.phase = .orphaned(until: until.advanced(by: gap)) }
        }
    }

    /// Gives up `lost` workers. All of them go before anything is handed out again, so that what one of them held does
    /// not pass through the hands of the next.
    mutating func lose(
        _ lost: [WorkerRecord],
        reason: BusEvent.LossReason,
        now: Moment,
        into effects: inout [DispatchEffect]
    ) {
        for worker in lost { remove(worker) }
        for worker in lost {
            let result = loseHeld(of: worker, countsAsDeath: true, now: now, into: &effects)
            effects.append(
                .publish(
                    .workerLost(
                        name: worker.name,
                        pid: worker.pid,
                        reason: reason,
                        requeued: result.requeued,
                        failed: result.failed
                    )
                )
            )
        }
        dispatch(now: now, into: &effects)
    }

    /// Settles every delivery that `worker` still had.
    @discardableResult
    mutating func loseHeld(
        of worker: WorkerRecord,
        countsAsDeath: Bool,
        now: Moment,
        into effects: inout [DispatchEffect]
    ) -> (requeued: Int, failed: Int) {
        var requeued = 0
        var failed = 0
        // Backwards, so that the oldest comes to stand at the head of the queue.
        for (number, delivery) in worker.held.sorted(by: { $0.key > $1.key }) {
            guard let job = jobs[number], case .leased(let holder, _, _) = job.phase, holder === worker,
                job.deliveries == delivery
            else { continue }
            settleLoss(of: job, worker: worker, countsAsDeath: countsAsDeath, now: now, into: &effects)
            if job.isOpen { requeued += 1 } else { failed += 1 }
        }
        worker.held.removeAll()
        return (requeued, failed)
    }

    /// The current delivery of `job` is lost with `worker`.
    mutating func settleLoss(
        of job: Job,
        worker: WorkerRecord,
        countsAsDeath: Bool,
        now: Moment,
        into effects: inout [DispatchEffect]
    ) {
        guard case .leased(_, let started, let since) = job.phase else { return }
        settleLoss(
            of: job,
            workerName: worker.name,
            started: started,
            since: since,
            countsAsDeath: countsAsDeath,
            now: now,
            into: &effects
        )
    }

    /// The current delivery of `job` is lost: `on_loss`, paid deliveries and deaths decide what follows.
    ///
    /// - Parameters:
    ///   - workerName: Empty when the worker of a broker before this one never came back.
    ///   - started: Whether the delivery got a `GO`.
    ///   - since: The begin of the delivery, or of the wait for its worker.
    mutating func settleLoss(
        of job: Job,
        workerName: String,
        started: Bool,
        since: Moment,
        countsAsDeath: Bool,
        now: Moment,
        into effects: inout [DispatchEffect]
    ) {
        job.pendingStart = nil
        count { $0.lostDeliveries += 1 }
        if countsAsDeath { job.deaths += 1 }
        let key = DeliveryKey(job: job.number, delivery: job.deliveries, attempt: started ? job.lastAttempt : 0)
        if job.lost.count < Limits.lostDeliveriesMax {
            job.lost.append(
                LostDelivery(delivery: key.delivery, attempt: key.attempt, held: since.duration(to: now))
            )
        }
        effects.append(.publish(.deliveryLost(job.key, key, worker: workerName)))

        if job.deaths >= configuration.deathsMax {
            end(
                job,
                isReply: false,
                brokerClass: .poison,
                message: "\(job.deaths) workers died while they held this request",
                now: now,
                into: &effects
            )
        } else if started, job.header.onLoss == .fail {
            end(
                job,
                isReply: false,
                brokerClass: .workerLost,
                message: "the worker was lost after a call had begun, and on_loss is fail",
                now: now,
                into: &effects
            )
        } else if started, job.paidDeliveries >= configuration.paidDeliveriesMax {
            end(
                job,
                isReply: false,
                brokerClass: .workerLost,
                message: "\(job.paidDeliveries) workers were lost after a call had begun",
                now: now,
                into: &effects
            )
        } else if started || countsAsDeath {
            requeue(job, now: now, into: &effects)
        } else {
            requeueFree(job, now: now, into: &effects)
        }
        if countsAsDeath, job.isOpen, job.durability == .disk {
            _ = write(.died(job.number, deaths: job.deaths), into: &effects)
        }
    }

    /// Back to the head of the queue, free of charge; a request that nobody takes in the end ends as poison.
    mutating func requeueFree(_ job: Job, now: Moment, into effects: inout [DispatchEffect]) {
        job.returns += 1
        guard job.returns <= configuration.returnsMax else {
            end(
                job,
                isReply: false,
                brokerClass: .poison,
                message: "workers gave the request back \(job.returns) times without starting it",
                now: now,
                into: &effects
            )
            return
        }
        requeue(job, now: now, into: &effects)
    }

    /// Back to the head of the queue, unless the time is over: nobody could begin a call any more.
    private mutating func requeue(_ job: Job, now: Moment, into effects: inout [DispatchEffect]) {
        guard now < job.expiresAt else {
            endAtDeadline(job, now: now, into: &effects)
            return
        }
        if case .orphaned = job.phase { counters.orphaned -= 1 } else { counters.leased -= 1 }
        counters.queued += 1
        queue.push(job, atHead: true)
    }
}
