/// A number as its text, so that what was read is written again digit for digit.
///
/// Two numbers are equal when their texts are: `1` and `1.0` differ.
public struct JSONNumber: Sendable, Hashable {
    /// The number in JSON's grammar, such as `-12.5e3`.
    public let text: String

    /// Takes over a text that is known to be a JSON number.
    init(validated text: String) {
        self.text = text
    }

    /// Checks `text` against JSON's grammar for numbers; nil when it is something else.
    public init?(text: String) {
        let bytes = [UInt8](text.utf8)
        guard let first = bytes.first, first == Byte.minus || Byte.isDigit(first) else { return nil }
        var scanner = Scanner(range: 0..<bytes.count, limits: .body)
        do throws(Fault) {
            try scanner.skipNumber(bytes.span)
        } catch {
            return nil
        }
        guard scanner.position == bytes.count else { return nil }
        self.text = text
    }

    /// The decimal text of an integer.
    public init(_ value: Int) { text = String(value) }

    /// The decimal text of an integer.
    public init(_ value: Int64) { text = String(value) }

    /// The decimal text of an integer.
    public init(_ value: UInt64) { text = String(value) }

    /// The shortest text that reads back as `value`.
    ///
    /// - Precondition: `value` is finite: JSON has no infinity and no NaN.
    public init(_ value: Double) {
        precondition(value.isFinite, "JSON has no number for \(value)")
        text = value.description
    }

    /// The value as a signed 64-bit integer; nil when it is no integer or does not fit.
    ///
    /// A fraction or an exponent is fine when the value is whole and at most 2^53 (`3.0`, `1e3`): some languages write
    /// integers so.
    public var int64: Int64? {
        if let value = Int64(text) { return value }
        guard let whole else { return nil }
        return Int64(exactly: whole)
    }

    /// The value as an unsigned 64-bit integer; nil when it is no integer or does not fit. Fractions as in ``int64``.
    public var uint64: UInt64? {
        if let value = UInt64(text) { return value }
        guard let whole else { return nil }
        return UInt64(exactly: whole)
    }

    /// The nearest double; infinite when the number is beyond its range.
    public var double: Double { Double(text) ?? .nan }

    /// The value when it is written with a fraction or an exponent and yet whole, within what a double holds exactly.
    private var whole: Double? {
        guard text.utf8.contains(where: { $0 == Byte.dot || $0 | 0x20 == Byte.lowerE }) else {
            return text == "-0" ? 0 : nil
        }
        let value = double
        guard value.magnitude <= 0x1p53, value == value.rounded() else { return nil }
        return value
    }
}

extension JSONNumber: CustomStringConvertible {
    public var description: String { text }
}

extension JSONNumber: ExpressibleByIntegerLiteral, ExpressibleByFloatLiteral {
    public init(integerLiteral value: Int) { self.init(value) }

    public init(floatLiteral value: Double) { self.init(value) }
}
