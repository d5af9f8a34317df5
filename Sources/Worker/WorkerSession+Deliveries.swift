import BusProtocol
import CoreTypes
import Dialects
import Resilience

// What becomes of the deliveries.
extension WorkerSession {
    // MARK: Inputs of the shell

    /// The call of `attempt` ended; of one that nobody waits for any more nothing comes.
    mutating func callEnded(
        _ key: DeliveryKey,
        attempt: UInt32,
        _ result: CallResult,
        _ time: WorkerTime,
        into effects: inout [WorkerEffect]
    ) {
        guard isCalling(key, attempt: attempt) else { return }
        switch result {
        case .answered(let summary, let body):
            deliveries[key]?.answer = body
            step(key, .attemptSucceeded(summary), time, into: &effects)
        case .failed(let failure):
            step(key, .attemptFailed(failure), time, into: &effects)
        }
        settleDrain(into: &effects)
    }

    /// True while the call of `attempt` is wanted.
    func isCalling(_ key: DeliveryKey, attempt: UInt32) -> Bool {
        guard let delivery = deliveries[key] else { return false }
        return delivery.lastAttempt == attempt && delivery.engine?.currentAttempt == attempt
    }

    /// The moment that ``WorkerEffect/wake(_:at:)`` named has come.
    mutating func woken(_ key: DeliveryKey, _ time: WorkerTime, into effects: inout [WorkerEffect]) {
        deliveries[key]?.wakesAt = nil
        step(key, .timerFired, time, into: &effects)
        settleDrain(into: &effects)
    }

    // MARK: Messages of the broker

    /// A `JOB` of this session.
    mutating func take(
        _ key: DeliveryKey,
        _ header: JobHeader,
        _ body: Bytes,
        _ time: WorkerTime,
        into effects: inout [WorkerEffect]
    ) {
        let whole = key.wholeDelivery
        guard deliveries[whole] == nil else { return }
        guard !isDraining else { return giveBack(whole, .draining, into: &effects) }
        guard deliveries.count < capacity else { return giveBack(whole, .full, into: &effects) }
        let delivery = Delivery(key, header, body: body)
        deliveries[whole] = delivery
        do {
            let request = try ChatRequest(body)
            delivery.engine = CallEngine(
                chain: try rules.chain(of: request),
                policy: rules.policy,
                deadline: time.now.advanced(by: header.remaining),
                firstAttempt: header.firstAttempt,
                delivery: key.delivery,
                queued: header.waited,
                lostDeliveries: header.lost
            )
            delivery.request = request
        } catch {
            refuse(delivery, header, error, into: &effects)
            return
        }
        step(whole, .start, time, into: &effects)
    }

    /// `GO` or `NOGO`.
    mutating func answered(
        _ key: DeliveryKey,
        _ input: CallInput,
        _ time: WorkerTime,
        into effects: inout [WorkerEffect]
    ) {
        let whole = key.wholeDelivery
        guard let delivery = deliveries[whole], delivery.asked == key.attempt else { return }
        delivery.asked = nil
        step(whole, input, time, into: &effects)
    }

    /// The broker has the terminal.
    mutating func acknowledged(_ key: DeliveryKey) {
        if deliveries[key]?.terminal != nil { deliveries[key] = nil }
    }

    // MARK: Steps

    /// Gives the engine of a delivery one input and carries out what it says.
    mutating func step(
        _ key: DeliveryKey,
        _ input: CallInput,
        _ time: WorkerTime,
        into effects: inout [WorkerEffect]
    ) {
        guard let delivery = deliveries[key] else { return }
        let told = delivery.engine?.trail.entries.count ?? 0
        guard let step = delivery.engine?.handle(input, now: time.now, random: &random) else { return }
        tellAttempts(of: delivery, from: told, time, into: &effects)
        noteTroubles(of: delivery, from: told, into: &effects)
        switch step {
        case .requestGo(let plan):
            if isOpen { ask(plan, for: delivery, into: &effects) }
        case .startCall(let plan):
            delivery.lastAttempt = plan.attempt
            effects.append(.call(key, plan))
        case .abortCall(let outcome):
            effects.append(.abort(key))
            end(delivery, outcome, into: &effects)
        case .finish(let outcome):
            end(delivery, outcome, into: &effects)
        case .wait, .ignore:
            break
        }
        setWake(delivery, into: &effects)
    }

    /// Asks leave for an attempt. Without a session the question waits for the next one.
    mutating func ask(_ plan: AttemptPlan, for delivery: Delivery, into effects: inout [WorkerEffect]) {
        let key = delivery.key
        if isDraining, delivery.isReturnable { return giveBack(key, .draining, into: &effects) }
        delivery.asked = plan.attempt
        let start = DeliveryKey(job: key.job, delivery: key.delivery, attempt: plan.attempt)
        effects.append(.send(WorkerMessage.start(start).encoded(header: rules.lane(of: plan.model).encoded)))
    }

    private mutating func setWake(_ delivery: Delivery, into effects: inout [WorkerEffect]) {
        // One that was given back meanwhile has no timer any more.
        guard !delivery.isForgotten else { return }
        let next = delivery.engine?.nextTimer
        guard next != delivery.wakesAt else { return }
        delivery.wakesAt = next
        effects.append(.wake(delivery.key, at: next))
    }

    /// Publishes the attempts that the trail got since it had `told` entries. Without a session nobody can be told; the
    /// trail in the call record has them all the same.
    private func tellAttempts(
        of delivery: Delivery,
        from told: Int,
        _ time: WorkerTime,
        into effects: inout [WorkerEffect]
    ) {
        guard isOpen, let entries = delivery.engine?.trail.entries, entries.count > told else { return }
        for case .attempt(let record) in entries.dropFirst(told) {
            let event = AttemptEvent(
                tenant: delivery.tenant,
                id: delivery.id,
                task: delivery.task,
                worker: name,
                record: record,
                wallNow: time.wall
            )
            effects.append(.send(WorkerMessage.event(.attempt).encoded(header: event.json)))
        }
    }

    /// Tells the operator what only the operator can mend. The trail shows it to the agent, who seldom looks at a reply.
    private mutating func noteTroubles(of delivery: Delivery, from told: Int, into effects: inout [WorkerEffect]) {
        guard let entries = delivery.engine?.trail.entries, entries.count > told else { return }
        for entry in entries.dropFirst(told) {
            if let note = troubles.note(for: entry, keyWords: rules.keyWords) { effects.append(.note(note)) }
        }
    }

    // MARK: Ends

    private mutating func end(_ delivery: Delivery, _ outcome: CallOutcome, into effects: inout [WorkerEffect]) {
        let key = delivery.key
        let primary = delivery.engine?.chain.primary
        switch outcome {
        case .success(let reply, let meta):
            guard let answer = delivery.answer else {
                preconditionFailure("delivery \(key) was answered without a body")
            }
            let record = CallRecord(primary: primary, called: meta.resolvedModel, reply: reply, meta: meta)
            let header = ReplyHeader(meta: Bytes(meta.json)).encoded
            let message = WorkerMessage.reply(key).encoded(header: header, body: [Bytes(record.json), answer])
            finish(delivery, message, into: &effects)
        case .failure(let failure):
            fail(delivery, failure, primary: primary, into: &effects)
        case .abandoned:
            // Says that the place is free; the broker has nobody waiting for the delivery.
            giveBack(key, .noGo, into: &effects)
        }
    }

    /// Ends a delivery whose body no provider could answer.
    private mutating func refuse(
        _ delivery: Delivery,
        _ header: JobHeader,
        _ error: any Error,
        into effects: inout [WorkerEffect]
    ) {
        let (failureClass, message): (FailureClass, String) =
            switch error {
            case let error as DialectError: (error.failureClass, error.message)
            case let error as ResilienceError:
                (error.code == .unknownModel ? .unknownModel : .invalidRequest, error.message)
            default: (.invalidRequest, "\(error)")
            }
        let trail = Trail(
            lostDeliveries: header.lost,
            earlierAttempts: Int(max(header.firstAttempt, 1)) - 1,
            queued: header.waited
        )
        let meta = CallMeta(trail: trail, deliveries: Int(delivery.key.delivery), spent: .zero)
        fail(delivery, CallFailure(failureClass, message: message, meta: meta), primary: nil, into: &effects)
    }

    private mutating func fail(
        _ delivery: Delivery,
        _ failure: CallFailure,
        primary: ModelName?,
        into effects: inout [WorkerEffect]
    ) {
        let header = FailureHeader(
            failure.failureClass,
            message: failure.message,
            status: failure.httpStatus,
            model: failure.model?.description,
            providerError: failure.providerError.map { Bytes($0) },
            // The class that is shown speaks of one attempt; another may have cost something, or none was sent.
            billed: failure.meta.trail.mayBeBilled ? .maybe : .no,
            meta: Bytes(failure.meta.json)
        )
        let record = CallRecord(
            primary: primary,
            called: failure.model ?? failure.meta.trail.lastAttempt?.model,
            failure: failure.failureClass,
            meta: failure.meta
        )
        let message = WorkerMessage.failure(delivery.key).encoded(header: header.encoded, body: [Bytes(record.json)])
        finish(delivery, message, into: &effects)
    }

    /// Keeps the terminal until it is acknowledged.
    private mutating func finish(
        _ delivery: Delivery,
        _ terminal: OutgoingMessage,
        into effects: inout [WorkerEffect]
    ) {
        delivery.terminal = terminal
        delivery.engine = nil
        delivery.request = nil
        delivery.answer = nil
        delivery.asked = nil
        if isOpen { effects.append(.send(terminal)) }
    }

    /// Gives a delivery back without a terminal.
    mutating func giveBack(_ key: DeliveryKey, _ reason: ReturnReason, into effects: inout [WorkerEffect]) {
        if isOpen { effects.append(.send(WorkerMessage.returned(key, reason: reason).encoded())) }
        if reason == .full { account.saidFull() }
        remove(key, into: &effects)
    }

    /// Lets go of a delivery that belongs to somebody else, or to nobody.
    mutating func forget(_ key: DeliveryKey, into effects: inout [WorkerEffect]) {
        guard let delivery = deliveries[key] else { return }
        if delivery.terminal == nil, delivery.lastAttempt > 0 { effects.append(.abort(key)) }
        remove(key, into: &effects)
    }

    private mutating func remove(_ key: DeliveryKey, into effects: inout [WorkerEffect]) {
        guard let delivery = deliveries.removeValue(forKey: key) else { return }
        delivery.isForgotten = true
        if delivery.wakesAt != nil { effects.append(.wake(key, at: nil)) }
    }
}
