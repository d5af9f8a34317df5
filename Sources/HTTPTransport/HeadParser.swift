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
        var end = line.count
        while end > 0, line[end - 1] == 10 || line[end - 1] == 13 { end -= 1 }
        let text = line[..<end]
        guard let status = head?.status else { return addStatus(text) }
        guard end > 0 else { return finishHead(status) }
        // The fields are appended where they are: a copy of the head would copy all of them with every line.
        if Self.isBlank(line[0]) {
            // An obsolete folded line belongs to the field before it (RFC 9112, 5.2).
            guard let last = head?.headers.indices.last else {
                return .malformed("a header field starts with a blank")
            }
            head?.headers[last].1 += " " + Self.decode(Self.trimmed(text))
        } else {
            guard let colon = text.firstIndex(of: UInt8(ascii: ":")), colon > 0 else {
                return .malformed("a header line of \(end) bytes has no name and colon")
            }
            head?.headers.append((Self.decode(text[..<colon]), Self.decode(Self.trimmed(text[(colon + 1)...]))))
        }
        return .more
    }

    private mutating func addStatus(_ line: ArraySlice<UInt8>) -> Outcome {
        let parts = line.split(separator: UInt8(ascii: " "), maxSplits: 2, omittingEmptySubsequences: true)
        guard parts.count >= 2, parts[0].starts(with: Array("HTTP/".utf8)), parts[1].count == 3,
            let status = Int(Self.decode(parts[1])), (100...999).contains(status)
        else { return .malformed("the status line is not of the form HTTP/version status") }
        var started = HTTPResponseHead(status: status, httpVersion: Self.decode(parts[0].dropFirst(5)), headers: [])
        started.headers.reserveCapacity(12)
        head = started
        return .more
    }

    private mutating func finishHead(_ status: Int) -> Outcome {
        guard status >= 200, let complete = head else {
            head = nil
            return .more
        }
        isComplete = true
        return .complete(complete)
    }

    private static func isBlank(_ byte: UInt8) -> Bool { byte == 32 || byte == 9 }

    private static func trimmed(_ bytes: ArraySlice<UInt8>) -> ArraySlice<UInt8> {
        var (start, end) = (bytes.startIndex, bytes.endIndex)
        while start < end, Self.isBlank(bytes[start]) { start += 1 }
        while start < end, Self.isBlank(bytes[end - 1]) { end -= 1 }
        return bytes[start..<end]
    }

    private static func decode(_ bytes: ArraySlice<UInt8>) -> String { String(decoding: bytes, as: UTF8.self) }
}
