/// Text of a peer, made fit for an error message.
enum ForeignText {
    /// Most bytes of a foreign frame that are shown.
    private static let shownBytesMax = 32
    /// Most bytes of an error's whole message.
    static let messageBytesMax = 512

    /// The first bytes between quotes; what is not printable ASCII as `\xNN`.
    static func quoted(_ bytes: UnsafeRawBufferPointer) -> String {
        var text = "\""
        for index in 0..<min(bytes.count, shownBytesMax) {
            let byte = unsafe bytes[index]
            switch byte {
            case UInt8(ascii: "\""), UInt8(ascii: "\\"):
                text += "\\" + String(UnicodeScalar(byte))
            case 0x20...0x7E:
                text.unicodeScalars.append(UnicodeScalar(byte))
            default:
                text += byte < 16 ? "\\x0" : "\\x"
                text += String(byte, radix: 16)
            }
        }
        return text + (bytes.count > shownBytesMax ? "\" (\(bytes.count) bytes)" : "\"")
    }

    /// The message, cut when it is too long: keys of a foreign header may be long, and paths name them.
    static func clipped(_ message: String, _ byteCountMax: Int = messageBytesMax) -> String {
        guard message.utf8.count > byteCountMax else { return message }
        var kept = message.utf8.index(message.startIndex, offsetBy: byteCountMax)
        while String.Index(kept, within: message.unicodeScalars) == nil { kept = message.utf8.index(before: kept) }
        return message[..<kept] + "..."
    }
}
