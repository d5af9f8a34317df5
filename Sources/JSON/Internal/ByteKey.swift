/// A key compared by its bytes.
///
/// `String`'s own equality takes canonically equivalent texts for the same; JSON does not (RFC 8259, section 8.3).
struct ByteKey: Hashable {
    private let text: String

    init(_ text: String) { self.text = text }

    static func == (left: ByteKey, right: ByteKey) -> Bool { same(left.text, right.text) }

    func hash(into hasher: inout Hasher) {
        // Equal bytes are equal texts, so the text's own hash is consistent with this type's equality.
        hasher.combine(text)
    }

    /// True when both texts have the same UTF-8.
    static func same(_ left: String, _ right: String) -> Bool {
        // Byte-equal texts are always equal Strings; the cheap comparison rules out nearly everything.
        guard left.utf8.count == right.utf8.count, left == right else { return false }
        return left.utf8Span.isKnownASCII || left.utf8.elementsEqual(right.utf8)
    }
}

/// Remembers which keys of one object have come by, a bit each; says quickly of most new keys that they are new.
struct KeyFilter {
    private var bits: UInt64 = 0

    /// False when a key with this length, first and last byte has certainly not come by before; remembers it.
    ///
    /// Those three tell the keys of nearly every real object apart.
    @inline(__always)
    mutating func mayHaveSeen(count: Int, first: UInt8, last: UInt8) -> Bool {
        let traits = UInt64(truncatingIfNeeded: count) | UInt64(first) << 16 | UInt64(last) << 32
        // The upper bits of a product with the golden ratio spread well: Knuth, TAOCP 3, section 6.4.
        let bit: UInt64 = 1 << ((traits &* 0x9E37_79B9_7F4A_7C15) >> 58)
        defer { bits |= bit }
        return bits & bit != 0
    }
}
