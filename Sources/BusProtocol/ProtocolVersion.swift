/// F0: `UBP/1`.
public enum ProtocolVersion {
    /// The version's text.
    public static let text = "UBP/1"
    /// The frame.
    public static let bytes: [UInt8] = Array(text.utf8)

    /// True when the frame begins as F0 of any version of the protocol does.
    ///
    /// At least 5 bytes, so that the 4-byte number of REQ_CORRELATE is never taken for a version.
    static func looksLikeOne(_ frame: UnsafeRawBufferPointer) -> Bool {
        guard frame.count >= 5 else { return false }
        return unsafe frame.loadUnaligned(fromByteOffset: 0, as: UInt32.self).bigEndian == 0x5542_502F
    }

    /// True when the frame is `UBP/1`.
    static func matches(_ frame: UnsafeRawBufferPointer) -> Bool {
        unsafe frame.count == 5 && looksLikeOne(frame) && frame[4] == UInt8(ascii: "1")
    }
}
