/// Status and header fields of a response.
public struct HTTPResponseHead: Sendable {
    /// The status, `200...599`; interim responses (1xx) are not reported.
    public var status: Int

    /// Version as the server wrote it, for example `1.1` or `2`.
    public var httpVersion: String

    /// Name and value of each field in the order of arrival. Names are as the server spelled them; bytes that are not
    /// UTF-8 are replaced.
    public var headers: [(String, String)]

    /// Makes a head.
    public init(status: Int, httpVersion: String, headers: [(String, String)]) {
        self.status = status
        self.httpVersion = httpVersion
        self.headers = headers
    }

    /// The value of the first field called `name`, whatever its case.
    public func header(_ name: String) -> String? {
        headers.first { equalIgnoringCase($0.0, name) }?.1
    }
}

/// A response with its whole body.
public struct HTTPResponse: Sendable {
    /// Status and header fields.
    public var head: HTTPResponseHead

    /// The body after decompression.
    public var body: [UInt8]

    /// How long each phase took.
    public var phases: HTTPPhases

    /// Makes a response.
    public init(head: HTTPResponseHead, body: [UInt8], phases: HTTPPhases) {
        self.head = head
        self.body = body
        self.phases = phases
    }

    /// The status, `200...599`.
    public var status: Int { head.status }

    /// The header fields; see ``HTTPResponseHead/headers``.
    public var headers: [(String, String)] { head.headers }

    /// The value of the first field called `name`, whatever its case.
    public func header(_ name: String) -> String? { head.header(name) }
}

/// Compares ASCII without regard to case.
func equalIgnoringCase(_ left: String, _ right: String) -> Bool {
    let (left, right) = (left.utf8.span, right.utf8.span)
    guard left.count == right.count else { return false }
    for index in left.indices where left[index] != right[index] {
        guard asciiLowercased(left[index]) == asciiLowercased(right[index]) else { return false }
    }
    return true
}

private func asciiLowercased(_ byte: UInt8) -> UInt8 {
    (UInt8(ascii: "A")...UInt8(ascii: "Z")).contains(byte) ? byte | 0x20 : byte
}
