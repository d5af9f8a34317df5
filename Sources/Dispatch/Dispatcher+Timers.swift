import BusProtocol
import CoreTypes

/// What time brings.
extension Dispatcher {
    mutating func runTimers(now: Moment, into effects: inout [DispatchEffect]) {
        while let purpose = timers.popDue(now: now) {
            switch purpose {
            case .deadline(let number):
                deadlinePassed(number, now: now, into: &effects)
            case .ttl(let number):
                guard let job = jobs[number], !job.isOpen else { continue }
                guard gate.isOpen(job.endTicket) else {
                    timers.add(.ttl(number), due: now.advanced(by: configuration.beatInterval))
                    continue
                }
                forget(job, now: now, into: &effects)
            case .wait(let number, let ticket):
                guard let job = jobs[number],
                    let index = job.listeners.firstIndex(where: { $0.waitTicket == ticket })
                else { continue }
                let path = job.listeners.remove(at: index).path
                sendState(of: job, to: path, now: now, into: &effects)
                if !job.listeners.contains(where: { $0.path.connection == path.connection }),
                    job.cancelledWith != path.connection
                {
                    detach(path.connection, from: job)
                }
            case .orphan(let number):
                orphanWaitedEnough(number, now: now, into: &effects)
            case .beat:
                beat(now: now, into: &effects)
            case .warmUp:
                warmUpIsPending = false
                dispatch(now: now, into: &effects)
            }
        }
    }

    /// A queued request ends at its deadline. A worker keeps the deadline itself and tells how it came about, so one that
    /// has the request gets a moment more; it gets no `GO` in that time.
    private mutating func deadlinePassed(_ number: JobNumber, now: Moment, into effects: inout [DispatchEffect]) {
        guard let job = jobs[number], job.isOpen else { return }
        if case .orphaned(let until) = job.phase {
            // Its worker may come back with the result in time; the orphan's own end sees to the deadline.
            timers.add(.deadline(number), due: max(until, now.advanced(by: configuration.beatInterval)))
            return
        }
        let last = job.expiresAt.advanced(by: configuration.deadlineGrace)
        if case .leased = job.phase, now < last {
            timers.add(.deadline(number), due: last)
            return
        }
        tellHolderToCancel(job, into: &effects)
        endAtDeadline(job, now: now, into: &effects)
    }

    /// Ends `job` because its time is over.
    mutating func endAtDeadline(_ job: Job, now: Moment, into effects: inout [DispatchEffect]) {
        end(
            job,
            isReply: false,
            brokerClass: .deadline,
            message: "the deadline of \(job.header.deadline.wholeMilliseconds) ms passed",
            now: now,
            into: &effects
        )
    }

    private mutating func beat(now: Moment, into effects: inout [DispatchEffect]) {
        timers.add(.beat, due: now.advanced(by: configuration.beatInterval))
        tombstones.expire(now: now)
        noteRate()
        // A worker that is being drained is dead; its end comes with the last of what it had sent.
        let lost = workerOrder.filter { $0.leaseUntil <= now && !$0.isDraining }
        for worker in lost where !worker.isDisconnected {
            effects.append(.order(worker.connection, .beat(.rejoin)))
        }
        for worker in workerOrder { worker.isFull = false }
        lose(lost, reason: .lease, now: now, into: &effects)
        for worker in workerOrder where !worker.isDisconnected {
            effects.append(.order(worker.connection, .beat(worker.isQuiet ? .quiet : .run)))
        }
    }
}
