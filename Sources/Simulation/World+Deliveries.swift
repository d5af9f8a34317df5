import BusProtocol
import CoreTypes
import Dispatch
import Journal
import Resilience

/// What workers do with deliveries, and what providers answer.
extension World {
    /// Odds that a worker finds it has no room after all.
    private static var fullOdds: Double { 0.01 }

    func take(_ key: DeliveryKey, _ header: JobHeader, _ body: BodyFacts, at worker: Worker) {
        worker.received += 1
        if worker.received > worker.granted || worker.deliveries.count >= worker.capacity {
            referee.fail(
                "credit is kept",
                "\(worker.name) got JOB \(key), the \(worker.received). of \(worker.granted) granted, "
                    + "holding \(worker.deliveries.count) of \(worker.capacity)"
            )
            return
        }
        if worker.isDraining || random.chance(Self.fullOdds) {
            say(.returned(key, reason: worker.isDraining ? .draining : .full), worker)
            return grant(worker)
        }
        guard let chain = chain() else { return }
        let engine = CallEngine(
            chain: chain,
            policy: scenario.policy,
            deadline: now.advanced(by: header.remaining),
            firstAttempt: header.firstAttempt,
            delivery: key.delivery,
            queued: header.waited,
            lostDeliveries: header.lost
        )
        let delivery = Delivery(key: key.wholeDelivery, body: body, engine: engine)
        worker.deliveries.append(delivery)
        step(delivery, .start, at: worker)
    }

    private func chain() -> ModelChain? {
        let links = (0..<1 + random.below(3)).map { index in
            let skip: SkipReason? = random.chance(0.05) ? .noKey : nil
            return ModelChain.Link(ModelName(provider: "p\(index)", model: "m"), facts: ModelFacts(skip: skip))
        }
        return try? ModelChain(links)
    }

    // MARK: - Steps

    func answered(_ key: DeliveryKey, _ input: CallInput, at worker: Worker) {
        guard let delivery = worker.delivery(key), delivery.asked == key.attempt else { return }
        delivery.asked = nil
        step(delivery, input, at: worker)
    }

    func timerFired(_ delivery: Delivery, at worker: Worker) {
        guard let due = delivery.timerAt, now >= due, worker.deliveries.contains(where: { $0 === delivery }) else {
            return
        }
        delivery.timerAt = nil
        step(delivery, .timerFired, at: worker)
    }

    func callEnded(_ delivery: Delivery, call: Int, at worker: Worker) {
        guard delivery.call == call, worker.deliveries.contains(where: { $0 === delivery }) else { return }
        delivery.call = nil
        step(delivery, delivery.callResult, at: worker)
    }

    func step(_ delivery: Delivery, _ input: CallInput, at worker: Worker) {
        guard delivery.terminal == nil else { return }
        let step = delivery.engine.handle(input, now: now, random: &random)
        if let broken = delivery.watch.check(input, step, nextTimer: delivery.engine.nextTimer, now: now) {
            referee.fail(broken.rule, "\(delivery.key) at \(worker.name): \(broken.message)")
        }
        switch step {
        case .requestGo(let plan):
            if worker.isOpen { ask(plan, for: delivery, at: worker) }
        case .startCall(let plan):
            call(plan, for: delivery, at: worker)
        case .finish(let outcome), .abortCall(let outcome):
            delivery.call = nil
            end(delivery, outcome, at: worker)
        case .wait, .ignore:
            break
        }
        if delivery.terminal == nil, let due = delivery.engine.nextTimer, due != delivery.timerAt {
            delivery.timerAt = due
            schedule.add(.workerTimer(worker, delivery), at: max(now, due))
        }
    }

    func ask(_ plan: AttemptPlan, for delivery: Delivery, at worker: Worker) {
        delivery.asked = plan.attempt
        say(.start(delivery.key.with(attempt: plan.attempt)), worker)
    }

    private func end(_ delivery: Delivery, _ outcome: CallOutcome, at worker: Worker) {
        let terminal: StoredTerminal
        switch outcome {
        case .success:
            let tag = nextTag()
            let body = filler(UInt64(terminalTagLast), byteCount: terminalTagLast * 977 % 9000)
            terminal = StoredTerminal(.reply, header: tag, body: body)
        case .failure: terminal = StoredTerminal(.failure, header: nextTag())
        case .abandoned:
            worker.remove(delivery)
            if worker.isOpen { say(.returned(delivery.key, reason: .noGo), worker) }
            grant(worker)
            return leaveIfDrained(worker)
        }
        delivery.terminal = terminal
        if worker.isOpen { sendTerminal(terminal, of: delivery, at: worker) }
    }

    func sendTerminal(_ terminal: StoredTerminal, of delivery: Delivery, at worker: Worker) {
        say(terminal.outcome == .reply ? .reply(delivery.key) : .failure(delivery.key), worker, terminal)
    }

    // MARK: - Providers

    private func call(_ plan: AttemptPlan, for delivery: Delivery, at worker: Worker) {
        delivery.lastAttempt = plan.attempt
        statistics.calls += 1
        trace.note(now, "\(worker.name) calls \(plan.model) for \(delivery.key.with(attempt: plan.attempt))")
        referee.callBegan(delivery.key.with(attempt: plan.attempt), by: worker.number)
        worker.callLast += 1
        delivery.call = worker.callLast
        var time = random.duration(.milliseconds(5), scenario.callTimeMax)
        delivery.callResult = result()
        if random.chance(scenario.silenceOdds) { time = .seconds(3600) }
        if time >= plan.timers.attempt {
            time = plan.timers.attempt
            delivery.callResult = .attemptFailed(AttemptFailure(.localTimeout, message: "no answer in time"))
        }
        schedule.add(.callEnds(worker, delivery, call: worker.callLast), at: now.advanced(by: time))
    }

    private func result() -> CallInput {
        guard random.chance(scenario.failureOdds) else { return .attemptSucceeded(ReplySummary()) }
        let classes: [FailureClass] = [
            .rateLimited, .rateLimited, .overloaded, .overloaded, .serverError, .serverError, .badGateway, .timeout,
            .connection, .malformedResponse, .auth, .notFound, .invalidRequest, .contextLength, .contentPolicy,
            .quotaExhausted,
        ]
        let hint: Duration? = random.chance(0.3) ? random.duration(.zero, .seconds(4)) : nil
        return .attemptFailed(AttemptFailure(classes[random.below(classes.count)], hint: hint, message: "scripted"))
    }
}

extension DeliveryKey {
    /// The same delivery with `attempt`.
    func with(attempt: UInt32) -> DeliveryKey { DeliveryKey(job: job, delivery: delivery, attempt: attempt) }
}
