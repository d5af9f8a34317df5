/// A numbered rule of the specification (`protocol/conformance.md`) with what decides whether a peer keeps it.
struct ConformanceCase<Stage>: Sendable {
    /// The number in the checklist, for example `B7`; numbers are stable.
    let number: String
    /// The rule, said of the peer: "answers …".
    let rule: String
    /// False for a rule that is advised: a peer that breaks it still conforms.
    let isRequired: Bool
    /// Plays the exchange; returns when the rule was kept.
    let play: @Sendable (Stage) throws -> Void

    init(_ number: String, _ rule: String, _ play: @escaping @Sendable (Stage) throws -> Void) {
        self.number = number
        self.rule = rule
        isRequired = true
        self.play = play
    }

    private init(number: String, rule: String, isRequired: Bool, play: @escaping @Sendable (Stage) throws -> Void) {
        self.number = number
        self.rule = rule
        self.isRequired = isRequired
        self.play = play
    }

    /// A rule that is advised.
    static func advised(
        _ number: String,
        _ rule: String,
        _ play: @escaping @Sendable (Stage) throws -> Void
    ) -> ConformanceCase {
        ConformanceCase(number: number, rule: rule, isRequired: false, play: play)
    }

    /// A rule that this program cannot see, with the reason.
    static func unseen(_ number: String, _ rule: String, _ reason: String) -> ConformanceCase {
        ConformanceCase(number, rule) { _ in throw CaseEnd.skipped(reason) }
    }

    /// The number without its letter.
    var place: Int { Int(number.dropFirst()) ?? 0 }

    /// What is known of the case without playing it.
    var outline: CaseOutline { CaseOutline(number: number, rule: rule, isRequired: isRequired) }
}

/// Why a case ended before its last line.
enum CaseEnd: Error {
    /// The peer broke the rule: what was expected and what was found.
    case failed(String)
    /// The rule could not be seen here, and why.
    case skipped(String)
    /// The user gave up.
    case stopped
}
