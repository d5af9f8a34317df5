/// What a mock provider plays: rules in order; the first that takes a call decides it.
///
/// A call that no rule takes is played by the model's name, see ``MockBehaviour/nameHelp``; a name that is no word of
/// that grammar is answered.
public struct MockScript: Sendable, Hashable {
    /// The rate limits; the first that is for a call's model is asked before any rule.
    public var limits: [MockLimit]

    /// The rules in order.
    public var rules: [MockRule]

    /// Makes a script; without rules each model is played by its name.
    public init(limits: [MockLimit] = [], rules: [MockRule] = []) {
        self.limits = limits
        self.rules = rules
    }

    /// Most rules that a script file may hold.
    public static let ruleCountMax = 10_000

    /// True when what happens depends on the time.
    var isTimed: Bool { !limits.isEmpty || rules.contains(where: \.isTimed) }

    /// The patterns of all exchanges that the rules replay.
    var replayPatterns: Set<String> {
        var patterns: Set<String> = []
        for phase in rules.lazy.flatMap(\.phases) {
            for behaviour in [phase.behaviour, phase.otherwise] {
                if case .replay(let pattern) = behaviour?.outcome { patterns.insert(pattern) }
            }
        }
        return patterns
    }
}
