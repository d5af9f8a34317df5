extension Report {
    /// Titles longer than this are shortened in the middle.
    static let titleCountMax = 26

    /// The table for people: a row per figure, columns aligned to the right, further blocks below when the columns do
    /// not fit beside each other. Ends with a line feed.
    ///
    /// - Parameter width: Characters of a line; a block has at least one column, however narrow the line.
    public func text(width: Int = 80) -> String {
        guard !columns.isEmpty else { return "No tasks yet.\n" + gapsNote }
        let rows = rows()
        let labelCount = rows.map(\.label.count).max() ?? 0
        var text = ""
        var start = 0
        while start < columns.count {
            var widths: [Int] = []
            var line = labelCount
            while start + widths.count < columns.count {
                let next = columnWidth(start + widths.count, rows)
                guard widths.isEmpty || line + 2 + next <= width else { break }
                widths.append(next)
                line += 2 + next
            }
            if start > 0 { text += "\n" }
            let titles = widths.indices.map { Self.shortened(columns[start + $0].title) }
            text += Self.line(by.label, titles, labelCount, widths)
            for row in rows {
                if row.opensGroup { text += "\n" }
                text += Self.line(row.label, widths.indices.map { row.cells[start + $0] }, labelCount, widths)
            }
            start += widths.count
        }
        return text + gapsNote
    }

    private struct Row {
        var label: String
        var cells: [String]
        var opensGroup = false
    }

    private func rows() -> [Row] {
        func row(_ label: String, _ value: (Column) -> Int) -> Row {
            Row(label: label, cells: columns.map { String(value($0)) })
        }
        var rows = [
            row("Total Tasks", \.totalTasks), row("Completed", \.completed), row("Failed", \.failed),
            Row(label: "Success Rate", cells: columns.map(\.successRateText)),
            row("LLM Calls", \.llmCalls), row("LLM-Level Failures", \.llmLevelFailures),
        ]
        var attempts = row("Attempts", \.attempts)
        attempts.opensGroup = true
        rows += [
            attempts, row("Retries", \.retries), row("Fallbacks", \.fallbacks),
            row("Application Failures", \.applicationFailures),
        ]
        if columns.contains(where: { $0.open > 0 }) { rows.append(row("Open", \.open)) }
        if columns.contains(where: { $0.rejected > 0 }) { rows.append(row("Rejected", \.rejected)) }
        return rows
    }

    private func columnWidth(_ index: Int, _ rows: [Row]) -> Int {
        rows.reduce(Self.shortened(columns[index].title).count) { max($0, $1.cells[index].count) }
    }

    private var gapsNote: String {
        guard gaps.count > 0 else { return "" }
        let events = gaps.events == 1 ? "1 event is" : "\(gaps.events) events are"
        return "\nNote: \(events) missing (\(gaps.count) gap\(gaps.count == 1 ? "" : "s")); figures may be too low.\n"
    }

    private static func line(_ label: String, _ cells: [String], _ labelCount: Int, _ widths: [Int]) -> String {
        var line = label + String(repeating: " ", count: labelCount - min(labelCount, label.count))
        for (cell, width) in zip(cells, widths) {
            line += "  " + String(repeating: " ", count: width - cell.count) + cell
        }
        return line + "\n"
    }

    /// Agents choose the names of models: no control characters reach a terminal, and none is too long for a line.
    static func shortened(_ title: String) -> String {
        let clean = title.unicodeScalars.map { scalar in
            scalar.properties.generalCategory == .control || scalar.properties.generalCategory == .format
                ? "?" : Character(scalar)
        }
        guard clean.count > titleCountMax else { return String(clean) }
        let tail = (titleCountMax - 3) / 2
        return String(clean.prefix(titleCountMax - 3 - tail)) + "..." + String(clean.suffix(tail))
    }
}

extension Report.Columns {
    /// What stands above the labels.
    fileprivate var label: String {
        switch self {
        case .day: "Day (UTC)"
        case .model: "Model"
        case .provider: "Provider"
        case .epochs: "Run"
        }
    }
}

extension Report.Column {
    /// `92.3 %`, or `-` without tasks.
    public var successRateText: String {
        successPermille.map { "\($0 / 10).\($0 % 10) %" } ?? "-"
    }
}
