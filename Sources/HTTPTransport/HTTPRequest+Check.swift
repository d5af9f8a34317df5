import CoreTypes

extension HTTPRequest {
    /// Most bytes of all header fields.
    static let headerBytesMax = 64 << 10

    private static let refused = ["content-length", "transfer-encoding", "expect", "accept-encoding"]

    /// Refuses what would not arrive as meant, or could smuggle a second request.
    ///
    /// - Throws: ``TransportError/Code/badRequest`` with the field's name, never its value.
    func check() throws(TransportError) {
        guard body.isEmpty || method == .post else {
            throw bad("\(method.rawValue) with a body of \(body.count) bytes, expected none")
        }
        var bytes = 0
        for (name, value) in headers {
            bytes += name.utf8.count + value.utf8.count + 4
            guard !name.isEmpty, name.utf8.allSatisfy(isTokenByte) else {
                throw bad("header name \(name.prefix(64).debugDescription) is no token (RFC 9110, 5.6.2)")
            }
            guard value.utf8.allSatisfy({ $0 >= 32 && $0 != 127 || $0 == 9 }) else {
                throw bad("the value of header \(name.prefix(64)) has a control character")
            }
            guard !Self.refused.contains(where: { equalIgnoringCase($0, name) }) else {
                throw bad("header \(name) is set by the transport")
            }
        }
        guard bytes <= Self.headerBytesMax else {
            throw bad("\(bytes) bytes of header fields, limit \(Self.headerBytesMax)")
        }
    }

    private func bad(_ reason: String) -> TransportError {
        TransportError(code: .badRequest, message: "request not usable: \(reason)")
    }
}

private func isTokenByte(_ byte: UInt8) -> Bool {
    switch byte {
    case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
        UInt8(ascii: "0")...UInt8(ascii: "9"):
        true
    default: "!#$%&'*+-.^_`|~".utf8.contains(byte)
    }
}
