import BusProtocol
import CoreTypes

/// The money rule: no model is called without a `GO`.
extension Dispatcher {
    mutating func start(
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
}
