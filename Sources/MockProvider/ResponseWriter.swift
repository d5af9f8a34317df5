/// Writes response heads and chunked bodies.
enum ResponseWriter {
    /// How the end of a body is told.
    enum Framing {
        case length(Int)
        case chunked
        /// The end of the connection, for HTTP/1.0.
        case close
    }

    /// Appends status line and headers; of several headers of one name the last counts.
    static func appendHead(
        status: Int,
        headers: [MockHeader],
        framing: Framing,
        keepsAlive: Bool,
        to bytes: inout [UInt8]
    ) {
        bytes.append(contentsOf: "HTTP/1.1 ".utf8)
        bytes.append(contentsOf: String(status).utf8)
        bytes.append(ASCII.space)
        bytes.append(contentsOf: HTTPStatus.reason(status).utf8)
        appendLineEnd(to: &bytes)
        for (index, header) in headers.enumerated() where !isReplaced(header.name, in: headers, behind: index) {
            append(header.name, header.value, to: &bytes)
        }
        switch framing {
        case .length(let length): append("content-length", String(length), to: &bytes)
        case .chunked: append("transfer-encoding", "chunked", to: &bytes)
        case .close: break
        }
        append("connection", keepsAlive ? "keep-alive" : "close", to: &bytes)
        appendLineEnd(to: &bytes)
    }

    private static func isReplaced(_ name: String, in headers: [MockHeader], behind index: Int) -> Bool {
        for later in headers[(index + 1)...] where later.name.utf8.count == name.utf8.count {
            if later.name == name || later.name.lowercased() == name.lowercased() { return true }
        }
        return false
    }

    private static func append(_ name: String, _ value: String, to bytes: inout [UInt8]) {
        bytes.append(contentsOf: name.utf8)
        bytes.append(UInt8(ascii: ":"))
        bytes.append(ASCII.space)
        bytes.append(contentsOf: value.utf8)
        appendLineEnd(to: &bytes)
    }

    /// Appends one chunk; an empty one would end the body and is left out.
    static func appendChunk(_ data: [UInt8], to bytes: inout [UInt8]) {
        guard !data.isEmpty else { return }
        bytes.append(contentsOf: String(data.count, radix: 16).utf8)
        appendLineEnd(to: &bytes)
        bytes.append(contentsOf: data)
        appendLineEnd(to: &bytes)
    }

    /// Appends the end of a chunked body.
    static func appendLastChunk(to bytes: inout [UInt8]) {
        bytes.append(contentsOf: "0\r\n\r\n".utf8)
    }

    private static func appendLineEnd(to bytes: inout [UInt8]) {
        bytes.append(ASCII.carriageReturn)
        bytes.append(ASCII.lineFeed)
    }
}
