/// What the mock needs of a request's line and headers.
struct RequestHead: Equatable {
    /// Longest request id that is counted, in bytes; longer ones are cut.
    static let requestIDBytesMax = 256

    var method = ""
    /// Path as sent.
    var path = ""
    /// What stands behind the `?` of the target, as sent.
    var queryText = ""
    /// HTTP/1.0: no chunked answers, and the connection closes unless the client asks for the contrary.
    var isOldHTTP = false
    var keepsAlive = true
    var contentLength: Int?
    var isChunked = false
    /// The client waits for "100 Continue" before it sends the body.
    var expectsContinue = false
    /// The caller's key: behind `Bearer`, or in `x-api-key` or `x-goog-api-key`.
    var bearer: String?
    /// Value of `x-understudy-request-id`.
    var requestID: String?

    /// The values of the query, percent-decoded; a name without `=` has an empty value.
    var query: [String: String] {
        var values: [String: String] = [:]
        for pair in queryText.split(separator: "&") {
            let parts = pair.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            values[Self.percentDecoded(parts[0])] = parts.count == 2 ? Self.percentDecoded(parts[1]) : ""
        }
        return values
    }

    private static func percentDecoded(_ text: Substring) -> String {
        let bytes = Array(text.utf8)
        var decoded: [UInt8] = []
        var index = 0
        while index < bytes.count {
            if bytes[index] == UInt8(ascii: "%"), index + 2 < bytes.count,
                let high = ASCII.hexValue(bytes[index + 1]), let low = ASCII.hexValue(bytes[index + 2])
            {
                decoded.append(high << 4 | low)
                index += 3
            } else {
                decoded.append(bytes[index] == UInt8(ascii: "+") ? UInt8(ascii: " ") : bytes[index])
                index += 1
            }
        }
        return String(decoding: decoded, as: UTF8.self)
    }
}

/// Bytes of ASCII text.
enum ASCII {
    static let lineFeed = UInt8(ascii: "\n")
    static let carriageReturn = UInt8(ascii: "\r")
    static let space = UInt8(ascii: " ")
    static let tab = UInt8(ascii: "\t")

    /// The value of a hexadecimal digit; nil when it is none.
    static func hexValue(_ byte: UInt8) -> UInt8? {
        switch byte {
        case UInt8(ascii: "0")...UInt8(ascii: "9"): byte - UInt8(ascii: "0")
        case UInt8(ascii: "a")...UInt8(ascii: "f"): byte - UInt8(ascii: "a") + 10
        case UInt8(ascii: "A")...UInt8(ascii: "F"): byte - UInt8(ascii: "A") + 10
        default: nil
        }
    }

    /// The byte as a small letter when it is a capital one.
    static func lowercased(_ byte: UInt8) -> UInt8 {
        (UInt8(ascii: "A")...UInt8(ascii: "Z")).contains(byte) ? byte | 0x20 : byte
    }

    /// True when the bytes are `word`, which is in small letters, whatever their case.
    static func equals(_ bytes: Span<UInt8>, _ word: String) -> Bool {
        guard bytes.count == word.utf8.count else { return false }
        var index = 0
        for letter in word.utf8 {
            if lowercased(bytes[index]) != letter { return false }
            index += 1
        }
        return true
    }

    /// The bytes as text; what is not UTF-8 is replaced.
    static func text(_ bytes: Span<UInt8>) -> String {
        unsafe bytes.withUnsafeBufferPointer { unsafe String(decoding: $0, as: UTF8.self) }
    }
}
