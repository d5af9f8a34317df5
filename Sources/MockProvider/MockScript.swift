/// What a mock provider plays: rules in order; the first that takes a call decides it.
///
/// A call that no rule takes is played by the model's name, see ``MockBehaviour/nameHelp``; a name that is no word of
/// that grammar is answered.
public struct MockScript: Sendable, Hashable {
    /// The rules in order.
    public var rules: [MockRule]

    /// Makes a script; without rules each model is played by its name.
    public init(rules: [MockRule] = []) {
        self.rules = rules
    }

    /// Most rules that a script file may hold.
    public static let ruleCountMax = 10_000
}
