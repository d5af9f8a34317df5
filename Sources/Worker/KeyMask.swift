import Resilience

/// Takes a provider's key out of what the provider says: some quote the header that they refuse.
///
/// Works on bytes, so that a body needs neither be JSON nor be whole. The characters of the key are found plain and as
/// JSON may write them (`\\/`, `\\u002f`), also in JSON inside a string, and where the end of a shortened text cuts them off.
struct KeyMask {
    /// What stands in place of a key.
    static let mark = Array("[key]".utf8)
    /// Shorter keys are placeholders (`none`, `ollama`), and words that a text has for other reasons. Such a key is taken
    /// out only behind the scheme of the header that carried it.
    static let plainBytesMin = 8

    private static let scheme = Array("Bearer ".utf8)

    /// What is searched for: printable ASCII.
    private let pattern: [UInt8]
    /// What the pattern is replaced by.
    private let replacement: [UInt8]

    /// Makes the mask of `key`.
    init(_ key: String) {
        let key = Array(key.utf8)
        let needsScheme = key.count < Self.plainBytesMin
        pattern = needsScheme ? Self.scheme + key : key
        replacement = needsScheme ? Self.scheme + Self.mark : Self.mark
    }

    /// `failure` without the key.
    func masked(_ failure: AttemptFailure) -> AttemptFailure {
        var failure = failure
        failure.message = masked(failure.message)
        failure.providerError = failure.providerError.map(masked)
        return failure
    }

    /// `text` without the key.
    func masked(_ text: String) -> String {
        let bytes = Array(text.utf8)
        let masked = masked(bytes)
        return masked == bytes ? text : String(decoding: masked, as: UTF8.self)
    }

    /// `bytes` without the key.
    func masked(_ bytes: [UInt8]) -> [UInt8] {
        var masked: [UInt8] = []
        masked.reserveCapacity(bytes.count)
        var position = 0
        while position < bytes.count {
            if let end = endOfKey(in: bytes, at: position) {
                masked += replacement
                position = end
            } else {
                masked.append(bytes[position])
                position += 1
            }
        }
        return masked
    }

    /// Where the key ends that begins at `start`; nil when none does.
    private func endOfKey(in bytes: [UInt8], at start: Int) -> Int? {
        var position = start
        for (count, byte) in pattern.enumerated() {
            guard let next = Self.end(of: byte, in: bytes, at: position) else {
                let isCut = count >= Self.plainBytesMin && bytes[position...].allSatisfy { $0 == Self.backslash }
                return isCut ? bytes.count : nil
            }
            position = next
        }
        return position
    }

    private static let backslash = UInt8(ascii: "\\")

    /// Where `byte` ends that is written at `start`; nil when something else is. Any number of backslashes may stand before
    /// it: each level of JSON inside JSON doubles them.
    private static func end(of byte: UInt8, in bytes: [UInt8], at start: Int) -> Int? {
        let position = bytes[start...].firstIndex { $0 != backslash } ?? bytes.count
        if byte == backslash { return position > start ? position : nil }
        guard position < bytes.count else { return nil }
        if position > start, bytes[position] == UInt8(ascii: "u"), position + 4 < bytes.count {
            let digits = String(decoding: bytes[(position + 1)...(position + 4)], as: UTF8.self)
            if UInt16(digits, radix: 16) == UInt16(byte) { return position + 5 }
        }
        return bytes[position] == byte ? position + 1 : nil
    }
}
