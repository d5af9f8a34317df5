import CoreTypes

/// Decides what happens to each call: limits, script, recording, model names and counts. A value; the server keeps it
/// behind a lock.
struct Playbook {
    /// What a call is decided by.
    struct Ask {
        var model: String
        /// Request id.
        var id: String?
        /// Key of the caller.
        var key: String?
        /// What the call asks for of a limit.
        var tokens = 1
        var endpoint = Endpoint.chat
        /// What is compared with a recording; nil when there is none.
        var question: MockExchange.Question?
        /// The time; only scripts with times and limits look at it.
        var now = Moment.zero
    }

    /// What happens to one call.
    struct Decision: Equatable {
        /// How it ends.
        var outcome: MockBehaviour.Outcome
        /// How long it waits first.
        var latencyMilliseconds: Int
        /// What is played when the outcome is a replay.
        var exchange: MockExchange?
        /// What the answer says about the limit of its model.
        var limit: RateLimitAnswer?
    }

    /// Exchanges that take turns.
    private struct Turns {
        var exchanges: [Int]
        private var position = 0

        init(_ exchanges: [Int]) { self.exchanges = exchanges }

        /// The exchange whose turn it is; nil when there is none.
        mutating func next() -> Int? {
            guard !exchanges.isEmpty else { return nil }
            defer { position = (position + 1) % exchanges.count }
            return exchanges[position]
        }
    }

    let script: MockScript
    let recording: MockRecording?
    private let countedIDsMax: Int
    /// How far each rule of the script has come.
    var progress: [RuleProgress] = []
    private(set) var limiters: [RateLimiter] = []
    /// Turns of the recording's groups, and of the patterns of the script.
    private var groupTurns: [Turns] = []
    private var patternTurns: [String: Turns] = [:]
    /// How often each exchange was played.
    private(set) var replays: [Int] = []
    var meanings: [String: NameMeaning] = [:]
    private(set) var counts: CountTable

    init(script: MockScript, recording: MockRecording? = nil, countedIDsMax: Int) {
        self.script = script
        self.recording = recording
        self.countedIDsMax = countedIDsMax
        counts = CountTable(countedIDsMax: countedIDsMax)
        reset()
    }

    /// Forgets all counts: the next call is the first, phases begin anew, buckets are full.
    mutating func reset() {
        progress = Array(repeating: RuleProgress(), count: script.rules.count)
        limiters = script.limits.map(RateLimiter.init)
        groupTurns = recording?.groups.map(Turns.init) ?? []
        patternTurns = [:]
        for pattern in script.replayPatterns {
            patternTurns[pattern] = Turns(recording?.exchanges(named: pattern) ?? [])
        }
        replays = Array(repeating: 0, count: recording?.exchanges.count ?? 0)
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

    /// Brings all phases to the state of `now`, for who looks at them.
    mutating func advance(to now: Moment) {
        for index in progress.indices { progress[index].advance(script.rules[index], to: now) }
    }

    /// Counts a call and decides it.
    mutating func decide(model: String, id: String?) -> Decision {
        decide(Ask(model: model, id: id))
    }

    /// Counts a call and decides it.
    mutating func decide(_ ask: Ask) -> Decision {
        let numbers = counts.count(model: ask.model, id: ask.id)
        let limit = script.limits.isEmpty ? nil : limit(ask)
        if let limit, let refusal = limit.verdict.refusal {
            counts.notePlayed("429")
            return Decision(outcome: .status(limit.refusal(refusal)), latencyMilliseconds: 0, limit: limit)
        }
        let (behaviour, exchange) = behaviour(ask, numbers: numbers)
        var decision = Decision(outcome: behaviour.outcome, latencyMilliseconds: 0, exchange: exchange, limit: limit)
        var latency = behaviour.latency
        // The latency of a rule holds, else the one that was recorded.
        if let exchange, case .fixed(0) = latency.distribution { latency = exchange.latency }
        if ask.endpoint != .chat { decision.outcome = Self.outcome(decision, at: ask.endpoint) }
        counts.notePlayed(decision.exchange.map { String($0.status) } ?? decision.outcome.countedAs)
        if case .fixed(let milliseconds) = latency.distribution {
            decision.latencyMilliseconds = milliseconds
        } else {
            var generator = hash("latency", latency.seed, ask, numbers: numbers).generator
            decision.latencyMilliseconds = latency.milliseconds(drawnBy: &generator)
        }
        return decision
    }

    /// Counts a call whose body is no request but was recorded, and decides it; nil when it was not recorded.
    mutating func decideRecorded(_ question: MockExchange.Question, id: String?) -> Decision? {
        guard let group = recording?.group(withBodyOf: question), let exchange = nextExchange(ofGroup: group) else {
            return nil
        }
        _ = counts.count(model: question.model, id: id)
        counts.notePlayed(String(exchange.status))
        return Decision(outcome: .replay(exchange.name), latencyMilliseconds: 0, exchange: exchange)
    }

    /// Asks the first limit that is for the model.
    private mutating func limit(_ ask: Ask) -> RateLimitAnswer? {
        let bareName = ask.model.afterLastSlash
        for index in limiters.indices {
            let limit = limiters[index].limit
            guard ModelPattern.matches(limit.model, name: ask.model, bareName: bareName) else { continue }
            let verdict = limiters[index].take(model: ask.model, key: ask.key, tokens: ask.tokens, now: ask.now)
            return RateLimitAnswer(style: limit.style, verdict: verdict, model: ask.model)
        }
        return nil
    }

    // MARK: Recording

    mutating func nextExchange(named pattern: String) -> MockExchange? {
        patternTurns[pattern]?.next().flatMap { played($0) }
    }

    mutating func nextExchange(ofGroup group: Int) -> MockExchange? {
        groupTurns[group].next().flatMap { played($0) }
    }

    private mutating func played(_ index: Int) -> MockExchange? {
        replays[index] += 1
        return recording?.exchanges[index]
    }

    /// The outcome at a service other than chat completions: it has no answers but recorded ones.
    private static func outcome(_ decision: Decision, at endpoint: Endpoint) -> MockBehaviour.Outcome {
        switch decision.outcome {
        case .replay, .silence, .resetBeforeHead:
            return decision.outcome
        case .status(var status):
            if status.body == .openAI { status.body = endpoint.errorBody }
            return .status(status)
        case .answer, .resetAfterHead, .truncatedBody, .malformedBody, .emptyBody, .errorInsideSuccess:
            return .status(MockStatus(404, body: endpoint.errorBody))
        }
    }
}
