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
            guard !name.isEmpty, isToken(name) else {
                throw bad("header name \(name.prefix(64).debugDescription) is no token (RFC 9110, 5.6.2)")
            }
            guard isFieldValue(value) else {
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

private func isToken(_ text: String) -> Bool {
    let bytes = text.utf8.span
    for index in bytes.indices where !tokenBytes.contains(bytes[index]) { return false }
    return true
}

private func isFieldValue(_ text: String) -> Bool {
    let bytes = text.utf8.span
    for index in bytes.indices {
        let byte = bytes[index]
        guard byte >= 32 && byte != 127 || byte == 9 else { return false }
    }
    return true
}

/// Bytes of a token (RFC 9110, 5.6.2).
private let tokenBytes = ASCIISet("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789!#$%&'*+-.^_`|~")

/// A set of ASCII characters: a bit for each.
private struct ASCIISet {
    private var low: UInt64 = 0
    private var high: UInt64 = 0

    init(_ characters: String) {
        for byte in characters.utf8 {
            if byte < 64 { low |= 1 << byte } else { high |= 1 << (byte & 63) }
        }
    }

    func contains(_ byte: UInt8) -> Bool {
        byte < 128 && (byte < 64 ? low : high) >> (byte & 63) & 1 == 1
    }
}
