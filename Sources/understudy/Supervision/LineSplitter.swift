/// Cuts a stream of bytes into lines of bounded length.
struct LineSplitter {
    /// Longest line, in bytes; a longer one is cut.
    static let lineBytesMax = 8192

    private var rest: [UInt8] = []

    /// Takes in bytes and gives the lines that are complete, without their ends.
    mutating func add(_ bytes: some Sequence<UInt8>) -> [[UInt8]] {
        var lines: [[UInt8]] = []
        for byte in bytes {
            if byte == UInt8(ascii: "\n") {
                lines.append(take())
            } else {
                rest.append(byte)
                if rest.count == Self.lineBytesMax { lines.append(take()) }
            }
        }
        return lines
    }

    /// What came behind the last line end; nil when there is nothing.
    mutating func finish() -> [UInt8]? {
        rest.isEmpty ? nil : take()
    }

    private mutating func take() -> [UInt8] {
        defer { rest = [] }
        return rest
    }
}
