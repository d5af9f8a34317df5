import BusProtocol
import CoreTypes

/// Who gets the next request.
extension Dispatcher {
    /// Workers looked at for one request; above this number a sample is taken.
    private static var scanMax: Int { 64 }

    /// Hands out what waits, as far as credit reaches.
    mutating func dispatch(now: Moment, into effects: inout [DispatchEffect]) {
        while !queue.isEmpty {
            guard let worker = chooseWorker(now: now) else { return }
            guard let job = queue.pop() else { return }
            deliver(job, to: worker, now: now, into: &effects)
        }
    }

    private mutating func deliver(
        _ job: Job,
        to worker: WorkerRecord,
        now: Moment,
        into effects: inout [DispatchEffect]
    ) {
        job.deliveries += 1
        job.firstDeliveredAt = job.firstDeliveredAt ?? now
        job.phase = .leased(worker, started: false, since: now)
        worker.sentTotal += 1
        worker.held[job.number] = job.deliveries
        count {
            $0.queued -= 1
            $0.leased += 1
            $0.deliveries += 1
        }
        effects.append(
            .deliver(
                worker.connection,
                DeliveryKey(job: job.number, delivery: job.deliveries),
                JobHeader(
                    session: worker.session,
                    tenant: job.key.tenant,
                    id: job.key.id,
                    task: job.header.task,
                    firstAttempt: job.lastAttempt + 1,
                    remaining: max(.zero, now.duration(to: job.expiresAt)),
                    waited: job.acceptedAt.duration(to: now),
                    stream: job.header.stream,
                    lost: job.lost
                )
            )
        )
    }

    /// The worker with the lowest load among those with credit; ties go round.
    ///
    /// A new worker counts with a part of its capacity that grows over ten seconds, so that it does not get the whole
    /// backlog at once; a pool that starts together has nobody to spare it and is not held back.
    private mutating func chooseWorker(now: Moment) -> WorkerRecord? {
        let total = workerOrder.count
        guard total > 0 else { return nil }
        let share = configuration.slowStartShare
        let sampled = total > Self.scanMax
        let looks = sampled ? Self.scanMax : total
        var start = rotation % total
        if sampled { start = Int(random.next() % UInt64(total)) }
        var best: WorkerRecord?
        var bestLoad = Double.infinity
        var bestIndex = 0
        var cold: WorkerRecord?
        var hasWarm = false
        for offset in 0..<looks {
            let index = (start + offset) % total
            let worker = workerOrder[index]
            let warmth = worker.warmth(now: now, share: share)
            if warmth >= 1, !worker.isDisconnected { hasWarm = true }
            guard worker.credit > 0 else { continue }
            let room = max(1, Double(worker.capacity) * warmth)
            guard Double(worker.held.count) < room else {
                cold = cold ?? worker
                continue
            }
            let load = Double(worker.held.count) / room
            if load < bestLoad {
                best = worker
                bestLoad = load
                bestIndex = index
            }
        }
        if let best {
            rotation = bestIndex + 1
            return best
        }
        guard let cold else { return nil }
        guard hasWarm else { return cold }
        if !warmUpIsPending {
            warmUpIsPending = true
            timers.add(.warmUp, due: now.advanced(by: .milliseconds(100)))
        }
        return nil
    }
}
