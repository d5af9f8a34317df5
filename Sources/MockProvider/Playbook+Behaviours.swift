extension Playbook {
    /// What a model's name stands for, read once per name.
    enum NameMeaning {
        case rule(MockRule)
        case plain
        case wrong(String)
    }

    /// What happens to a call, and the exchange that is played if it is one.
    mutating func behaviour(
        _ ask: Ask,
        numbers: CountTable.CallNumbers
    ) -> (behaviour: MockBehaviour, exchange: MockExchange?) {
        if !script.rules.isEmpty, let behaviour = ruledBehaviour(ask, numbers: numbers) {
            guard case .replay(let pattern) = behaviour.outcome else { return (behaviour, nil) }
            return (behaviour, nextExchange(named: pattern))
        }
        if let recording, let group = recording.group(model: ask.model, question: ask.question),
            let exchange = nextExchange(ofGroup: group)
        {
            return (MockBehaviour(.replay(exchange.name)), exchange)
        }
        return (namedBehaviour(ask, numbers: numbers), nil)
    }

    private mutating func namedBehaviour(_ ask: Ask, numbers: CountTable.CallNumbers) -> MockBehaviour {
        switch meaning(of: ask.model) {
        case .plain: return .ok
        case .wrong(let reason): return MockBehaviour(.status(ErrorBody.unknownModel(ask.model, reason: reason)))
        case .rule(let rule):
            let phase = rule.phases[0]
            if selects(phase.selector, ask, numbers: numbers, ruleCall: numbers.ofModel) { return phase.behaviour }
            return phase.otherwise ?? .ok
        }
    }

    private mutating func ruledBehaviour(_ ask: Ask, numbers: CountTable.CallNumbers) -> MockBehaviour? {
        let bareName = ask.model.afterLastSlash
        let bareID = ask.id?.afterLastSlash
        for index in script.rules.indices {
            guard script.rules[index].matches(model: ask.model, bareName: bareName),
                script.rules[index].ids.matches(ask.id, bareID: bareID),
                let step = progress[index].takeCall(of: script.rules[index], now: ask.now)
            else { continue }
            if selects(step.phase.selector, ask, numbers: numbers, ruleCall: step.number) {
                return step.phase.behaviour
            }
            if let otherwise = step.phase.otherwise { return otherwise }
        }
        return nil
    }

    // MARK: Selection

    private func selects(
        _ selector: MockSelector,
        _ ask: Ask,
        numbers: CountTable.CallNumbers,
        ruleCall: Int
    ) -> Bool {
        switch selector {
        case .always:
            return true
        case .first(let count, let scope):
            return number(per: scope, numbers, ruleCall) <= count
        case .percent(let percent, let seed):
            return hash("percent", seed, ask, numbers: numbers).unit * 100 < percent
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

    /// A hash that belongs to this call: the same in every run that makes the same calls.
    func hash(
        _ purpose: String,
        _ seed: UInt64,
        _ ask: Ask,
        numbers: CountTable.CallNumbers
    ) -> StableHash {
        var hash = StableHash()
        hash.combine(purpose)
        hash.combine(seed)
        hash.combine(ask.model)
        hash.combine(ask.id ?? "")
        hash.combine(UInt64(numbers.ofRequest ?? numbers.ofModel))
        return hash
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
