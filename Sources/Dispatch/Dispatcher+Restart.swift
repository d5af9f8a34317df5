public import BusProtocol
public import CoreTypes

/// A request that the journal kept through the end of a broker.
public struct RestoredRequest: Sendable {
    /// How it ended.
    public struct Ending: Sendable, Hashable {
        /// `REPLY` or `FAILURE`.
        public var isReply: Bool
        /// The class when the broker ended it.
        public var brokerClass: FailureClass?
        /// When it ended.
        public var at: Moment

        /// Makes an ending.
        public init(isReply: Bool, brokerClass: FailureClass?, at: Moment) {
            self.isReply = isReply
            self.brokerClass = brokerClass
            self.at = at
        }
    }

    /// Its number.
    public var number: JobNumber
    /// What it is.
    public var facts: AcceptedFacts
    /// When it was accepted; before the start of this process, so before the origin of its clock perhaps.
    public var acceptedAt: Moment
    /// Its deadline.
    public var expiresAt: Moment
    /// The attempts that a worker asked to begin, oldest first.
    public var started: [DeliveryKey]
    /// Workers that died while they held it.
    public var deaths: Int
    /// Its terminal; nil while it is open.
    public var ending: Ending?

    /// Makes a request as it was restored.
    public init(
        number: JobNumber,
        facts: AcceptedFacts,
        acceptedAt: Moment,
        expiresAt: Moment,
        started: [DeliveryKey] = [],
        deaths: Int = 0,
        ending: Ending? = nil
    ) {
        self.number = number
        self.facts = facts
        self.acceptedAt = acceptedAt
        self.expiresAt = expiresAt
        self.started = started
        self.deaths = deaths
        self.ending = ending
    }
}

/// What comes back with a restart. To be told before the first event, requests in the order of their numbers.
extension Dispatcher {
    /// Takes back a request that the journal kept. What was not begun waits for any worker; what was begun waits for its
    /// own for a while, because it may have been paid for; what has ended waits for its `ACK`.
    public mutating func restore(_ request: RestoredRequest, now: Moment) {
        let job = Job(
            number: request.number,
            key: request.facts.key,
            header: request.facts.header,
            body: request.facts.body,
            durability: .disk,
            acceptedAt: request.acceptedAt,
            expiresAt: request.expiresAt,
            ttl: request.facts.ttl,
            connection: nil
        )
        precondition(jobs[job.number] == nil && numbers[job.key] == nil, "job \(job.number) was restored twice")
        job.origin = job.number.value > numberBaseBefore ? .lastBroker : .earlier
        jobs[job.number] = job
        numbers[job.key] = job.number
        noteRecent(job.number)
        jobLast = max(jobLast, job.number.value)
        job.deaths = request.deaths
        for attempt in request.started {
            job.deliveries = max(job.deliveries, attempt.delivery)
            job.lastAttempt = max(job.lastAttempt, attempt.attempt)
            // Attempts are numbered through; of each delivery the last one is known.
            job.attempts = max(job.attempts, attempt.attempt)
            if !job.paid.contains(attempt.delivery) { job.paid.append(attempt.delivery) }
        }
        if let ending = request.ending {
            job.phase = .ended(isReply: ending.isReply, ending.brokerClass)
            counters.kept += 1
            timers.add(.ttl(job.number), due: ending.at.advanced(by: job.ttl))
            return
        }
        counters.openBytes += job.body.byteCount
        tenants.restore(job.key.tenant, bytes: job.body.byteCount, now: now)
        counters.tenants = tenants.activeCount
        timers.add(.deadline(job.number), due: job.expiresAt)
        if job.paid.isEmpty {
            counters.queued += 1
            queue.push(job)
        } else {
            let until = now.advanced(by: configuration.orphanWait)
            job.phase = .orphaned(until: until)
            counters.orphaned += 1
            timers.add(.orphan(job.number), due: until)
        }
    }

    /// Numbers go on above this one, which a broker before gave; the last one had `epochLast`. To be told before requests.
    public mutating func restore(numberLast: JobNumber, epochLast: Int64) {
        jobLast = max(jobLast, numberLast.value)
        numberBaseBefore = Self.numberBase(epoch: epochLast)
    }

    /// Takes back an id whose terminal is gone, known until `due`.
    public mutating func restoreForgotten(_ key: RequestKey, body: BodyHash, until due: Moment) {
        tombstones.add(key, body: body, until: due)
    }

    /// Ends a restored request whose body the journal has lost: nobody can run it, and nobody can say more of the calls that
    /// were begun than that they were. To be told after all is restored and before the first event.
    ///
    /// - Parameter why: What is wrong with the journal, for people.
    public mutating func endDamaged(
        _ number: JobNumber,
        why: String,
        now: Moment,
        into effects: inout [DispatchEffect]
    ) {
        guard let job = jobs[number], job.isOpen else { return }
        end(
            job,
            isReply: false,
            brokerClass: .workerLost,
            message: "the broker's journal was damaged and cannot give this request to a worker any more: \(why)",
            now: now,
            into: &effects
        )
    }

    /// The worker of an orphan did not come back.
    mutating func orphanWaitedEnough(_ number: JobNumber, now: Moment, into effects: inout [DispatchEffect]) {
        guard let job = jobs[number], case .orphaned(let until) = job.phase else { return }
        guard until <= now else {
            timers.add(.orphan(number), due: until)
            return
        }
        settleLoss(
            of: job,
            workerName: "",
            started: true,
            since: until.advanced(by: .zero - configuration.orphanWait),
            countsAsDeath: false,
            now: now,
            into: &effects
        )
        dispatch(now: now, into: &effects)
    }
}
