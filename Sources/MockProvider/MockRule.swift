/// One line of a script: which calls, and what happens to them.
public struct MockRule: Sendable, Hashable {
    /// Model this rule is for: exact, exact without the provider prefix, a prefix ending in `*`, or `*` for all.
    public var model: String

    /// Request ids this rule is for, each exact or a prefix ending in `*`; empty means all.
    ///
    /// The id is compared with and without its tenant prefix (`tenant/`).
    public var ids: IDPatterns

    /// What happens to the calls, one after the other; never empty.
    ///
    /// A rule without phases of its own has one that never ends.
    public private(set) var phases: [MockPhase]

    /// True when the first phase follows the last; else the rule is over then and its calls go to the next rule.
    public var isRepeating: Bool

    /// Makes a rule for all times.
    public init(
        model: String,
        ids: [String] = [],
        selector: MockSelector = .always,
        behaviour: MockBehaviour,
        otherwise: MockBehaviour? = nil
    ) {
        let phase = MockPhase(selector: selector, behaviour: behaviour, otherwise: otherwise)
        self.init(model: model, ids: ids, phases: [phase])
    }

    /// Makes a rule that changes with time and with the calls that come.
    ///
    /// - Precondition: There is a phase, and each but the last has an end; the last one too when the rule repeats.
    public init(model: String, ids: [String] = [], phases: [MockPhase], isRepeating: Bool = false) {
        precondition(!phases.isEmpty, "a rule needs a phase")
        let ending = isRepeating ? phases[...] : phases.dropLast()
        precondition(ending.allSatisfy(\.ends), "only the last phase of a rule that does not repeat has no end")
        self.model = model
        self.ids = IDPatterns(ids)
        self.phases = phases
        self.isRepeating = isRepeating
    }

    /// True when what the rule does depends on the time.
    var isTimed: Bool { phases.contains { $0.duration != nil } }

    /// True when the rule is for the model called `name`, `bareName` without its provider prefix.
    func matches(model name: String, bareName: String) -> Bool {
        ModelPattern.matches(model, name: name, bareName: bareName)
    }
}

/// Patterns of model names: exact, exact without the provider prefix, a prefix ending in `*`, or `*` for all.
enum ModelPattern {
    /// True when `pattern` is for the model called `name`, `bareName` without its provider prefix.
    static func matches(_ pattern: String, name: String, bareName: String) -> Bool {
        if pattern == name || pattern == bareName { return true }
        guard let prefix = pattern.withoutTrailingStar else { return false }
        return name.hasPrefix(prefix) || bareName.hasPrefix(prefix)
    }
}

/// Which of the calls that a rule is for are selected.
public enum MockSelector: Sendable, Hashable {
    /// What a count goes by.
    public enum Scope: Sendable, Hashable {
        /// Calls of the same request id to the same model.
        case request
        /// All calls that reach the rule.
        case model
    }

    /// Every call.
    case always
    /// The first `count` calls.
    case first(_ count: Int, per: Scope)
    /// A share of the calls, `0 ... 100`, chosen by seed, model, request id and number of the call.
    case percent(_ percent: Double, seed: UInt64)
    /// After `ok` calls that are not selected come `failing` that are, then again from the start.
    case flapping(ok: Int, failing: Int, per: Scope)
}

/// Request ids, exact or by prefix.
public struct IDPatterns: Sendable, Hashable {
    private let exact: Set<String>
    private let prefixes: [String]

    /// Takes patterns; one that ends in `*` is a prefix. An empty list matches every id.
    public init(_ patterns: [String]) {
        exact = Set(patterns.filter { $0.withoutTrailingStar == nil })
        prefixes = patterns.compactMap(\.withoutTrailingStar)
    }

    /// True when `id`, with its tenant or without (`bareID`), is one of these; a call without an id matches an empty
    /// list only.
    func matches(_ id: String?, bareID: String?) -> Bool {
        if exact.isEmpty && prefixes.isEmpty { return true }
        guard let id, let bareID else { return false }
        if exact.contains(id) || exact.contains(bareID) { return true }
        return prefixes.contains { id.hasPrefix($0) || bareID.hasPrefix($0) }
    }
}

extension String {
    /// The text before a final `*`; nil when there is none.
    var withoutTrailingStar: String? {
        utf8.last == UInt8(ascii: "*") ? String(dropLast()) : nil
    }

    /// The text behind the last `/`; all of it when there is none.
    var afterLastSlash: String {
        guard let slash = utf8.lastIndex(of: UInt8(ascii: "/")) else { return self }
        return String(self[utf8.index(after: slash)...])
    }
}
