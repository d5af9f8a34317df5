import BusProtocol
import CoreTypes
import Resilience
import Testing

/// Random requests under random inputs, wanted and unwanted: what must hold whatever happens.
@Suite struct CallEnginePropertyTests {
    @Test(arguments: 0..<20) func everyPathKeepsTheRulesAndEnds(block: Int) throws {
        for seed in UInt64(block * 250)..<UInt64((block + 1) * 250) {
            var play = try RandomPlay(seed: seed)
            play.run()
            #expect(play.violations.isEmpty, "seed \(seed): \(play.violations)")
        }
    }
}

/// One request played with a seed; collects every broken rule.
private struct RandomPlay {
    var random: SeededGenerator
    var jitter: SeededGenerator
    var engine: CallEngine
    let firstAttempt: UInt32
    var now = Moment.zero
    var violations: [String] = []
    var askedFor: UInt32?
    var open: AttemptPlan?
    var calls = 0
    var grants = 0
    var perModel: [ModelName: Int] = [:]
    var hasFailed = false
    var lastHint: Duration = .zero

    init(seed: UInt64) throws {
        var random = SeededGenerator(seed: seed)
        let count = Int.random(in: 1...5, using: &random)
        let links = (0..<count).map { index in
            var facts = ModelFacts()
            if Int.random(in: 0..<8, using: &random) == 0 {
                facts.skip = SkipReason.allCases.randomElement(using: &random)
            }
            if Bool.random(using: &random) { facts.contextWindow = Int.random(in: 1...4, using: &random) * 1000 }
            if Int.random(in: 0..<4, using: &random) == 0 { facts.attemptsMax = Int.random(in: 1...4, using: &random) }
            return ModelChain.Link(ModelName(provider: "p\(index)", model: "m"), facts: facts)
        }
        var classes = ClassPolicy()
        for failure: FailureClass in [.auth, .serverError, .contentPolicy, .invalidRequest]
        where Bool.random(using: &random) {
            classes[failure] = ClassRule(
                sameModel: ClassRule.SameModel.allCases.randomElement(using: &random) ?? .never,
                nextModel: ClassRule.NextModel.allCases.randomElement(using: &random) ?? .never
            )
        }
        let policy = RetryPolicy(
            attemptsPerModel: Int.random(in: 1...5, using: &random),
            jitter: Double.random(in: 0...1, using: &random),
            classes: classes
        )
        try policy.validate()
        firstAttempt = UInt32.random(in: 1...9, using: &random)
        engine = CallEngine(
            chain: try ModelChain(links),
            policy: policy,
            deadline: Moment.zero.advanced(by: .milliseconds(Int64.random(in: 0...200_000, using: &random))),
            firstAttempt: firstAttempt
        )
        jitter = SeededGenerator(seed: ~seed)
        self.random = random
    }

    mutating func run() {
        var step = engine.handle(.start, now: now, random: &jitter)
        for _ in 0..<5000 {
            check(step)
            if engine.isEnded { return finish() }
            step = engine.handle(input(after: step), now: now, random: &jitter)
        }
        violations.append("no end after 5000 inputs")
    }

    /// Mostly the input that is waited for; now and then one that nobody waits for.
    mutating func input(after step: CallStep) -> CallInput {
        now = now.advanced(by: .milliseconds(Int64.random(in: 0...2000, using: &random)))
        switch Int.random(in: 0..<40, using: &random) {
        case 0: return .timerFired
        case 1: return .go(attempt: UInt32.random(in: 0...20, using: &random)).noting(&self)
        case 2: return .start
        case 3 where open == nil: return .attemptSucceeded(ReplySummary())
        case 4 where Int.random(in: 0..<5, using: &random) == 0: return .cancel
        default: break
        }
        if let asked = askedFor {
            if Int.random(in: 0..<12, using: &random) == 0 {
                let reason = NoGoReason.allCases.randomElement(using: &random) ?? .wait
                let wait: Duration? =
                    Bool.random(using: &random) ? .milliseconds(Int64.random(in: -5...90_000, using: &random)) : nil
                askedFor = nil
                return .nogo(attempt: asked, reason: reason, wait: wait)
            }
            return .go(attempt: asked).noting(&self)
        }
        if open != nil {
            if Int.random(in: 0..<6, using: &random) == 0 { return .attemptSucceeded(ReplySummary()) }
            let failure = FailureClass.allCases.randomElement(using: &random) ?? .serverError
            let hint: Duration? =
                Int.random(in: 0..<4, using: &random) == 0
                ? .milliseconds(Int64.random(in: -1000...120_000, using: &random)) : nil
            lastHint = max(hint ?? .zero, .zero)
            open = nil
            hasFailed = true
            return .attemptFailed(
                AttemptFailure(
                    failure,
                    sameModelAdvice: [nil, true, false].randomElement(using: &random) ?? nil,
                    hint: hint,
                    message: "x"
                )
            )
        }
        if let timer = engine.nextTimer { now = max(now, timer) }
        return .timerFired
    }

    mutating func check(_ step: CallStep) {
        switch step {
        case .requestGo(let plan):
            if askedFor != nil { violations.append("two GOs asked for") }
            if open != nil { violations.append("GO asked for while a call is open") }
            if now >= engine.deadline { violations.append("asked after the deadline") }
            if plan.timers.attempt > now.duration(to: engine.deadline) { violations.append("timer beyond deadline") }
            askedFor = plan.attempt
        case .startCall(let plan):
            if askedFor != plan.attempt { violations.append("call \(plan.attempt) without its GO") }
            askedFor = nil
            open = plan
            calls += 1
            perModel[plan.model, default: 0] += 1
            if plan.attempt != firstAttempt + UInt32(calls) - 1 { violations.append("attempt \(plan.attempt)") }
            if now >= engine.deadline { violations.append("call after the deadline") }
            if plan.timers.attempt > now.duration(to: engine.deadline) { violations.append("timer beyond deadline") }
        case .wait(let until):
            if until >= engine.deadline { violations.append("wait up to or beyond the deadline") }
            if askedFor != nil || open != nil { violations.append("wait with something outstanding") }
            if hasFailed { checkWait() }
        case .finish:
            open = nil
        case .abortCall:
            if open == nil { violations.append("abort without a call") }
            open = nil
        case .ignore:
            break
        }
        hasFailed = false
    }

    mutating func checkWait() {
        guard let last = engine.trail.lastAttempt, last.next == .retry else {
            violations.append("a wait after a failure that is no retry")
            return
        }
        let policy = engine.policy
        let n = perModel[last.model] ?? 1
        var full = 0.5
        for _ in 1..<max(n, 1) { full = min(4, full * 2) }
        let least = max(full * (1 - policy.jitter) - 1e-6, Double(lastHint.wholeNanoseconds) / 1e9)
        let hint = Double(lastHint.wholeNanoseconds) / 1e9
        let spread = hint > 0 ? max(hint, full) * policy.jitter : 0
        let most = max(full, hint + spread) + 1e-6
        let wait = Double(last.wait.wholeNanoseconds) / 1e9
        if wait < least || wait > most { violations.append("wait \(wait) outside \(least)...\(most)") }
        if last.wait > max(policy.hintCap, policy.backoffCap) { violations.append("wait beyond the caps") }
    }

    mutating func finish() {
        let attempts = engine.trail.attempts
        if attempts.count != calls { violations.append("\(calls) calls, \(attempts.count) in the trail") }
        if calls > grants { violations.append("\(calls) calls for \(grants) GOs") }
        for link in engine.chain.links {
            let bound = link.facts.attemptsMax ?? engine.policy.attemptsPerModel
            if (perModel[link.name] ?? 0) > bound { violations.append("more than \(bound) attempts") }
            if link.facts.skip != nil, perModel[link.name] != nil { violations.append("called a skipped model") }
        }
        if attempts.dropLast().contains(where: { $0.next == .end }) { violations.append("went on after an end") }
        if engine.nextTimer != nil { violations.append("a timer after the end") }
        for input: CallInput in [.start, .timerFired, .cancel, .go(attempt: firstAttempt)] {
            if engine.handle(input, now: now, random: &jitter) != .ignore { violations.append("acted after the end") }
        }
    }
}

extension CallInput {
    /// Counts the GO when it answers what was asked.
    fileprivate func noting(_ play: inout RandomPlay) -> CallInput {
        if case .go(let attempt) = self, attempt == play.askedFor { play.grants += 1 }
        return self
    }
}
