import JSON

extension MockHeader {
    /// Most headers of one answer that a file can name.
    static let countMax = 100

    /// Headers of the transport, which no file can set.
    private static let framing: Set<String> = ["content-length", "transfer-encoding", "connection"]

    /// Reads an object of names and values.
    ///
    /// - Parameter ignored: Names in small letters that are passed over; the transport's are refused otherwise.
    static func list(_ reader: JSONReader, leavingOut ignored: Set<String> = []) throws(JSONError) -> [MockHeader] {
        var headers: [MockHeader] = []
        for (name, value) in try reader.members() {
            guard !name.isEmpty, name.utf8.allSatisfy({ isTokenByte($0) }) else {
                throw value.failure(.notAllowed, "expected the name of a header, found \"\(name)\"")
            }
            let key = name.lowercased()
            if ignored.contains(key) { continue }
            guard !framing.contains(key) else {
                throw value.failure(.notAllowed, "\(name) belongs to the transport and cannot be set")
            }
            headers.append(MockHeader(name, try line(value)))
        }
        guard headers.count <= countMax else {
            throw reader.failure(.outOfRange, "expected at most \(countMax) headers, found \(headers.count)")
        }
        return headers
    }

    /// Text that fits into a header: no control characters.
    static func line(_ reader: JSONReader) throws(JSONError) -> String {
        let text = try reader.string()
        guard text.utf8.allSatisfy({ $0 >= 0x20 && $0 != 0x7F }) else {
            throw reader.failure(.notAllowed, "expected one line of text without control characters")
        }
        return text
    }

    /// A byte of a token, RFC 9110 section 5.6.2.
    private static func isTokenByte(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
            UInt8(ascii: "0")...UInt8(ascii: "9"):
            true
        default:
            "!#$%&'*+-.^_`|~".utf8.contains(byte)
        }
    }
}
