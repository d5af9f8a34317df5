import JSON
import Simulation

/// What `simulate` prints at its end.
struct SimulateSummary {
    let from: UInt64
    private(set) var seeds = 0
    private(set) var violations: [(seed: UInt64, violation: Simulation.Violation)] = []
    private(set) var statistics = SimulationStatistics()
    /// Over the hashes of all plays in their order.
    private(set) var hash: UInt64 = 0
    var elapsed: Duration = .zero

    init(from: UInt64) { self.from = from }

    mutating func add(_ play: Simulation) {
        seeds += 1
        hash = (hash ^ play.hash) &* 0x0000_0100_0000_01B3
        statistics.add(play.statistics)
        if let violation = play.violation { violations.append((play.seed, violation)) }
    }

    private var seconds: Double {
        Double(elapsed.components.seconds) + Double(elapsed.components.attoseconds) / 1e18
    }

    /// Seeds per second, with one digit behind the point.
    var rate: Double { (Double(seeds) / max(seconds, 1e-3) * 10).rounded() / 10 }

    private var hashText: String {
        let digits = String(hash, radix: 16)
        return String(repeating: "0", count: 16 - digits.count) + digits
    }

    /// Lines for people.
    var text: [String] {
        let crashes = statistics.workerCrashes + statistics.agentCrashes + statistics.brokerCrashes
        var rows = [
            ["seeds", "\(seeds) from \(from), \(rate) a second"],
            ["requests", "\(statistics.requests)"],
            ["calls", "\(statistics.calls)"],
            ["events", "\(statistics.events)"],
            ["virtual time", "\(statistics.virtualTime.components.seconds / 60) min"],
            [
                "crashes",
                "\(crashes): \(statistics.workerCrashes) workers, \(statistics.agentCrashes) agents, "
                    + "\(statistics.brokerCrashes) brokers",
            ],
            [
                "other faults",
                "\(statistics.freezes) freezes, \(statistics.stalls) stalls of the broker, "
                    + "\(statistics.reconnects) lost connections",
            ],
            [
                "journal",
                "\(statistics.commits) commits, \(statistics.commitFailures) failed; "
                    + "\(statistics.diskPlays) plays with SQLite, \(statistics.logCuts) cuts of its log",
            ],
            ["terminals", "\(statistics.terminals.reduce(0) { $0 + $1.count })"],
        ]
        rows += statistics.terminals.map { ["  \($0.kind)", "\($0.count)"] }
        rows.append(["trace hash", hashText])
        rows.append(["violations", "\(violations.count)"])
        return Console.table(rows)
    }

    /// One JSON object.
    var json: JSONValue {
        var terminals = JSONObject()
        for (kind, count) in statistics.terminals { terminals[kind] = .init(count) }
        let found = violations.map { entry in
            JSONValue.object(
                JSONObject(
                    [
                        ("seed", .init(entry.seed)), ("invariant", .init(entry.violation.invariant)),
                        ("message", .init(entry.violation.message)),
                    ]
                )
            )
        }
        return .object(
            JSONObject(
                [
                    ("from", .init(from)), ("seeds", .init(seeds)), ("seeds_per_second", .init(rate)),
                    ("requests", .init(statistics.requests)), ("calls", .init(statistics.calls)),
                    ("events", .init(statistics.events)),
                    ("virtual_s", .init(Int(statistics.virtualTime.components.seconds))),
                    ("worker_crashes", .init(statistics.workerCrashes)),
                    ("agent_crashes", .init(statistics.agentCrashes)),
                    ("broker_crashes", .init(statistics.brokerCrashes)), ("commits", .init(statistics.commits)),
                    ("sqlite_plays", .init(statistics.diskPlays)), ("log_cuts", .init(statistics.logCuts)),
                    ("commit_failures", .init(statistics.commitFailures)), ("freezes", .init(statistics.freezes)),
                    ("stalls", .init(statistics.stalls)), ("lost_connections", .init(statistics.reconnects)),
                    ("terminals", .object(terminals)), ("trace_hash", .init(hashText)), ("violations", .array(found)),
                ]
            )
        )
    }
}

extension JSONObject {
    /// An object of `members` in their order; no key may occur twice.
    fileprivate init(_ members: [(String, JSONValue)]) {
        self.init()
        for (key, value) in members { self[key] = value }
    }
}
