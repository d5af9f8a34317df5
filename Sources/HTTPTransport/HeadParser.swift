/// Builds a response's head from its lines, as a value.
///
/// libcurl splits the head into lines and checks the framing; this reads the status and the fields and keeps the limit
/// of size. Interim responses (1xx) are dropped, and so are trailers; their bytes count.
struct HeadParser {
    /// What a line led to.
    enum Outcome {
        /// More lines are needed, or the head was complete before.
        case more
        /// The head is complete.
        case complete(HTTPResponseHead)
        /// The lines together are larger than the limit.
        case tooLarge
        /// The line is neither a status line nor a field.
        case malformed(String)
    }

    private let bytesMax: Int
    private var bytes = 0
    private var head: HTTPResponseHead?
    private var isComplete = false

    /// A parser that takes at most `bytesMax` bytes.
    init(bytesMax: Int) {
        self.bytesMax = bytesMax
    }

    /// True when at least one byte came.
    var hasBytes: Bool { bytes > 0 }

    /// The head once it is complete.
    var completeHead: HTTPResponseHead? { isComplete ? head : nil }

    /// Takes the next line, with or without its line end.
    mutating func add(line: [UInt8]) -> Outcome {
        bytes += line.count
        if bytes > bytesMax { return .tooLarge }
        if isComplete { return .more }
        var text = line[...]
        while let last = text.last, last == 10 || last == 13 { text.removeLast() }
        guard var current = head else { return addStatus(text) }
        guard let first = text.first else { return finishHead(current) }
        if isBlank(first) {
            // An obsolete folded line belongs to the field before it (RFC 9112, 5.2).
            guard !current.headers.isEmpty else { return .malformed("a header field starts with a blank") }
            current.headers[current.headers.count - 1].1 += " " + decode(trimmed(text))
        } else {
            guard let colon = text.firstIndex(of: UInt8(ascii: ":")), colon > text.startIndex else {
                return .malformed("a header line of \(text.count) bytes has no name and colon")
            }
            current.headers.append((decode(text[..<colon]), decode(trimmed(text[(colon + 1)...]))))
        }
        head = current
        return .more
    }

    private mutating func addStatus(_ line: ArraySlice<UInt8>) -> Outcome {
        let parts = line.split(separator: UInt8(ascii: " "), maxSplits: 2, omittingEmptySubsequences: true)
        guard parts.count >= 2, parts[0].starts(with: Array("HTTP/".utf8)), parts[1].count == 3,
            let status = Int(decode(parts[1])), (100...999).contains(status)
        else { return .malformed("the status line is not of the form HTTP/version status") }
        head = HTTPResponseHead(status: status, httpVersion: decode(parts[0].dropFirst(5)), headers: [])
        return .more
    }

    private mutating func finishHead(_ current: HTTPResponseHead) -> Outcome {
        if current.status < 200 {
            head = nil
            return .more
        }
        isComplete = true
        return .complete(current)
    }

    private func isBlank(_ byte: UInt8) -> Bool { byte == 32 || byte == 9 }

    private func trimmed(_ bytes: ArraySlice<UInt8>) -> ArraySlice<UInt8> {
        var rest = bytes.drop(while: isBlank)
        while let last = rest.last, isBlank(last) { rest.removeLast() }
        return rest
    }

    private func decode(_ bytes: ArraySlice<UInt8>) -> String { String(decoding: bytes, as: UTF8.self) }
}
