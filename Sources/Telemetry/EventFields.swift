import CoreTypes
import JSON

/// The members of an event's JSON, read by name and type, without a tree.
///
/// Absent members and null are the same: nil. A member of another type than asked for is an error, so that an event is
/// stored whole or counted as malformed.
struct EventFields {
    /// Larger and deeper events than the broker ever makes; a longer one is malformed.
    static let limits = JSONLimits(depthMax: 32, byteCountMax: 1 << 20, memberCountMax: 1024, valueCountMax: 32_768)

    private let text: [UInt8]
    private let members: JSONMembers

    init(_ text: [UInt8]) throws(JSONError) {
        self.text = text
        members = try JSONMembers(scanning: text, limits: Self.limits)
    }

    private init(_ text: [UInt8], _ range: Range<Int>) throws(JSONError) {
        self.text = text
        members = try JSONMembers(scanning: text, in: range, limits: Self.limits)
    }

    /// A string.
    func string(_ key: String) throws(JSONError) -> String? {
        guard let index = present(key) else { return nil }
        guard members.kind(at: index) == .string else { throw wrongType(key, "a string") }
        let range = members.valueRange(at: index)
        let inner = text[range.lowerBound + 1..<range.upperBound - 1]
        // The scanner has checked the UTF-8; only escapes need the parser.
        guard inner.contains(UInt8(ascii: "\\")) else { return String(decoding: inner, as: UTF8.self) }
        return try JSONValue(parsing: text, in: range, limits: Self.limits).stringValue
    }

    /// A string that must be there.
    func requiredString(_ key: String) throws(JSONError) -> String {
        guard let value = try string(key) else { throw missing(key) }
        return value
    }

    /// A number, rounded to the nearest integer; must be within ±2^53, where JSON's numbers are exact.
    func integer(_ key: String) throws(JSONError) -> Int64? {
        guard let index = present(key) else { return nil }
        guard members.kind(at: index) == .number else { throw wrongType(key, "a number") }
        let number = String(decoding: text[members.valueRange(at: index)], as: UTF8.self)
        if let integer = Int64(number) { return integer }
        guard let value = Double(number), abs(value) <= 0x1p53 else {
            throw JSONError(code: .outOfRange, message: "the number is too large", path: "$.\(key)")
        }
        return Int64(value.rounded())
    }

    /// A number that must be there.
    func requiredInteger(_ key: String) throws(JSONError) -> Int64 {
        guard let value = try integer(key) else { throw missing(key) }
        return value
    }

    /// Any value as its JSON text; nil too when the text is longer than `bytesMax`.
    func json(_ key: String, bytesMax: Int) -> String? {
        guard let index = present(key) else { return nil }
        let range = members.valueRange(at: index)
        return range.count <= bytesMax ? String(decoding: text[range], as: UTF8.self) : nil
    }

    /// An object.
    func object(_ key: String) throws(JSONError) -> EventFields? {
        guard let index = present(key) else { return nil }
        guard members.kind(at: index) == .object else { throw wrongType(key, "an object") }
        return try EventFields(text, members.valueRange(at: index))
    }

    private func present(_ key: String) -> Int? {
        guard let index = members.index(of: key), members.kind(at: index) != .null else { return nil }
        return index
    }

    private func missing(_ key: String) -> JSONError {
        JSONError(code: .missingMember, message: "the member \(key) is missing", path: "$.\(key)")
    }

    private func wrongType(_ key: String, _ expected: String) -> JSONError {
        let found = members.kind(of: key).map(\.description) ?? "nothing"
        return JSONError(code: .wrongType, message: "found \(found), expected \(expected)", path: "$.\(key)")
    }
}
