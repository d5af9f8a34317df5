/// Shows one picture after another: over the last one at a terminal, below it elsewhere.
struct StatusScreen {
    private let console: Console
    private var shown = 0

    /// A screen on `console`.
    init(_ console: Console) { self.console = console }

    /// Shows `lines`; false when the reader is gone. A picture that is higher than the terminal loses its end.
    mutating func show(_ lines: [StyledLine]) -> Bool {
        guard console.canRedraw else {
            let text = lines.map { $0.text(on: console) + "\n" }.joined()
            defer { shown += 1 }
            return console.reaches(Array(((shown > 0 ? "\n" : "") + text).utf8))
        }
        let room = max(1, console.height - 1)
        let isCut = lines.count > room
        let kept = isCut ? Array(lines.prefix(room - 1)) + [StyledLine("…", .dim)] : lines
        // Up to where the last picture began, each line over the old one, and the rest of the screen cleared.
        var text = shown > 0 ? "\u{1B}[\(shown)A\r" : ""
        for line in kept { text += line.text(on: console) + "\u{1B}[K\n" }
        shown = kept.count
        return console.reaches(Array((text + "\u{1B}[J").utf8))
    }
}
