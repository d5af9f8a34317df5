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
    enum State: Sendable {
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
    public internal(set) var trail: Trail

    /// Shortest wait before the broker is asked again, so that a `NOGO` without a wait is no busy loop.
    public static let holdMin: Duration = .milliseconds(100)

    let delivery: UInt32
    var state = State.idle
    var started: Moment?
    var link = 0
    var modelAttempts = 0
    /// Whether the last attempt at this model ended with its connection.
    var connectionBroke = false
    var attemptNext: UInt32
    var contextWindowTooSmall: Int?
    var shown: (model: ModelName, failure: AttemptFailure)?

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
            return .abortCall(expired(now: now, cutting: plan.model, after: since.duration(to: now)))
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

    mutating func ask(now: Moment) -> CallStep {
        guard now < deadline else { return .finish(expired(now: now)) }
        let plan = AttemptPlan(
            attempt: attemptNext,
            model: chain.links[link].name,
            modelAttempt: modelAttempts + 1,
            timers: policy.timers.clamped(to: now.duration(to: deadline)),
            needsFreshConnection: connectionBroke
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
}
