/// One line of a script: which calls, when, and what happens to them.
public struct MockRule: Sendable, Hashable {
    /// Model this rule is for: exact, exact without the provider prefix, a prefix ending in `*`, or `*` for all.
    public var model: String

    /// Request ids this rule is for, each exact or a prefix ending in `*`; empty means all.
    ///
    /// The id is compared with and without its tenant prefix (`tenant/`).
    public var ids: IDPatterns

    /// Which of the calls for that model and those ids the behaviour happens to.
    public var selector: MockSelector

    /// What happens to the selected calls.
    public var behaviour: MockBehaviour

    /// What happens to the calls that are not selected; nil asks the next rule.
    public var otherwise: MockBehaviour?

    /// Makes a rule.
    public init(
        model: String,
        ids: [String] = [],
        selector: MockSelector = .always,
        behaviour: MockBehaviour,
        otherwise: MockBehaviour? = nil
    ) {
        self.model = model
        self.ids = IDPatterns(ids)
        self.selector = selector
        self.behaviour = behaviour
        self.otherwise = otherwise
    }

    /// True when the rule is for the model called `name`, `bareName` without its provider prefix.
    func matches(model name: String, bareName: String) -> Bool {
        if model == name || model == bareName { return true }
        guard let prefix = model.withoutTrailingStar else { return false }
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
