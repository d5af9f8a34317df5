import CoreTypes

/// How far a rule has come: its calls and its phase. A value without a clock.
///
/// The phase goes from each to the next, from the last to the first when the rule repeats, else to over, which stays.
struct RuleProgress {
    /// A call within a phase.
    struct Step {
        var phase: MockPhase
        /// Number of the call among those of the phase, from 1 on.
        var number: Int
    }

    /// Calls that reached the rule before it was over.
    private(set) var calls = 0
    /// Index of the phase; nil when the rule is over.
    private(set) var phase: Int? = 0
    /// Calls that reached the phase, in this round of a rule that repeats.
    private(set) var phaseCalls = 0
    /// When the phase began; nil before the first call.
    private(set) var began: Moment?

    /// Counts a call and tells its phase; nil when the rule is over.
    ///
    /// - Parameter now: Not earlier than in the call before; only rules with times look at it.
    mutating func takeCall(of rule: MockRule, now: Moment) -> Step? {
        if began == nil { began = now } else { advance(rule, to: now) }
        guard let phase else { return nil }
        calls += 1
        phaseCalls += 1
        let step = Step(phase: rule.phases[phase], number: phaseCalls)
        if let callsMax = step.phase.callsMax, phaseCalls >= callsMax { enterNext(of: rule, at: now) }
        return step
    }

    /// Lets the time that has passed until `now` end phases; before the first call nothing ends.
    mutating func advance(_ rule: MockRule, to now: Moment) {
        guard rule.isTimed else { return }
        skipRounds(of: rule, to: now)
        while let phase, let began, let duration = rule.phases[phase].duration {
            let end = began.advanced(by: duration)
            guard end <= now else { return }
            enterNext(of: rule, at: end)
        }
    }

    /// What is left of the phase at `now`: calls, if they end it, and time, if that does.
    func rest(of rule: MockRule, now: Moment) -> (calls: Int?, time: Duration?) {
        guard let phase else { return (nil, nil) }
        let current = rule.phases[phase]
        let time = current.duration.map { duration in
            max(.zero, began.map { now.duration(to: $0.advanced(by: duration)) } ?? duration)
        }
        return (current.callsMax.map { max(0, $0 - phaseCalls) }, time)
    }

    private mutating func enterNext(of rule: MockRule, at moment: Moment) {
        guard let phase else { return }
        let isLast = phase == rule.phases.count - 1
        self.phase = isLast ? (rule.isRepeating ? 0 : nil) : phase + 1
        phaseCalls = 0
        began = moment
    }

    /// After a long sleep a repeating rule of times only would be walked through round by round: whole rounds change
    /// nothing, and all but the last are left out.
    private mutating func skipRounds(of rule: MockRule, to now: Moment) {
        guard rule.isRepeating, let began, rule.phases.allSatisfy({ $0.duration != nil }) else { return }
        let round = rule.phases.reduce(Int64(0)) { $0 + ($1.duration ?? .zero).wholeNanoseconds }
        let rounds = began.duration(to: now).wholeNanoseconds / round
        if rounds > 1 { self.began = began.advanced(by: .nanoseconds((rounds - 1) * round)) }
    }
}
