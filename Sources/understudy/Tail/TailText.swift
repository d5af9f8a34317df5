import BusProtocol
import JSON
import Telemetry

/// Events as lines for people: time, name, whose, what.
struct TailText {
    /// Longest id that is shown whole; nil for any length, as for files.
    var idCountMax: Int?
    /// Longest model or task that is shown whole; nil for any length.
    var nameCountMax: Int?
    /// Shows milliseconds since 1970 as a time of day.
    var clock: (Int64) -> String = HumanText.timeOfDay

    private static let eventWidth = 16

    /// A line for an event; what is not known is shown as its JSON.
    func line(_ json: JSONValue) -> StyledLine {
        let name = json["event"]?.stringValue ?? "?"
        var line = StyledLine(json["time_ms"]?.numberValue?.int64.map(clock) ?? "?", .dim)
        line.add("  ")
        line.add(HumanText.clean(name), padded: Self.eventWidth, Self.style(name, json))
        line.add("  ")
        let details =
            switch name {
            case "request.accepted": accepted(json)
            case "request.rejected": [id(json, "id"), code(json), task(json)]
            case "request.ended": ended(json)
            case "request.late": [id(json, "id"), "\(text(json, "outcome")) of delivery \(figure(json, "delivery"))"]
            case "attempt.ended": attempt(json)
            case "worker.joined": [id(json, "worker"), pid(json), "capacity \(figure(json, "capacity"))"]
            case "worker.left": [id(json, "worker"), pid(json)]
            case "worker.lost":
                [
                    id(json, "worker"), pid(json), text(json, "reason") == "lease" ? "silent too long" : "died",
                    "\(figure(json, "requeued")) requeued", "\(figure(json, "failed")) failed",
                ]
            case "delivery.lost":
                [id(json, "id"), "delivery \(figure(json, "delivery"))", "with \(shortened(text(json, "worker")))"]
            case "task.ended":
                [id(json, "task"), text(json, "outcome"), json["kind"]?.stringValue.map { "by \($0)" }]
            case "snapshot": snapshot(json)
            default: [HumanText.clean(json.description)]
            }
        line.add(details.compactMap(\.self).filter { !$0.isEmpty }.joined(separator: "  "))
        return line
    }

    /// A line for what was missed.
    ///
    /// - Parameter time: Milliseconds since 1970.
    func line(_ finding: SequenceWatch.Finding, time: Int64) -> StyledLine {
        var line = StyledLine(clock(time), .dim)
        line.add("  ")
        switch finding {
        case .gap(let eventClass, _, let first, let last):
            line.add("gap", padded: Self.eventWidth, .yellow)
            let count = Int(clamping: last - first + 1)
            line.add("  \(HumanText.count(count, "event")) of class \(eventClass.rawValue) missed", .yellow)
            line.add(first == last ? ", number \(first)" : ", numbers \(first) to \(last)")
        case .restart(let epoch, _):
            line.add("restart", padded: Self.eventWidth, .yellow)
            line.add("  the broker was started again, epoch \(epoch)", .yellow)
        }
        return line
    }

    // MARK: Kinds

    private static func style(_ name: String, _ json: JSONValue) -> Console.Style? {
        switch name {
        case "request.ended": json["outcome"]?.stringValue == "reply" ? .green : .red
        case "attempt.ended": json["error.type"]?.stringValue == nil ? nil : .yellow
        case "request.rejected", "request.late": .yellow
        case "worker.lost", "delivery.lost": .red
        case "worker.joined", "worker.left": .cyan
        case "task.ended": json["outcome"]?.stringValue == "failed" ? .red : nil
        default: nil
        }
    }

    private func accepted(_ json: JSONValue) -> [String?] {
        [
            id(json, "id"), json["priority"]?.intValue.map { "priority \($0)" },
            json["durability"]?.stringValue.map(HumanText.clean), task(json),
        ]
    }

    private func ended(_ json: JSONValue) -> [String?] {
        let call = json["call"]
        let isReply = json["outcome"]?.stringValue == "reply"
        let reason = json["class"]?.stringValue ?? call?["error.type"]?.stringValue ?? "failure"
        let model = call?[isReply ? "resolved_model" : "model"]?.stringValue
        var effort: [String] = []
        if let attempts = call?["total_attempts"]?.intValue, attempts > 1 { effort.append("\(attempts) attempts") }
        if let fallbacks = call?["fallbacks"]?.intValue, fallbacks > 0 {
            effort.append(HumanText.count(fallbacks, "fallback"))
        }
        if let deliveries = json["deliveries"]?.intValue, deliveries > 1 { effort.append("\(deliveries) deliveries") }
        if let waited = json["waited_ms"]?.intValue, waited >= 100 {
            effort.append("waited \(HumanText.time(milliseconds: waited))")
        }
        return [
            id(json, "id"), isReply ? "reply" : HumanText.clean(reason),
            !isReply && json["by"]?.stringValue == "broker" ? "by the broker" : nil, model.map(shortened),
            json["duration_ms"]?.intValue.map { HumanText.time(milliseconds: $0) }, effort.joined(separator: ", "),
            task(json),
        ]
    }

    private func attempt(_ json: JSONValue) -> [String?] {
        var outcome = "ok"
        if let reason = json["error.type"]?.stringValue {
            outcome = json["http.response.status_code"]?.intValue.map { "\($0) " } ?? ""
            outcome += HumanText.clean(reason)
        }
        var next: String?
        switch json["next"]?.stringValue {
        case "retry":
            next = "retry in \(HumanText.time(milliseconds: json["wait_ms"]?.intValue ?? 0))"
        case "fallback": next = "fallback"
        default: break
        }
        return [
            id(json, "id"), "attempt \(figure(json, "attempt"))", shortened(text(json, "model")), outcome,
            json["duration_ms"]?.intValue.map { HumanText.time(milliseconds: $0) }, next.map { "→ \($0)" },
        ]
    }

    private func snapshot(_ json: JSONValue) -> [String?] {
        [
            ("queued", "queued"), ("in_flight", "in flight"), ("kept", "kept"), ("workers", "workers"),
            ("accepted_total", "accepted"), ("replied_total", "replied"), ("failed_total", "failed"),
            ("rejected_total", "rejected"),
        ].map { "\($0.1) \(figure(json, $0.0))" }
    }

    // MARK: Members

    private func id(_ json: JSONValue, _ key: String) -> String {
        let text = HumanText.shortened(json[key]?.stringValue ?? "-", to: idCountMax)
        return text + String(repeating: " ", count: max(0, 12 - text.count))
    }

    private func shortened(_ text: String) -> String { HumanText.shortened(text, to: nameCountMax) }

    private func text(_ json: JSONValue, _ key: String) -> String {
        HumanText.clean(json[key]?.stringValue ?? "?")
    }

    private func figure(_ json: JSONValue, _ key: String) -> String {
        json[key]?.intValue.map { HumanText.count($0) } ?? "?"
    }

    private func pid(_ json: JSONValue) -> String? { json["pid"]?.intValue.map { "pid \($0)" } }

    private func task(_ json: JSONValue) -> String? { json["task"]?.stringValue.map { "task \(shortened($0))" } }

    private func code(_ json: JSONValue) -> String {
        "\(json["code"]?.intValue.map { "\($0) " } ?? "")\(text(json, "symbol"))"
    }
}
