/// One step from a value to a value inside it.
enum PathStep: Sendable {
    case key(String)
    case index(Int)

    /// How the step reads in a path: `.name`, `["a b"]`, `[3]`.
    var text: String {
        switch self {
        case .index(let index): return "[\(index)]"
        case .key(let key):
            let isPlain =
                !key.isEmpty
                && key.utf8.allSatisfy { byte in
                    Byte.isDigit(byte) || (byte | 0x20) &- 0x61 < 26 || byte == 0x5F || byte == Byte.minus
                }
            return isPlain && key.utf8.count <= 64 ? "." + key : "[" + Self.quoted(key) + "]"
        }
    }

    /// The path of `steps`, outermost first.
    static func path(_ steps: some Sequence<PathStep>) -> String {
        steps.reduce(into: "$") { $0 += $1.text }
    }

    /// A text in quotes, escaped, cut to 64 characters: error messages stay short whatever the input is.
    static func quoted(_ text: String) -> String {
        let head = text.unicodeScalars.prefix(64)
        return JSONValue.string(String(String.UnicodeScalarView(head))).description
            + (head.endIndex < text.endIndex ? "..." : "")
    }
}
