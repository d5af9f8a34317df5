import BusProtocol
import CoreTypes
import JSON

/// What agents' logs and the provider's counts say of a bus under torture.
struct TortureVerdict {
    /// Faults that struck.
    struct Strikes: Hashable, Sendable {
        var kills: [String: Int] = [:]
        var freezes = 0
        var drains = 0
        var renewals = 0

        /// Kills of all roles.
        var killCount: Int { kills.values.reduce(0, +) }
    }

    /// Requests that agents made, and those of them that the broker accepted.
    private(set) var requests = 0
    private(set) var accepted = 0
    private(set) var answered = 0
    /// `FAILURE`s by class.
    private(set) var failed: [String: Int] = [:]
    private(set) var rejected = 0
    /// Accepted in memory only, and gone with a broker.
    private(set) var goneWithMemory = 0
    /// Accepted on disk, and without a terminal: must be none.
    private(set) var lost: [String] = []
    /// Never accepted and without an end: must be none, for agents go on until they know.
    private(set) var open: [String] = []
    /// Ids with two different terminals: must be none.
    private(set) var changed: [String] = []
    /// Ids for which the provider was called more often than `GO`s were given: must be none.
    private(set) var overcalled: [String] = []
    /// Ids that were called in more deliveries than `on_loss` allows: must be none.
    private(set) var overpaid: [String] = []
    /// Requests that were called again after their first paid delivery was lost.
    private(set) var paidAgain = 0
    /// Requests that an earlier delivery answered while a later one was called.
    private(set) var answeredEarlier = 0
    /// Calls that the provider counted.
    private(set) var calls = 0

    /// Judges.
    ///
    /// A terminal's `total_attempts` is the number of the last attempt of its delivery that got a `GO`; attempts are
    /// numbered through over all deliveries and brokers.
    ///
    /// - Parameters:
    ///   - records: Of all agents.
    ///   - calls: Calls of each request id, as the provider counted them.
    init(_ records: [AgentLog.Record], calls: [String: Int]) {
        for record in records {
            requests += 1
            let id = record.work.id
            let called = calls[id] ?? 0
            self.calls += called
            if record.digests.count > 1 { changed.append(id) }
            if record.durability != nil { accepted += 1 }
            // A broker that names an accepted request new has forgotten it.
            if record.durability == .disk, record.firstAcceptances > 1 { lost.append(id) }
            switch record.outcome {
            case "reply": answered += 1
            case let reason?: failed[reason, default: 0] += 1
            case nil where record.durability == .disk: lost.append(id)
            case nil where record.durability == .memory && record.wasAbsent: goneWithMemory += 1
            case nil where record.wasRejected: rejected += 1
            case nil: open.append(id)
            }
            // Without the journal a broker that ends forgets what it gave.
            guard record.outcome != nil, record.durability == .disk else { continue }
            // The REPLY of an earlier delivery wins over a later one that has its GO, too, and tells of its own attempts only.
            // Where the provider answers the first call, the later one had one at most.
            let mayHaveLater = record.outcome == "reply" && record.deliveries < 2 && record.work.onLoss == .retry
            let laterMax = mayHaveLater && record.work.model.hasPrefix("mock/ok") ? 1 : 0
            if called > record.attempts + laterMax {
                overcalled.append(id)
            } else if called > record.attempts {
                answeredEarlier += 1
            }
            // One call for each delivery, where the provider answers the first.
            guard record.work.model.hasPrefix("mock/ok") else { continue }
            if called > (record.work.onLoss == .fail ? 1 : 2) { overpaid.append(id) }
            if called > 1 { paidAgain += 1 }
        }
    }

    /// Whether nothing is that must not be.
    var isGood: Bool {
        lost.isEmpty && open.isEmpty && changed.isEmpty && overcalled.isEmpty && overpaid.isEmpty
    }

    /// The table for people.
    func text(_ strikes: Strikes, recovery: RecoveryTimes) -> String {
        var rows: [(String, String)] = [
            ("Requests", "\(requests)"), ("Accepted", "\(accepted)"), ("Answered", "\(answered)"),
            ("Failed honestly", "\(failed.values.reduce(0, +))"),
        ]
        for (reason, count) in failed.sorted(by: { $0.key < $1.key }) { rows.append(("  \(reason)", "\(count)")) }
        rows += [
            ("Rejected", "\(rejected)"), ("Gone with a broker's memory", "\(goneWithMemory)"),
            ("Lost", Self.shown(lost)), ("Without an end", Self.shown(open)),
            ("Two terminals for one id", Self.shown(changed)),
            ("Calls of the provider", "\(calls)"), ("Ids with calls above GOs", Self.shown(overcalled)),
            ("Ids with calls above on_loss", Self.shown(overpaid)),
            ("Paid again after a loss", "\(paidAgain)"), ("Answered by an earlier delivery", "\(answeredEarlier)"),
            (
                "Kills",
                "\(strikes.killCount): "
                    + strikes.kills.sorted { $0.key < $1.key }.map { "\($0.value) \($0.key)" }.joined(separator: ", ")
            ),
            ("Freezes, drains, renewals", "\(strikes.freezes), \(strikes.drains), \(strikes.renewals)"),
            ("Broker killed to PONG", recovery.broker.text), ("Worker killed to worker.lost", recovery.worker.text),
        ]
        let width = rows.map(\.0.count).max() ?? 0
        return rows.map { $0.0 + String(repeating: " ", count: width - $0.0.count + 2) + $0.1 }.joined(separator: "\n")
    }

    private static func shown(_ ids: [String]) -> String {
        ids.isEmpty ? "0" : "\(ids.count): " + ids.prefix(3).joined(separator: ", ") + (ids.count > 3 ? ", …" : "")
    }

    /// The same as JSON.
    func json(_ strikes: Strikes, recovery: RecoveryTimes, seed: UInt64) -> [UInt8] {
        var writer = JSONWriter(reserving: 1024)
        writer.beginObject()
        writer.member("seed", seed)
        writer.member("good", isGood)
        writer.member("requests", requests)
        writer.member("accepted", accepted)
        writer.member("answered", answered)
        writer.key("failed")
        writer.beginObject()
        for (reason, count) in failed.sorted(by: { $0.key < $1.key }) { writer.member(reason, count) }
        writer.endObject()
        writer.member("rejected", rejected)
        writer.member("gone_with_memory", goneWithMemory)
        writer.member("lost", lost.count)
        writer.member("without_end", open.count)
        writer.member("two_terminals", changed.count)
        writer.member("calls", calls)
        writer.member("calls_above_gos", overcalled.count)
        writer.member("calls_above_on_loss", overpaid.count)
        writer.member("paid_again", paidAgain)
        writer.member("answered_earlier", answeredEarlier)
        writer.key("kills")
        writer.beginObject()
        for (role, count) in strikes.kills.sorted(by: { $0.key < $1.key }) { writer.member(role, count) }
        writer.endObject()
        writer.member("freezes", strikes.freezes)
        writer.member("drains", strikes.drains)
        writer.member("renewals", strikes.renewals)
        recovery.broker.write("broker_to_pong_ms", &writer)
        recovery.worker.write("worker_to_lost_ms", &writer)
        writer.endObject()
        return writer.finished()
    }
}

/// How long the bus took to notice, or to be there again.
struct RecoveryTimes: Sendable {
    /// Times of one kind.
    struct Series: Sendable {
        private var times: [Duration] = []

        mutating func add(_ time: Duration) { times.append(time) }

        private func rank(_ share: Double) -> Int64 {
            let sorted = times.sorted()
            return sorted[min(sorted.count - 1, Int(Double(sorted.count) * share))].wholeMilliseconds
        }

        var text: String {
            times.isEmpty ? "-" : "p50 \(rank(0.5)) ms, p99 \(rank(0.99)) ms, max \(rank(1)) ms of \(times.count)"
        }

        func write(_ key: String, _ writer: inout JSONWriter) {
            writer.key(key)
            guard !times.isEmpty else { return writer.null() }
            writer.beginObject()
            writer.member("p50", rank(0.5))
            writer.member("p99", rank(0.99))
            writer.member("max", rank(1))
            writer.member("count", times.count)
            writer.endObject()
        }
    }

    /// From the kill of the broker to the first `PONG` of the next.
    var broker = Series()
    /// From the kill of a worker to the event that tells of its loss.
    var worker = Series()
}
