import BusProtocol
import CoreTypes
import Resilience

/// How a scripted call ends, and after how long.
struct ScriptedCall {
    var length: Duration
    var result: Result

    enum Result {
        case success
        case failure(AttemptFailure)
    }

    static func success(after length: Duration = .milliseconds(100)) -> ScriptedCall {
        ScriptedCall(length: length, result: .success)
    }

    static func failure(
        _ failureClass: FailureClass,
        status: Int? = nil,
        advice: Bool? = nil,
        hint: Duration? = nil,
        wasSent: Bool = true,
        after length: Duration = .milliseconds(100)
    ) -> ScriptedCall {
        ScriptedCall(
            length: length,
            result: .failure(
                AttemptFailure(
                    failureClass,
                    httpStatus: status,
                    sameModelAdvice: advice,
                    hint: hint,
                    message: "\(failureClass.rawValue) said the provider",
                    wasSent: wasSent
                )
            )
        )
    }
}

/// One delivery played to its end in virtual time, and what was seen on the way.
struct VirtualRun {
    var engine: CallEngine
    var now: Moment
    var random: SeededGenerator
    var asked: [AttemptPlan] = []
    var called: [AttemptPlan] = []
    var waits: [Duration] = []
    var outcome: CallOutcome?

    /// Plays a request whose calls end as `script` says; every attempt is granted at once.
    init(
        models: [String] = ["a/one", "b/two"],
        facts: [String: ModelFacts] = [:],
        policy: RetryPolicy = RetryPolicy(),
        deadline: Duration = .seconds(1800),
        firstAttempt: UInt32 = 1,
        seed: UInt64 = 1,
        script: (AttemptPlan) -> ScriptedCall
    ) throws {
        engine = try Self.engine(
            models: models,
            facts: facts,
            policy: policy,
            deadline: deadline,
            firstAttempt: firstAttempt
        )
        now = .zero
        random = SeededGenerator(seed: seed)
        var step = engine.handle(.start, now: now, random: &random)
        for _ in 0..<10_000 {
            switch step {
            case .requestGo(let plan):
                asked.append(plan)
                step = engine.handle(.go(attempt: plan.attempt), now: now, random: &random)
            case .startCall(let plan):
                called.append(plan)
                let call = script(plan)
                now = now.advanced(by: min(call.length, plan.timers.attempt))
                if call.length > plan.timers.attempt {
                    let failure = AttemptFailure(.localTimeout, message: "attempt timer")
                    step = engine.handle(.attemptFailed(failure), now: now, random: &random)
                } else {
                    switch call.result {
                    case .success: step = engine.handle(.attemptSucceeded(ReplySummary()), now: now, random: &random)
                    case .failure(let failure):
                        step = engine.handle(.attemptFailed(failure), now: now, random: &random)
                    }
                }
            case .wait(let until):
                waits.append(now.duration(to: until))
                now = until
                step = engine.handle(.timerFired, now: now, random: &random)
            case .finish(let end), .abortCall(let end):
                outcome = end
                return
            case .ignore:
                return
            }
        }
    }

    static func engine(
        models: [String] = ["a/one", "b/two"],
        facts: [String: ModelFacts] = [:],
        policy: RetryPolicy = RetryPolicy(),
        deadline: Duration = .seconds(1800),
        firstAttempt: UInt32 = 1
    ) throws -> CallEngine {
        let routing = ModelRouting(defaultChatModel: nil, providers: ["a", "b", "c"])
        let chain = try routing.chain(requested: models[0], fallbacks: Array(models.dropFirst())) {
            facts[$0.description] ?? ModelFacts()
        }
        return CallEngine(
            chain: chain,
            policy: policy,
            deadline: .zero.advanced(by: deadline),
            firstAttempt: firstAttempt
        )
    }

    var modelsCalled: [String] { called.map(\.model.description) }

    var failure: CallFailure? {
        if case .failure(let failure) = outcome { failure } else { nil }
    }

    var meta: CallMeta? {
        switch outcome {
        case .success(_, let meta): meta
        case .failure(let failure): failure.meta
        case .abandoned, nil: nil
        }
    }
}
