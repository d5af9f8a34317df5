/// What a broker told about itself, as lines for people.
struct StatusText {
    /// The directory of its sockets.
    var directory: String
    /// Longest id or name that is shown whole; nil for any length, as for files.
    var nameCountMax: Int?
    /// Shows milliseconds since 1970 as day and time.
    var clock: (Int64) -> String = HumanText.dayAndTime

    /// Characters before the figures.
    private static let labelWidth = 10
    private static let barWidth = 10

    /// The lines.
    ///
    /// - Parameter before: An earlier reading, to tell rates by.
    func lines(_ reading: StatusReading, since before: StatusReading? = nil) -> [StyledLine] {
        var lines = [title(reading)]
        lines += [label("bus", "\(directory), started \(clock(reading.epoch)), epoch \(reading.epoch)")]
        lines += problems(reading)
        lines += [StyledLine(), open(reading), queue(reading), kept(reading)]
        if let bytes = reading.journalBytes { lines.append(label("journal", HumanText.bytes(bytes))) }
        lines += [total(reading), calls(reading)]
        if !reading.rejections.isEmpty { lines.append(rejected(reading)) }
        if let rate = rate(reading, since: before) { lines.append(rate) }
        lines.append(StyledLine())
        lines += workers(reading)
        if let requests = reading.requests { lines += [StyledLine()] + self.requests(requests) }
        return lines
    }

    // MARK: The broker

    private func title(_ reading: StatusReading) -> StyledLine {
        var line = StyledLine("Understudy \(HumanText.clean(reading.version))", .bold)
        line.add("  ")
        line.add(HumanText.clean(reading.state), reading.state == "running" ? .green : .yellow)
        line.add(", up \(HumanText.time(milliseconds: reading.uptimeMilliseconds))")
        return line
    }

    private func problems(_ reading: StatusReading) -> [StyledLine] {
        Self.problems(reading).map { problem in
            var line = StyledLine()
            line.add("problem", padded: Self.labelWidth, .red)
            line.add(problem, .red)
            return line
        }
    }

    /// What keeps requests waiting or out, and what to do.
    static func problems(_ reading: StatusReading) -> [String] {
        var problems: [String] = []
        for name in reading.full {
            let most = reading.limits[name] ?? 0
            let shown = name.hasSuffix("bytes") ? HumanText.bytes(most) : HumanText.count(most)
            problems.append("new requests are rejected: \(HumanText.clean(name)) reached its limit of \(shown)")
        }
        if let refusal = reading.journalRefusal {
            problems.append("requests that are to survive the broker are rejected: \(HumanText.clean(refusal))")
        }
        if reading.workers.elements.isEmpty {
            problems.append("no workers, so requests wait; start one: understudy worker")
        }
        return problems
    }

    private func open(_ reading: StatusReading) -> StyledLine {
        var parts = [
            "\(HumanText.count(reading.sizes["open"] ?? 0))\(most(reading, "open"))",
            "\(HumanText.count(reading.queued)) queued", "\(HumanText.count(reading.inFlight)) in flight",
        ]
        if reading.orphaned > 0 { parts.append("\(HumanText.count(reading.orphaned)) wait for their former worker") }
        parts.append(HumanText.bytes(reading.sizes["open_bytes"] ?? 0) + most(reading, "open_bytes"))
        return label("open", parts.joined(separator: ", "))
    }

    private func queue(_ reading: StatusReading) -> StyledLine {
        let waiting = reading.queuedByPriority.enumerated().filter { $0.element > 0 }.reversed()
        guard !waiting.isEmpty else { return label("queue", "empty") }
        return label(
            "queue",
            waiting.map { "\(HumanText.count($0.element)) of priority \($0.offset)" }.joined(separator: ", ")
        )
    }

    private func kept(_ reading: StatusReading) -> StyledLine {
        let answers = HumanText.count(reading.sizes["kept"] ?? 0, "answer")
        let size = HumanText.bytes(reading.sizes["kept_bytes"] ?? 0) + most(reading, "kept_bytes")
        let ids = HumanText.count(reading.sizes["remembered"] ?? 0, "id")
        return label("kept", "\(answers) until ACK, \(size); \(ids) remembered")
    }

    private func most(_ reading: StatusReading, _ name: String) -> String {
        guard let most = reading.limits[name] else { return "" }
        return " of \(name.hasSuffix("bytes") ? HumanText.bytes(most) : HumanText.count(most))"
    }

    private func total(_ reading: StatusReading) -> StyledLine {
        func total(_ name: String) -> String { HumanText.count(reading.totals[name] ?? 0) }
        var line = label("total", "\(total("accepted")) accepted, \(total("replied")) answered, ")
        line.add("\(total("failed")) failed", (reading.totals["failed"] ?? 0) > 0 ? .yellow : nil)
        line.add(", ")
        line.add("\(total("rejected")) rejected", (reading.totals["rejected"] ?? 0) > 0 ? .yellow : nil)
        return line
    }

    private func calls(_ reading: StatusReading) -> StyledLine {
        func total(_ name: String) -> Int { reading.totals[name] ?? 0 }
        var parts = [
            "\(HumanText.count(total("go"))) allowed",
            "\(HumanText.count(total("deliveries"))) \(total("deliveries") == 1 ? "delivery" : "deliveries")",
        ]
        for (name, text) in [("nogo", "refused"), ("lost_deliveries", "lost"), ("late", "ended late")]
        where total(name) > 0 { parts.append("\(HumanText.count(total(name))) \(text)") }
        return label("calls", parts.joined(separator: ", "))
    }

    private func rejected(_ reading: StatusReading) -> StyledLine {
        let reasons = reading.rejections.map { "\(HumanText.count($0.count)) \(HumanText.clean($0.symbol))" }
        return label("rejected", reasons.joined(separator: ", "))
    }

    private func rate(_ reading: StatusReading, since before: StatusReading?) -> StyledLine? {
        guard let before, before.epoch == reading.epoch, reading.uptimeMilliseconds > before.uptimeMilliseconds else {
            return nil
        }
        let seconds = Double(reading.uptimeMilliseconds - before.uptimeMilliseconds) / 1000
        var parts: [String] = []
        for (name, text) in [("accepted", "accepted"), ("replied", "answered"), ("failed", "failed"), ("go", "calls")] {
            let count = (reading.totals[name] ?? 0) - (before.totals[name] ?? 0)
            parts.append("\(HumanText.rate(Double(count) / seconds)) \(text)")
        }
        return label("a second", parts.joined(separator: ", "))
    }

    private func label(_ label: String, _ text: String) -> StyledLine {
        var line = StyledLine()
        line.add(label, padded: Self.labelWidth, .dim)
        line.add(text)
        return line
    }

    // MARK: Lists

    private func workers(_ reading: StatusReading) -> [StyledLine] {
        let list = reading.workers
        guard !list.elements.isEmpty else { return [StyledLine("no workers", .dim)] }
        let headings = ["worker", "pid", "state", "load", "", "held", "of", "credit", "delivered", "lease", "joined"]
        var rows = [headings.map { StyledLine($0, .dim) }]
        for worker in list.elements {
            let load = worker.capacity > 0 ? Double(worker.held) / Double(worker.capacity) : 0
            let figures = [
                "\(Int((load * 100).rounded())) %", HumanText.count(worker.held), HumanText.count(worker.capacity),
                HumanText.count(worker.credit), HumanText.count(worker.deliveries),
                HumanText.time(milliseconds: worker.leaseMilliseconds),
            ]
            var row = [StyledLine(shortened(worker.name))]
            row.append(StyledLine(worker.pid.map { "\($0)" } ?? "-"))
            row.append(StyledLine(HumanText.clean(worker.state), worker.state == "joined" ? .green : .yellow))
            row.append(StyledLine(Self.bar(load)))
            for figure in figures { row.append(StyledLine(figure)) }
            row.append(StyledLine(HumanText.time(milliseconds: worker.joinedMilliseconds) + " ago"))
            rows.append(row)
        }
        return table(rows, figures: [1, 4, 5, 6, 7, 8, 9], isTruncated: list.isTruncated)
    }

    private func requests(_ list: StatusReading.List<StatusReading.Request>) -> [StyledLine] {
        guard !list.elements.isEmpty else { return [StyledLine("no requests of this user", .dim)] }
        let headings = ["request", "state", "age", "left", "priority", "deliveries", "attempts", "worker", "task"]
        var rows = [headings.map { StyledLine($0, .dim) }]
        for request in list.elements {
            let left = request.remainingMilliseconds.map { HumanText.time(milliseconds: $0) } ?? "-"
            var row = [StyledLine(shortened(request.id))]
            row.append(StyledLine(HumanText.clean(request.state), Self.style(request.state)))
            row.append(StyledLine(HumanText.time(milliseconds: request.ageMilliseconds)))
            row.append(StyledLine(left))
            for figure in [request.priority, request.deliveries, request.attempts] {
                row.append(StyledLine(HumanText.count(figure)))
            }
            row.append(StyledLine(request.worker.map { shortened($0) } ?? "-"))
            row.append(StyledLine(request.task.map { shortened($0) } ?? "-"))
            rows.append(row)
        }
        return table(rows, figures: [2, 3, 4, 5, 6], isTruncated: list.isTruncated)
    }

    private static func style(_ state: String) -> Console.Style? {
        switch state {
        case "replied": .green
        case "failed": .red
        case "running": .cyan
        default: nil
        }
    }

    private func table(_ rows: [[StyledLine]], figures: Set<Int>, isTruncated: Bool) -> [StyledLine] {
        var lines = StyledLine.table(rows, figures: figures)
        if isTruncated { lines.append(StyledLine("and more", .dim)) }
        return lines
    }

    private func shortened(_ text: String) -> String { HumanText.shortened(text, to: nameCountMax) }

    /// A share of 1 as a bar; what is not nothing shows.
    static func bar(_ share: Double) -> String {
        let exact = min(1, max(0, share)) * Double(barWidth)
        let filled = exact > 0 ? max(1, Int(exact.rounded())) : 0
        return String(repeating: "#", count: filled) + String(repeating: ".", count: barWidth - filled)
    }
}
