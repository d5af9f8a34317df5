import BusProtocol
import CoreTypes

/// How a delivery ends, and what is told of it.
extension CallEngine {
    mutating func end(_ outcome: CallOutcome) -> CallOutcome {
        state = .ended
        return outcome
    }

    mutating func cancelled(now: Moment) -> CallOutcome {
        end(.failure(CallFailure(.cancelled, message: "the agent cancelled the request", meta: meta(now: now))))
    }

    /// The chain is at its end: the primary's last failure is shown, or that of the first model that was called.
    mutating func allFailed(now: Moment) -> CallOutcome {
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

    /// The deadline is over or too near.
    ///
    /// - Parameters:
    ///   - model: The model that was being called, for so long.
    mutating func expired(
        now: Moment,
        cutting model: ModelName? = nil,
        after duration: Duration = .zero
    ) -> CallOutcome {
        var message = "the deadline leaves no time for another attempt or wait"
        if let model {
            message = "\(model) had not answered after \(duration.wholeMilliseconds) ms when the deadline came"
            if let next = nextLink(from: link + 1).0 {
                message += ", and no time was left for \(chain.links[next].name)"
                message += " (one attempt may take \(policy.timers.attempt.wholeMilliseconds) ms: timers.attempt)"
            }
        }
        if let shown {
            message += "; \(shown.model) had failed with \(shown.failure.failureClass.rawValue)"
        }
        let shownModel = shown?.model ?? model
        return end(.failure(CallFailure(.deadline, message: message, model: shownModel, meta: meta(now: now))))
    }

    /// No model was left that may be called, and the broker or configuration is the reason for the last of them.
    mutating func nothingToCall(now: Moment) -> CallOutcome {
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

    func meta(now: Moment, reply: ReplySummary? = nil) -> CallMeta {
        CallMeta(
            trail: trail,
            deliveries: Int(delivery),
            spent: started.map { max(.zero, $0.duration(to: now)) } ?? .zero,
            reply: reply
        )
    }

    mutating func append(
        _ plan: AttemptPlan,
        since: Moment,
        now: Moment,
        failureClass: FailureClass? = nil,
        status: Int? = nil,
        next: AttemptRecord.Next = .end,
        wait: Duration = .zero,
        mayBeBilled: Bool = true
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
                    duration: max(.zero, since.duration(to: now)),
                    mayBeBilled: mayBeBilled
                )
            )
        )
    }
}
