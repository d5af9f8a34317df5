import BusProtocol
import CoreTypes

/// Who gets the next request.
extension Dispatcher {
    /// Workers looked at for one request; above this number a sample is taken.
    private static var scanMax: Int { 64 }
    /// Largest step. A worker spends about 0.2 ms of a processor on a request.
    private static var stepMax: UInt64 { 128 }

    /// Sets the step by what has ended since the last beat.
    mutating func noteRate() {
        let ended = counters.replied + counters.failed
        let beat = UInt64(max(1, configuration.beatInterval.wholeMilliseconds))
        // An end that the journal could not keep is taken back.
        let rate = (ended - min(ended, endedAtBeat)) * 1000 / beat
        step = Int(min(Self.stepMax, max(1, rate / 32)))
        endedAtBeat = ended
    }

    /// Hands out what waits, as far as credit reaches.
    mutating func dispatch(now: Moment, into effects: inout [DispatchEffect]) {
        while !queue.isEmpty {
            guard let turn = queue.next(), let worker = chooseWorker(for: turn.job, now: now) else { return }
            guard now < turn.job.expiresAt else {
                // Its timer is due in this same turn. Ending takes it out of the queue, and its tenant still has its turn.
                endAtDeadline(turn.job, now: now, into: &effects)
                continue
            }
            queue.take(turn)
            deliver(turn.job, to: worker, now: now, into: &effects)
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

    /// Who among those with credit gets a request: the worker with the lowest load, counted in steps, and of those on one
    /// step the one that has most. Workers with nothing to do take turns, so that none that fails at once gets
    /// everything. One that was silent for two beats may be frozen and comes last.
    ///
    /// A step is what the bus ends in 1/32 s. With thousands of short calls a second, a few workers that have much to do
    /// at once need fewer wake-ups, and fewer connections to providers, than many with little. With calls of seconds a
    /// step is one request: they are spread as widely as can be, because who shares a worker shares its death. For the
    /// same reason requests that lost a worker before are always spread: one of them may have been the cause.
    ///
    /// While another worker is at full speed, a new one counts with a part of its capacity that grows over ten seconds,
    /// so that it does not get the whole backlog at once; a pool that starts together has nobody to spare it and is not
    /// held back. Of many workers a sample is compared, but as long as anyone has room, someone is found.
    private mutating func chooseWorker(for job: Job, now: Moment) -> WorkerRecord? {
        let total = workerOrder.count
        guard total > 0 else { return nil }
        let share = configuration.slowStartShare
        let step = job.deaths > 0 ? 1 : self.step
        let leaseWhenSilent = now.advanced(by: configuration.lease - configuration.beatInterval * 2)
        let start = total > Self.scanMax ? Int(random.next() % UInt64(total)) : rotation % total
        var plain = Candidate()
        var spared = Candidate()
        var hasWarm = false
        for offset in 0..<total {
            if offset >= Self.scanMax, (hasWarm ? spared : plain).worker != nil { break }
            let index = (start + offset) % total
            let worker = workerOrder[index]
            let warmth = worker.warmth(now: now, share: share)
            if warmth >= 1, worker.isReachable, !worker.isQuiet { hasWarm = true }
            guard worker.credit > 0 else { continue }
            let isSilent = worker.leaseUntil < leaseWhenSilent
            plain.compare(worker, isSilent: isSilent, room: Double(worker.capacity), step: step, index: index)
            let room = max(1, Double(worker.capacity) * warmth)
            if Double(worker.held.count) < room {
                spared.compare(worker, isSilent: isSilent, room: room, step: step, index: index)
            }
        }
        let best = hasWarm ? spared : plain
        if let worker = best.worker {
            rotation = best.index + 1
            return worker
        }
        if plain.worker != nil, !warmUpIsPending {
            warmUpIsPending = true
            timers.add(.warmUp, due: now.advanced(by: .milliseconds(100)))
        }
        return nil
    }

    /// The best worker so far; the first one of equals.
    private struct Candidate {
        var worker: WorkerRecord?
        var index = 0
        /// Whether it is silent, its load in steps, and what it has; the lowest is the best.
        private var rank = (1, Double.infinity, 0)

        mutating func compare(
            _ other: WorkerRecord,
            isSilent: Bool,
            room: Double,
            step: Int,
            index otherIndex: Int
        ) {
            let held = other.held.count
            let rest = held % min(step, max(1, other.capacity / 2))
            let otherRank = (isSilent ? 1 : 0, Double(held - rest) / room, -held)
            guard worker == nil || otherRank < rank else { return }
            worker = other
            index = otherIndex
            rank = otherRank
        }
    }
}
