extension MockPhase {
    /// What happens to calls, for people: "first 2 per request: 429; else 200 after 100 ms".
    var words: String {
        let selected = behaviour.words
        guard let condition = selector.words else { return selected }
        return "\(condition): \(selected); else \(otherwise?.words ?? "next rule")"
    }
}

extension MockSelector {
    /// Which calls, for people; nil for all.
    fileprivate var words: String? {
        switch self {
        case .always: nil
        case .first(let count, let scope): "first \(count) per \(scope == .request ? "request" : "model")"
        case .percent(let percent, _): "\(percent) %"
        case .flapping(let ok, let failing, _): "\(failing) behind each \(ok)"
        }
    }
}

extension MockBehaviour {
    /// What happens, for people.
    fileprivate var words: String {
        var text = outcome.countedAs
        if case .replay(let pattern) = outcome { text = "replay \(pattern)" }
        switch latency.distribution {
        case .fixed(0): return text
        case .fixed(let milliseconds): return "\(text) after \(milliseconds) ms"
        case .uniform(let range): return "\(text) after \(range.lowerBound)–\(range.upperBound) ms"
        case .exponential(let mean): return "\(text) after \(Int(mean)) ms on average"
        case .lognormal(let median, _): return "\(text) after \(Int(median)) ms in the median"
        }
    }
}
