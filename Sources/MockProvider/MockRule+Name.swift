extension MockRule {
    /// Words that a model name of the grammar begins with, up to its first `-`, `+` or `:`.
    private static let firstWords: Set<String> = [
        "ok", "status", "quota", "html", "error", "empty", "malformed", "truncated", "silent", "reset", "fail", "flap",
        "context", "content",
    ]

    /// The rule that a model's name stands for, see ``MockBehaviour/nameHelp``; nil when it is no word of the grammar.
    ///
    /// - Throws: ``MockError`` of code `script` when the name begins with a word of the grammar but goes on wrongly.
    init?(modelNamed model: String) throws(MockError) {
        let name = model.afterLastSlash
        let first = name.prefix { $0 != "-" && $0 != "+" && $0 != ":" }
        guard Self.firstWords.contains(String(first)) else { return nil }
        guard first == "fail" || first == "flap" else {
            self.init(model: "*", behaviour: try MockBehaviour(named: name))
            return
        }
        let parts = name.split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
        let behaviour = parts.count == 2 ? try MockBehaviour(named: parts[1]) : .status(503)
        let selector = try Self.selector(named: parts[0])
        self.init(model: "*", selector: selector, behaviour: behaviour, otherwise: .ok)
    }

    private static func selector(named name: String) throws(MockError) -> MockSelector {
        let words = name.split(separator: "-", omittingEmptySubsequences: false).map(String.init)
        if words.count == 3, words[0] == "fail", words[1] == "first" {
            return .first(try MockBehaviour.number(words[2], in: 0...1_000_000, of: name), per: .request)
        }
        if words.count == 2, words[0] == "fail", words[1].hasSuffix("pct") {
            let percent = try MockBehaviour.number(String(words[1].dropLast(3)), in: 0...100, of: name)
            return .percent(Double(percent), seed: 0)
        }
        if words.count == 3, words[0] == "flap" {
            let ok = try MockBehaviour.number(words[1], in: 0...1_000_000, of: name)
            let failing = try MockBehaviour.number(words[2], in: 0...1_000_000, of: name)
            guard ok + failing > 0 else {
                throw MockError(code: .script, message: "\"\(name)\" needs at least one call that is answered or fails")
            }
            return .flapping(ok: ok, failing: failing, per: .model)
        }
        throw MockError(
            code: .script,
            message: "\"\(name)\" is no selector; expected fail-first-<n>, fail-<percent>pct or flap-<ok>-<failing>"
        )
    }
}
