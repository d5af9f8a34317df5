/// Decides what happens to each call: script, model names and counts. A value; the server keeps it behind a lock.
struct Playbook {
    /// What happens to one call.
    struct Decision: Equatable {
        /// How it ends.
        var outcome: MockBehaviour.Outcome
        /// How long it waits first.
        var latencyMilliseconds: Int
    }

    /// What a model's name stands for, read once per name.
    private enum NameMeaning {
        case rule(MockRule)
        case plain
        case wrong(String)
    }

    private let script: MockScript
    private let countedIDsMax: Int
    /// Calls that reached each rule of the script.
    private var ruleCalls: [Int]
    private var meanings: [String: NameMeaning] = [:]
    private(set) var counts: CountTable

    init(script: MockScript, countedIDsMax: Int) {
        self.script = script
        self.countedIDsMax = countedIDsMax
        ruleCalls = Array(repeating: 0, count: script.rules.count)
        counts = CountTable(countedIDsMax: countedIDsMax)
    }

    /// Forgets all counts: the next call is the first.
    mutating func reset() {
        ruleCalls = Array(repeating: 0, count: script.rules.count)
        counts = CountTable(countedIDsMax: countedIDsMax)
    }

    /// Counts a call that is answered with `status` before any rule is asked, because its request is no good.
    mutating func countRefused(id: String?, status: Int) {
        _ = counts.count(model: nil, id: id)
        counts.notePlayed(String(status))
    }

    /// Counts a call whose client closed before the whole answer was sent.
    mutating func countAborted() {
        counts.noteAborted()
    }

    /// Counts a call and decides it.
    mutating func decide(model: String, id: String?) -> Decision {
        let numbers = counts.count(model: model, id: id)
        let behaviour = behaviour(model: model, id: id, numbers: numbers)
        counts.notePlayed(behaviour.countedAs)
        var latency = behaviour.latency.millisecondsMin
        if behaviour.latency.millisecondsMax > latency {
            latency = behaviour.latency.milliseconds(at: unit("latency", 0, model: model, id: id, numbers: numbers))
        }
        return Decision(outcome: behaviour.outcome, latencyMilliseconds: latency)
    }

    private mutating func behaviour(model: String, id: String?, numbers: CountTable.CallNumbers) -> MockBehaviour {
        let bareName = script.rules.isEmpty ? model : model.afterLastSlash
        let bareID = script.rules.isEmpty ? id : id?.afterLastSlash
        for (index, rule) in script.rules.enumerated() {
            guard rule.matches(model: model, bareName: bareName), rule.ids.matches(id, bareID: bareID) else { continue }
            ruleCalls[index] += 1
            if selects(rule.selector, model: model, id: id, numbers: numbers, ruleCall: ruleCalls[index]) {
                return rule.behaviour
            }
            if let otherwise = rule.otherwise { return otherwise }
        }
        switch meaning(of: model) {
        case .plain: return .ok
        case .wrong(let reason): return MockBehaviour(.status(ErrorBody.unknownModel(model, reason: reason)))
        case .rule(let rule):
            if selects(rule.selector, model: model, id: id, numbers: numbers, ruleCall: numbers.ofModel) {
                return rule.behaviour
            }
            return rule.otherwise ?? .ok
        }
    }

    private func selects(
        _ selector: MockSelector,
        model: String,
        id: String?,
        numbers: CountTable.CallNumbers,
        ruleCall: Int
    ) -> Bool {
        switch selector {
        case .always:
            return true
        case .first(let count, let scope):
            return number(per: scope, numbers, ruleCall) <= count
        case .percent(let percent, let seed):
            return unit("percent", seed, model: model, id: id, numbers: numbers) * 100 < percent
        case .flapping(let ok, let failing, let scope):
            guard ok + failing > 0 else { return false }
            return (number(per: scope, numbers, ruleCall) - 1) % (ok + failing) >= ok
        }
    }

    /// Without a request id all calls of the rule stand for one request.
    private func number(per scope: MockSelector.Scope, _ numbers: CountTable.CallNumbers, _ ruleCall: Int) -> Int {
        switch scope {
        case .model: ruleCall
        case .request: numbers.ofRequest ?? ruleCall
        }
    }

    /// A number in `0 ..< 1` that belongs to this call: the same in every run that makes the same calls.
    private func unit(
        _ purpose: String,
        _ seed: UInt64,
        model: String,
        id: String?,
        numbers: CountTable.CallNumbers
    ) -> Double {
        var hash = StableHash()
        hash.combine(purpose)
        hash.combine(seed)
        hash.combine(model)
        hash.combine(id ?? "")
        hash.combine(UInt64(numbers.ofRequest ?? numbers.ofModel))
        return hash.unit
    }

    private mutating func meaning(of model: String) -> NameMeaning {
        if let known = meanings[model] { return known }
        let meaning: NameMeaning
        do throws(MockError) {
            meaning = try MockRule(modelNamed: model).map { .rule($0) } ?? .plain
        } catch {
            meaning = .wrong(error.message)
        }
        if meanings.count < CountTable.modelCountMax { meanings[model] = meaning }
        return meaning
    }
}
