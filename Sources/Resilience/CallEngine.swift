public import BusProtocol
public import CoreTypes

/// Drives one delivery of a request through its chain of models: asks leave for every attempt, decides after every
/// failure, keeps one deadline over all of it.
///
/// Pure: it makes no call, reads no clock and rolls no dice of its own. The shell gives inputs, carries out the one
/// step that each of them returns, and gives `timerFired` at ``nextTimer``. A delivery ends with the first `finish` or
/// `abortCall`; every later input is ignored.
///
/// States: idle → asking ⇄ holding, asking → calling → (backing off →) asking, and from each of them → ended.
public struct CallEngine: Sendable {
    private enum State: Sendable {
        /// Before `start`.
        case idle
        /// Waits for `GO` or `NOGO`.
        case asking(AttemptPlan)
        /// The broker put the attempt off; asks again at `until`.
        case holding(since: Moment, until: Moment)
        /// A call is open.
        case calling(AttemptPlan, since: Moment)
        /// Waits before the next attempt at the same model.
        case backingOff(since: Moment, until: Moment)
        /// Has given its outcome.
        case ended
    }

    /// The models.
    public let chain: ModelChain
    /// The rules.
    public let policy: RetryPolicy
    /// The end of the request's time: no wait and no attempt reaches beyond it.
    public let deadline: Moment
    /// What happened so far. Its last entry is new when a step followed the end of an attempt.
    public private(set) var trail: Trail

    /// Shortest wait before the broker is asked again, so that a `NOGO` without a wait is no busy loop.
    public static let holdMin: Duration = .milliseconds(100)

    private let delivery: UInt32
    private var state = State.idle
    private var started: Moment?
    private var link = 0
    private var modelAttempts = 0
    private var attemptNext: UInt32
    private var contextWindowTooSmall: Int?
    private var shown: (model: ModelName, failure: AttemptFailure)?

    /// Makes the engine of one delivery.
    ///
    /// - Parameters:
    ///   - chain: The models in order.
    ///   - policy: The rules; must have passed ``RetryPolicy/validate()``.
    ///   - deadline: When the request expires.
    ///   - firstAttempt: Number of the first attempt; attempts of a request count from 1 across its deliveries.
    ///   - delivery: Number of this delivery, from 1.
    ///   - queued: Time from the acceptance of the request to this delivery.
    ///   - lostDeliveries: The deliveries that were lost before, for the trail.
    public init(
        chain: ModelChain,
        policy: RetryPolicy,
        deadline: Moment,
        firstAttempt: UInt32 = 1,
        delivery: UInt32 = 1,
        queued: Duration = .zero,
        lostDeliveries: [LostDelivery] = []
    ) {
        self.chain = chain
        self.policy = policy
        self.deadline = deadline
        self.delivery = delivery
        // A number from outside: leave room for every attempt that the chain can need.
        attemptNext = min(max(firstAttempt, 1), .max - 1024)
        trail = Trail(
            lostDeliveries: lostDeliveries,
            earlierAttempts: Int(max(firstAttempt, 1)) - 1,
            queued: queued
        )
    }

    /// When the shell must give `timerFired`; nil before the start and after the end.
    public var nextTimer: Moment? {
        switch state {
        case .idle, .ended: nil
        case .asking, .calling: deadline
        case .holding(_, let until), .backingOff(_, let until): until
        }
    }

    /// True once the outcome was given.
    public var isEnded: Bool {
        if case .ended = state { true } else { false }
    }

    /// The attempt that is asked for or called now; nil in the waits between.
    public var currentPlan: AttemptPlan? {
        switch state {
        case .asking(let plan), .calling(let plan, _): plan
        case .idle, .holding, .backingOff, .ended: nil
        }
    }

    /// The number of ``currentPlan``'s attempt.
    public var currentAttempt: UInt32? {
        switch state {
        case .asking(let plan), .calling(let plan, _): plan.attempt
        case .idle, .holding, .backingOff, .ended: nil
        }
    }

    /// Takes one input and returns what to do.
    ///
    /// - Parameters:
    ///   - now: Must not run backwards between calls.
    ///   - random: The source of jitter.
    public mutating func handle(
        _ input: CallInput,
        now: Moment,
        random: inout some RandomNumberGenerator
    ) -> CallStep {
        switch (input, state) {
        case (.start, .idle):
            started = now
            return begin(now: now)
        case (.go(let attempt), .asking(let plan)) where attempt == plan.attempt:
            return call(plan, now: now)
        case (.nogo(let attempt, let reason, let wait), .asking(let plan)) where attempt == plan.attempt:
            return refused(reason, wait: wait, now: now)
        case (.attemptSucceeded(let reply), .calling(let plan, let since)):
            append(plan, since: since, now: now, status: reply.httpStatus)
            return .finish(end(.success(reply, meta(now: now, reply: reply))))
        case (.attemptFailed(let failure), .calling(let plan, let since)):
            return failed(failure, plan: plan, since: since, now: now, random: &random)
        case (.timerFired, .backingOff(let since, let until)), (.timerFired, .holding(let since, let until)):
            guard now >= until else { return .wait(until: until) }
            trail.addWait(since.duration(to: now))
            return ask(now: now)
        case (.timerFired, .asking) where now >= deadline:
            return .finish(expired(now: now))
        case (.timerFired, .calling(let plan, let since)) where now >= deadline:
            append(plan, since: since, now: now, failureClass: .deadline)
            return .abortCall(expired(now: now))
        case (.cancel, .calling(let plan, let since)):
            append(plan, since: since, now: now, failureClass: .cancelled)
            return .abortCall(cancelled(now: now))
        case (.cancel, .holding(let since, _)), (.cancel, .backingOff(let since, _)):
            trail.addWait(since.duration(to: now))
            return .finish(cancelled(now: now))
        case (.cancel, .idle), (.cancel, .asking):
            return .finish(cancelled(now: now))
        case (.start, _), (.go, _), (.nogo, _), (.attemptSucceeded, _), (.attemptFailed, _), (.timerFired, _),
            (.cancel, .ended):
            return .ignore
        }
    }

    // MARK: Attempts

    private mutating func begin(now: Moment) -> CallStep {
        let (first, skipped) = nextLink(from: 0)
        trail.append(contentsOf: skipped)
        guard let first else { return .finish(nothingToCall(now: now)) }
        link = first
        return ask(now: now)
    }

    private mutating func ask(now: Moment) -> CallStep {
        guard now < deadline else { return .finish(expired(now: now)) }
        let plan = AttemptPlan(
            attempt: attemptNext,
            model: chain.links[link].name,
            modelAttempt: modelAttempts + 1,
            timers: policy.timers.clamped(to: now.duration(to: deadline))
        )
        state = .asking(plan)
        return .requestGo(plan)
    }

    private mutating func call(_ granted: AttemptPlan, now: Moment) -> CallStep {
        guard now < deadline else { return .finish(expired(now: now)) }
        var plan = granted
        // The broker's answer took time, so less of it is left.
        plan.timers = policy.timers.clamped(to: now.duration(to: deadline))
        attemptNext += 1
        modelAttempts += 1
        state = .calling(plan, since: now)
        return .startCall(plan)
    }

    private mutating func refused(_ reason: NoGoReason, wait: Duration?, now: Moment) -> CallStep {
        switch reason {
        case .superseded, .cancelled, .expired, .ended:
            return .finish(end(.abandoned(reason)))
        case .wait:
            let hold = max(wait ?? policy.backoffBase, Self.holdMin)
            let until = now.advanced(by: hold)
            if hold <= policy.hintCap, until < deadline {
                state = .holding(since: now, until: until)
                return .wait(until: until)
            }
            trail.append(.skipped(model: chain.links[link].name, reason: .laneWait))
            let (next, skipped) = nextLink(from: link + 1)
            trail.append(contentsOf: skipped)
            guard let next else {
                return .finish(until < deadline ? nothingToCall(now: now) : expired(now: now))
            }
            move(to: next)
            return ask(now: now)
        }
    }

    // MARK: Decisions

    private mutating func failed(
        _ failure: AttemptFailure,
        plan: AttemptPlan,
        since: Moment,
        now: Moment,
        random: inout some RandomNumberGenerator
    ) -> CallStep {
        if shown == nil || shown?.model == plan.model { shown = (plan.model, failure) }
        guard now < deadline else {
            // A timer that the deadline had cut short says nothing against the model.
            let cut = failure.failureClass == .localTimeout
            append(
                plan,
                since: since,
                now: now,
                failureClass: cut ? .deadline : failure.failureClass,
                status: failure.httpStatus
            )
            return .finish(expired(now: now))
        }
        let rule = policy.classes[failure.failureClass]
        var deadlineBarred = false
        if mayRetry(failure, rule: rule) {
            let wait = max(policy.backoff(after: modelAttempts, random: &random), failure.hint ?? .zero)
            let until = now.advanced(by: wait)
            if until < deadline {
                append(
                    plan,
                    since: since,
                    now: now,
                    failureClass: failure.failureClass,
                    status: failure.httpStatus,
                    next: .retry,
                    wait: wait
                )
                state = .backingOff(since: now, until: until)
                return .wait(until: until)
            }
            deadlineBarred = true
        }
        if failure.failureClass == .contextLength, rule.nextModel == .largerWindow,
            let window = chain.links[link].facts.contextWindow
        {
            contextWindowTooSmall = max(contextWindowTooSmall ?? 0, window)
        }
        let (next, skipped) = mayMove(rule) ? nextLink(from: link + 1) : (nil, [])
        append(
            plan,
            since: since,
            now: now,
            failureClass: failure.failureClass,
            status: failure.httpStatus,
            next: next == nil ? .end : .fallback
        )
        trail.append(contentsOf: skipped)
        guard let next else {
            return .finish(deadlineBarred ? expired(now: now) : allFailed(now: now))
        }
        move(to: next)
        return ask(now: now)
    }

    private func mayRetry(_ failure: AttemptFailure, rule: ClassRule) -> Bool {
        let attemptsMax = min(
            chain.links[link].facts.attemptsMax ?? policy.attemptsPerModel,
            rule.attemptsMax ?? .max
        )
        guard modelAttempts < attemptsMax, (failure.hint ?? .zero) <= policy.hintCap else { return false }
        return switch rule.sameModel {
        case .never: false
        case .advised: failure.sameModelAdvice == true
        case .always: failure.sameModelAdvice != false
        }
    }

    private func mayMove(_ rule: ClassRule) -> Bool {
        switch rule.nextModel {
        case .never: false
        case .afterFallback: link > 0
        case .largerWindow, .always: true
        }
    }

    /// The first model from `start` on that can be called, and the entries of those passed over.
    private func nextLink(from start: Int) -> (Int?, [TrailEntry]) {
        var skipped: [TrailEntry] = []
        for index in start..<max(start, chain.links.count) {
            let candidate = chain.links[index]
            if let reason = candidate.facts.skip {
                skipped.append(.skipped(model: candidate.name, reason: reason))
            } else if let tooSmall = contextWindowTooSmall, let window = candidate.facts.contextWindow,
                window <= tooSmall
            {
                skipped.append(.skipped(model: candidate.name, reason: .contextWindow))
            } else {
                return (index, skipped)
            }
        }
        return (nil, skipped)
    }

    private mutating func move(to next: Int) {
        link = next
        modelAttempts = 0
    }

    // MARK: Ends

    private mutating func end(_ outcome: CallOutcome) -> CallOutcome {
        state = .ended
        return outcome
    }

    private mutating func cancelled(now: Moment) -> CallOutcome {
        end(.failure(CallFailure(.cancelled, message: "the agent cancelled the request", meta: meta(now: now))))
    }

    /// The chain is at its end: the primary's last failure is shown, or that of the first model that was called.
    private mutating func allFailed(now: Moment) -> CallOutcome {
        guard let shown else { return nothingToCall(now: now) }
        return end(
            .failure(
                CallFailure(
                    shown.failure.failureClass,
                    message: shown.failure.message,
                    model: shown.model,
                    httpStatus: shown.failure.httpStatus,
                    providerError: shown.failure.providerError,
                    retryAfter: shown.failure.hint,
                    meta: meta(now: now)
                )
            )
        )
    }

    private mutating func expired(now: Moment) -> CallOutcome {
        var message = "the deadline leaves no time for another attempt or wait"
        if let shown {
            message += "; \(shown.model) had failed with \(shown.failure.failureClass.rawValue)"
        }
        return end(.failure(CallFailure(.deadline, message: message, model: shown?.model, meta: meta(now: now))))
    }

    /// No model was left that may be called, and the broker or configuration is the reason for the last of them.
    private mutating func nothingToCall(now: Moment) -> CallOutcome {
        if shown != nil { return allFailed(now: now) }
        let skipped = trail.entries.compactMap { entry -> (ModelName, SkipReason)? in
            if case .skipped(let model, let reason) = entry { (model, reason) } else { nil }
        }
        let reasons = skipped.map { "\($0.0): \($0.1.rawValue)" }.joined(separator: ", ")
        let failureClass: FailureClass =
            switch skipped.first?.1 {
            case .laneWait: .rateLimited
            case .unknownModel: .unknownModel
            case .noKey, .contextWindow, nil: .noKey
            }
        return end(
            .failure(
                CallFailure(failureClass, message: "no model could be called (\(reasons))", meta: meta(now: now))
            )
        )
    }

    // MARK: Records

    private func meta(now: Moment, reply: ReplySummary? = nil) -> CallMeta {
        CallMeta(
            trail: trail,
            deliveries: Int(delivery),
            spent: started.map { max(.zero, $0.duration(to: now)) } ?? .zero,
            reply: reply
        )
    }

    private mutating func append(
        _ plan: AttemptPlan,
        since: Moment,
        now: Moment,
        failureClass: FailureClass? = nil,
        status: Int? = nil,
        next: AttemptRecord.Next = .end,
        wait: Duration = .zero
    ) {
        trail.append(
            .attempt(
                AttemptRecord(
                    attempt: plan.attempt,
                    model: plan.model,
                    failureClass: failureClass,
                    httpStatus: status,
                    next: next,
                    wait: wait,
                    started: (started ?? since).duration(to: since),
                    duration: max(.zero, since.duration(to: now))
                )
            )
        )
    }
}
