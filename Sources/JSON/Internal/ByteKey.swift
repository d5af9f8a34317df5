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
        left.utf8.count == right.utf8.count && left == right && left.utf8.elementsEqual(right.utf8)
    }
}
