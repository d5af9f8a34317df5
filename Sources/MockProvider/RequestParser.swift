/// A request that was read completely.
struct Request: Equatable {
    var head: RequestHead
    var body: [UInt8]
}

/// Reads HTTP/1.1 and HTTP/1.0 requests from bytes as they come, in pieces of any size.
///
/// Source: RFC 9112. Bodies come by content-length or chunked. Line ends may be LF alone, as section 2.2 allows.
struct RequestParser {
    /// Most bytes of request line and headers together.
    static let headBytesMax = 64 * 1024

    /// Most bytes of a body.
    static let bodyBytesMax = 16 * 1024 * 1024

    /// What came of the bytes.
    enum Step: Equatable {
        /// All bytes but an unfinished line are taken; more are needed.
        case needsMore
        /// The headers are read and the client waits for "100 Continue".
        case wantsContinue
        /// A request is complete.
        case request(Request)
        /// The bytes are no acceptable request; the connection is of no further use.
        case refused(status: Int, reason: String)
    }

    private enum Phase {
        case requestLine
        case headers
        case body(missing: Int)
        case chunkSize
        case chunkData(missing: Int)
        case chunkEnd
        case trailers
    }

    private var phase = Phase.requestLine
    private var head = RequestHead()
    private var body: [UInt8] = []
    /// Bytes of the head, later of the trailers, that were taken.
    private var headBytes = 0
    /// Bytes at the front of the next input that are known to hold no line end.
    private var searched = 0

    /// True when nothing of a next request was taken.
    var isIdle: Bool {
        if case .requestLine = phase { return headBytes == 0 }
        return false
    }

    /// Takes bytes from `offset` on and moves it behind them; what is left must come again, followed by more.
    mutating func advance(over bytes: Span<UInt8>, from offset: inout Int) -> Step {
        while true {
            switch phase {
            case .body(let missing):
                let taken = takeBody(bytes, from: &offset, upTo: missing)
                if taken < missing {
                    phase = .body(missing: missing - taken)
                    return .needsMore
                }
                return complete()
            case .chunkData(let missing):
                let taken = takeBody(bytes, from: &offset, upTo: missing)
                if taken < missing {
                    phase = .chunkData(missing: missing - taken)
                    return .needsMore
                }
                phase = .chunkEnd
            case .requestLine, .headers, .chunkSize, .chunkEnd, .trailers:
                let start = offset
                guard let end = lineEnd(in: bytes, from: &offset) else {
                    guard headBytes + searched <= Self.headBytesMax else { return tooLargeHead }
                    return .needsMore
                }
                if let step = takeLine(bytes.extracting(start..<end), byteCount: offset - start) { return step }
            }
        }
    }

    private var tooLargeHead: Step {
        .refused(status: 431, reason: "the request line and headers are larger than \(Self.headBytesMax) bytes")
    }

    private mutating func takeBody(_ bytes: Span<UInt8>, from offset: inout Int, upTo missing: Int) -> Int {
        let count = min(missing, bytes.count - offset)
        let piece = bytes.extracting(offset..<(offset + count))
        unsafe piece.withUnsafeBufferPointer { unsafe body.append(contentsOf: $0) }
        offset += count
        return count
    }

    /// Finds the end of the line at `offset` without its line end and moves `offset` behind that.
    private mutating func lineEnd(in bytes: Span<UInt8>, from offset: inout Int) -> Int? {
        var index = offset + searched
        while index < bytes.count, bytes[index] != ASCII.lineFeed { index += 1 }
        guard index < bytes.count else {
            searched = bytes.count - offset
            return nil
        }
        searched = 0
        let start = offset
        offset = index + 1
        return index > start && bytes[index - 1] == ASCII.carriageReturn ? index - 1 : index
    }

    /// Takes one line; nil when the next line or body bytes are to follow at once.
    private mutating func takeLine(_ line: Span<UInt8>, byteCount: Int) -> Step? {
        switch phase {
        case .requestLine:
            if line.isEmpty && headBytes == 0 { return nil }
            headBytes += byteCount
            guard headBytes <= Self.headBytesMax else { return tooLargeHead }
            phase = .headers
            return takeRequestLine(line)
        case .headers:
            headBytes += byteCount
            guard headBytes <= Self.headBytesMax else { return tooLargeHead }
            return line.isEmpty ? endHead() : takeHeader(line)
        case .chunkSize:
            return takeChunkSize(line)
        case .chunkEnd:
            guard line.isEmpty else { return .refused(status: 400, reason: "a chunk is longer than its size says") }
            phase = .chunkSize
            return nil
        case .trailers:
            headBytes += byteCount
            guard headBytes <= Self.headBytesMax else { return tooLargeHead }
            return line.isEmpty ? complete() : nil
        case .body, .chunkData:
            preconditionFailure("a body has no lines")
        }
    }

    private mutating func takeRequestLine(_ line: Span<UInt8>) -> Step? {
        let first = Self.index(of: ASCII.space, in: line, from: 0)
        let second = Self.index(of: ASCII.space, in: line, from: first + 1)
        guard first > 0, second > first + 1, second < line.count else {
            return .refused(status: 400, reason: "the first line is no request line")
        }
        let version = line.extracting((second + 1)..<line.count)
        if ASCII.equals(version, "http/1.0") {
            head.isOldHTTP = true
            head.keepsAlive = false
        } else if !ASCII.equals(version, "http/1.1") {
            return .refused(status: 505, reason: "the version is neither HTTP/1.1 nor HTTP/1.0")
        }
        let target = line.extracting((first + 1)..<second)
        let mark = Self.index(of: UInt8(ascii: "?"), in: target, from: 0)
        head.method = ASCII.text(line.extracting(0..<first))
        head.path = ASCII.text(target.extracting(0..<mark))
        if mark < target.count { head.queryText = ASCII.text(target.extracting((mark + 1)..<target.count)) }
        return nil
    }

    /// The index of the first `byte` at `start` or behind it; the count, or `start` if that is greater, without one.
    private static func index(of byte: UInt8, in bytes: Span<UInt8>, from start: Int) -> Int {
        var index = start
        while index < bytes.count, bytes[index] != byte { index += 1 }
        return index
    }

    private mutating func takeHeader(_ line: Span<UInt8>) -> Step? {
        let colon = Self.index(of: UInt8(ascii: ":"), in: line, from: 0)
        guard colon > 0, colon < line.count, line[0] != ASCII.space, line[0] != ASCII.tab,
            line[colon - 1] != ASCII.space, line[colon - 1] != ASCII.tab
        else {
            return .refused(status: 400, reason: "a header line has no name and colon")
        }
        let name = line.extracting(0..<colon)
        let value = line.extracting(Self.trimmed(line, from: colon + 1))
        // The length tells nearly all foreign headers apart before a byte of the name is compared.
        switch colon {
        case 6 where ASCII.equals(name, "expect"):
            head.expectsContinue = ASCII.equals(value, "100-continue")
        case 9 where ASCII.equals(name, "x-api-key"):
            head.bearer = ASCII.text(value)
        case 10 where ASCII.equals(name, "connection"):
            takeConnection(ASCII.text(value))
        case 13 where ASCII.equals(name, "authorization"):
            takeAuthorization(value)
        case 14 where ASCII.equals(name, "content-length"):
            return takeContentLength(value)
        case 14 where ASCII.equals(name, "x-goog-api-key"):
            head.bearer = ASCII.text(value)
        case 17 where ASCII.equals(name, "transfer-encoding"):
            guard ASCII.equals(value, "chunked"), !head.isChunked else {
                return .refused(status: 501, reason: "the only known transfer-encoding is chunked")
            }
            head.isChunked = true
        case 23 where ASCII.equals(name, "x-understudy-request-id"):
            let kept = value.extracting(0..<min(value.count, RequestHead.requestIDBytesMax))
            head.requestID = kept.isEmpty ? nil : ASCII.text(kept)
        default:
            break
        }
        return nil
    }

    /// The part of `line` from `start` on without blanks at its ends.
    private static func trimmed(_ line: Span<UInt8>, from start: Int) -> Range<Int> {
        var low = start
        var high = line.count
        while low < high, line[low] == ASCII.space || line[low] == ASCII.tab { low += 1 }
        while high > low, line[high - 1] == ASCII.space || line[high - 1] == ASCII.tab { high -= 1 }
        return low..<high
    }

    private mutating func takeConnection(_ value: String) {
        for option in value.lowercased().split(separator: ",") {
            switch option.trimmingBlanks {
            case "close": head.keepsAlive = false
            case "keep-alive": head.keepsAlive = true
            default: break
            }
        }
    }

    private mutating func takeAuthorization(_ value: Span<UInt8>) {
        let scheme = Self.index(of: ASCII.space, in: value, from: 0)
        guard scheme < value.count, ASCII.equals(value.extracting(0..<scheme), "bearer") else { return }
        head.bearer = ASCII.text(value.extracting(Self.trimmed(value, from: scheme)))
    }

    private mutating func takeContentLength(_ value: Span<UInt8>) -> Step? {
        var length = 0
        for index in value.indices {
            let byte = value[index]
            guard (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte), value.count <= 15 else {
                return .refused(status: 400, reason: "content-length is no number of bytes")
            }
            length = length * 10 + Int(byte - UInt8(ascii: "0"))
        }
        guard !value.isEmpty, head.contentLength == nil || head.contentLength == length else {
            return .refused(status: 400, reason: "content-length is empty, or given twice with different values")
        }
        head.contentLength = length
        return nil
    }

    private mutating func endHead() -> Step? {
        if head.isChunked && head.contentLength != nil {
            return .refused(status: 400, reason: "content-length and transfer-encoding exclude each other")
        }
        let length = head.contentLength ?? 0
        guard length <= Self.bodyBytesMax else { return tooLargeBody }
        headBytes = 0
        if head.isChunked {
            phase = .chunkSize
        } else if length > 0 {
            body.reserveCapacity(min(length, 64 * 1024))
            phase = .body(missing: length)
        } else {
            return complete()
        }
        return head.expectsContinue && !head.isOldHTTP ? .wantsContinue : nil
    }

    private var tooLargeBody: Step {
        .refused(status: 413, reason: "the body is larger than \(Self.bodyBytesMax) bytes")
    }

    private mutating func takeChunkSize(_ line: Span<UInt8>) -> Step? {
        var size = 0
        var index = 0
        while index < line.count, index < 8, let digit = ASCII.hexValue(line[index]) {
            size = size << 4 | Int(digit)
            index += 1
        }
        // Behind the digits only an extension may come, which has no meaning here.
        guard index > 0, index == line.count || line[index] == UInt8(ascii: ";") || line[index] == ASCII.space else {
            return .refused(status: 400, reason: "a chunk size is no hexadecimal number")
        }
        guard body.count + size <= Self.bodyBytesMax else { return tooLargeBody }
        phase = size == 0 ? .trailers : .chunkData(missing: size)
        return nil
    }

    private mutating func complete() -> Step {
        let request = Request(head: head, body: body)
        self = RequestParser()
        return .request(request)
    }
}

extension StringProtocol {
    /// The text without spaces and tabs at its ends.
    fileprivate var trimmingBlanks: String {
        var rest = self[...]
        while let first = rest.first, first == " " || first == "\t" { rest = rest.dropFirst() }
        while let last = rest.last, last == " " || last == "\t" { rest = rest.dropLast() }
        return String(rest)
    }
}
