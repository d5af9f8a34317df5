import BusProtocol
import CoreTypes

/// What follows from the failure of an attempt.
extension CallEngine {
    mutating func failed(
        _ failure: AttemptFailure,
        plan: AttemptPlan,
        since: Moment,
        now: Moment,
        random: inout some RandomNumberGenerator
    ) -> CallStep {
        // A timer that the deadline had cut short says nothing against the model.
        let cut = now >= deadline && failure.failureClass == .localTimeout
        if !cut, shown == nil || shown?.model == plan.model { shown = (plan.model, failure) }
        guard now < deadline else {
            append(
                plan,
                since: since,
                now: now,
                failureClass: cut ? .deadline : failure.failureClass,
                status: failure.httpStatus,
                mayBeBilled: failure.mayBeBilled
            )
            return .finish(
                cut
                    ? expired(now: now, cutting: plan.model, after: since.duration(to: now))
                    : expired(now: now)
            )
        }
        let rule = policy.classes[failure.failureClass]
        var deadlineBarred = false
        if mayRetry(failure, rule: rule) {
            let wait = policy.wait(
                after: modelAttempts,
                hint: failure.hint,
                within: now.duration(to: deadline),
                random: &random
            )
            let until = now.advanced(by: wait)
            if until < deadline {
                append(
                    plan,
                    since: since,
                    now: now,
                    failureClass: failure.failureClass,
                    status: failure.httpStatus,
                    next: .retry,
                    wait: wait,
                    mayBeBilled: failure.mayBeBilled
                )
                state = .backingOff(since: now, until: until)
                connectionBroke = failure.failureClass == .connection
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
            next: next == nil ? .end : .fallback,
            mayBeBilled: failure.mayBeBilled
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
    func nextLink(from start: Int) -> (Int?, [TrailEntry]) {
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

    mutating func move(to next: Int) {
        link = next
        modelAttempts = 0
        connectionBroke = false
    }
}
