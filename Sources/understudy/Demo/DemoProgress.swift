import CoreTypes

/// Tells how far a phase is: one line that changes at a terminal, a line at the end elsewhere.
struct DemoProgress {
    private static let barWidth = 24

    private let console: Console
    private let title: String
    private let total: Int

    /// Begins a phase of `total` tasks.
    init(_ title: String, total: Int, console: Console = .error) {
        self.console = console
        self.title = title + String(repeating: " ", count: max(0, 18 - title.count))
        self.total = total
        change("starting a bus")
    }

    /// Shows how far the agents are.
    func show(_ progress: DemoAgents.Progress) {
        let full = progress.ended * Self.barWidth / max(1, total)
        let bar = String(repeating: "#", count: full) + String(repeating: ".", count: Self.barWidth - full)
        let text = text(progress)
        // A line that wraps would be left behind by the next one.
        let hasRoom = console.width > 2 + title.count + Self.barWidth + 2 + text.count
        change(hasRoom ? console.styled(bar, .cyan) + "  " + text : text)
    }

    /// Shows how the phase ended.
    func finish(_ progress: DemoAgents.Progress, took: Duration) {
        let tenths = took.wholeMilliseconds / 100
        let line = "  \(title)\(text(progress)), \(tenths / 10).\(tenths % 10) s"
        console.line(console.isTerminal ? "\r\u{1B}[K" + line : line)
    }

    /// Leaves a line that is begun.
    func abandon() {
        if console.isTerminal { console.write(Array("\r\u{1B}[K".utf8)) }
    }

    private func text(_ progress: DemoAgents.Progress) -> String {
        "\(progress.ended)/\(total) tasks, \(progress.failed) failed"
    }

    private func change(_ text: String) {
        guard console.isTerminal else { return }
        console.write(Array("\r\u{1B}[K  \(title)\(text)".utf8))
    }
}
