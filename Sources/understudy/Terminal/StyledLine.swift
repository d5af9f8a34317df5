/// A line for people: parts with their styles, cut to the width of the terminal before the styles come in.
struct StyledLine: Hashable {
    private struct Part: Hashable {
        var text: String
        var style: Console.Style?
    }

    private var parts: [Part] = []

    /// A line that begins with `text`.
    init(_ text: String = "", _ style: Console.Style? = nil) { add(text, style) }

    /// Goes on with `text`.
    mutating func add(_ text: String, _ style: Console.Style? = nil) {
        if !text.isEmpty { parts.append(Part(text: text, style: style)) }
    }

    /// Goes on with `text`, and blanks up to `width` characters.
    mutating func add(_ text: String, padded width: Int, _ style: Console.Style? = nil) {
        add(text, style)
        add(String(repeating: " ", count: max(0, width - text.count)))
    }

    /// The line without styles.
    var plain: String { parts.map(\.text).joined() }

    /// The line as `console` shows it, in one of its lines.
    func text(on console: Console) -> String {
        var room = console.width
        var text = ""
        for part in trimmed {
            guard room > 0 else { break }
            let isCut = part.text.count > room
            let shown = isCut ? part.text.prefix(room - 1) + "…" : part.text
            text += part.style.map { console.styled(shown, $0) } ?? shown
            room -= shown.count
        }
        return text
    }

    /// Without the blanks at the end.
    private var trimmed: ArraySlice<Part> {
        var kept = parts[...]
        while let last = kept.last, last.text.allSatisfy({ $0 == " " }) { kept.removeLast() }
        return kept
    }

    /// Rows in columns, two blanks apart; the first row is the heading. Columns of figures are aligned to the right.
    static func table(_ rows: [[StyledLine]], figures: Set<Int>) -> [StyledLine] {
        var widths: [Int] = []
        for row in rows {
            for (index, cell) in row.enumerated() {
                if index == widths.count { widths.append(0) }
                widths[index] = max(widths[index], cell.plain.count)
            }
        }
        return rows.map { row in
            var line = StyledLine()
            for (index, cell) in row.enumerated() {
                if index > 0 { line.add("  ") }
                let blanks = String(repeating: " ", count: widths[index] - cell.plain.count)
                if figures.contains(index) { line.add(blanks) }
                line.parts += cell.parts
                if !figures.contains(index) { line.add(blanks) }
            }
            return line
        }
    }
}
