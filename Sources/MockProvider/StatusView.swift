import CoreTypes

/// What the page for people shows: the beginning of each list, and how much there is in all.
struct StatusView: Equatable {
    /// Most rows of each list.
    static let rowsMax = 50

    /// The beginning of a list, and how many rows were left out.
    struct List<Row: Equatable>: Equatable {
        var rows: [Row]
        var more: Int

        init(_ rows: [Row]) {
            self.rows = Array(rows.prefix(StatusView.rowsMax))
            more = rows.count - self.rows.count
        }
    }

    /// Calls under a name.
    struct Count: Equatable {
        var name: String
        var calls: Int
    }

    /// A rule, what it does now and how far it is.
    struct Rule: Equatable {
        /// From 0 on, as in paths of the script.
        var number: Int
        var model: String
        var calls: Int
        /// The phase as in "2 of 3"; nil for a rule with one.
        var phase: String?
        /// What is left of the phase.
        var rest: String
        /// What happens to its calls.
        var does: String
    }

    /// The buckets of a model or key.
    struct Bucket: Equatable {
        /// Model of the limit.
        var limit: String
        /// Whose buckets.
        var name: String
        /// "12 of 60", or a dash.
        var requests: String
        var tokens: String
    }

    /// Since the start, in whole seconds.
    var uptimeSeconds: Int64
    var connections: Int
    /// Calls that wait for their answer.
    var open: Int
    var total: Int
    var aborted: Int
    /// Calls that a limit refused.
    var limited: Int
    /// By status or word, most first.
    var outcomes: List<Count>
    var models: List<Count>
    var rules: List<Rule>
    var buckets: List<Bucket>
    /// Played exchanges, most first.
    var exchanges: List<Count>
    /// Exchanges of the recording.
    var recorded: Int
}

extension StatusView {
    /// Looks at a playbook.
    init(_ playbook: inout Playbook, now: Moment, started: Moment, connections: Int, open: Int) {
        playbook.advance(to: now)
        let counts = playbook.counts.snapshot(withRequests: false)
        uptimeSeconds = started.duration(to: now).wholeMilliseconds / 1000
        self.connections = connections
        self.open = open
        total = counts.total
        aborted = counts.aborted
        limited = playbook.limiters.reduce(0) { $0 + $1.refused }
        outcomes = List(Self.sorted(counts.statuses))
        models = List(Self.sorted(counts.models))
        let shown = playbook.progress.indices.prefix(Self.rowsMax)
        rules = List(shown.map { Self.rule($0, of: playbook, now: now) })
        rules.more = playbook.progress.count - shown.count
        buckets = List(playbook.limiters.flatMap { Self.buckets(of: $0, now: now) })
        let exchanges = playbook.recording?.exchanges ?? []
        let played = zip(exchanges, playbook.replays).filter { $0.1 > 0 }
        self.exchanges = List(Self.sorted(played.map { Count(name: $0.0.name, calls: $0.1) }))
        recorded = exchanges.count
    }

    private static func sorted(_ counts: [String: Int]) -> [Count] {
        sorted(counts.map { Count(name: $0.key, calls: $0.value) })
    }

    private static func sorted(_ counts: [Count]) -> [Count] {
        counts.sorted { $0.calls == $1.calls ? $0.name < $1.name : $0.calls > $1.calls }
    }

    private static func rule(_ index: Int, of playbook: Playbook, now: Moment) -> Rule {
        let rule = playbook.script.rules[index]
        let progress = playbook.progress[index]
        let rest = progress.rest(of: rule, now: now)
        var words: [String] = []
        if let calls = rest.calls { words.append("\(calls) calls") }
        if let time = rest.time {
            words.append(progress.began == nil ? "\(seconds(time)) from the first call on" : seconds(time))
        }
        let phase = progress.phase
        return Rule(
            number: index,
            model: rule.model,
            calls: progress.calls,
            phase: rule.phases.count == 1 && !rule.isRepeating
                ? nil : phase.map { "\($0 + 1) of \(rule.phases.count)" } ?? "over",
            rest: words.joined(separator: " or "),
            does: phase.map { rule.phases[$0].words } ?? "next rule"
        )
    }

    private static func seconds(_ time: Duration) -> String {
        "\(Double(time.wholeMilliseconds / 100) / 10) s"
    }

    private static func buckets(of limiter: RateLimiter, now: Moment) -> [Bucket] {
        func level(_ bucket: TokenBucket?) -> String {
            guard var bucket else { return "–" }
            bucket.refill(now: now)
            return "\(bucket.remaining) of \(Int(bucket.capacity))"
        }
        return limiter.buckets.sorted { $0.key < $1.key }.prefix(rowsMax).map { name, buckets in
            Bucket(
                limit: limiter.limit.model,
                name: name,
                requests: level(buckets.requests),
                tokens: level(buckets.tokens)
            )
        }
    }
}
