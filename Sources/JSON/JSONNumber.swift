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
        Int64(text) ?? whole
    }

    /// The value as an unsigned 64-bit integer; nil when it is no integer or does not fit. Fractions as in ``int64``.
    public var uint64: UInt64? {
        UInt64(text) ?? whole.flatMap { UInt64(exactly: $0) }
    }

    /// The nearest double; infinite when the number is beyond its range.
    public var double: Double { Double(text) ?? .nan }

    /// Largest whole number that may be written with a fraction or an exponent: other languages read those as doubles.
    private static let wholeMax: UInt64 = 1 << 53

    /// The value when it is written with a fraction or an exponent and yet whole, at most 2^53 either way.
    ///
    /// Decided by the digits: a double takes `4.99999999999999999999` for 5 and `5e-400` for 0.
    private var whole: Int64? {
        guard text.utf8.contains(where: { $0 == Byte.dot || $0 | 0x20 == Byte.lowerE }) else {
            return text == "-0" ? 0 : nil
        }
        var value: UInt64 = 0
        // Zeros after the last other digit: they belong to the exponent until another digit follows.
        var zeros = 0
        var fractionDigits = 0
        var isFraction = false
        var exponent = 0
        for index in text.utf8.indices {
            let byte = text.utf8[index]
            if byte | 0x20 == Byte.lowerE {
                exponent = Self.exponent(in: text[text.utf8.index(after: index)...])
                break
            }
            if byte == Byte.dot { isFraction = true }
            guard Byte.isDigit(byte) else { continue }
            if isFraction { fractionDigits += 1 }
            if byte == Byte.zero {
                zeros += 1
            } else {
                guard let scaled = Self.scaled(value, by: zeros + 1) else { return nil }
                value = scaled + UInt64(byte - Byte.zero)
                zeros = 0
            }
        }
        guard value > 0 else { return 0 }
        let places = exponent - fractionDigits + zeros
        guard places >= 0, let magnitude = Self.scaled(value, by: places) else { return nil }
        return text.utf8.first == Byte.minus ? -Int64(magnitude) : Int64(magnitude)
    }

    /// `value` times ten to the power of `places`; nil when that is more than a whole number may be.
    private static func scaled(_ value: UInt64, by places: Int) -> UInt64? {
        guard value > 0 else { return 0 }
        var scaled = value
        for _ in 0..<places {
            guard scaled <= wholeMax else { return nil }
            scaled *= 10
        }
        return scaled <= wholeMax ? scaled : nil
    }

    /// The exponent's value; one beyond any length of digits when it is too long for an integer.
    private static func exponent(in text: Substring) -> Int {
        let limit = Int(Int32.max) * 4
        let value = Int(text) ?? (text.utf8.first == Byte.minus ? -limit : limit)
        return min(max(value, -limit), limit)
    }
}

extension JSONNumber: CustomStringConvertible {
    public var description: String { text }
}

extension JSONNumber: ExpressibleByIntegerLiteral, ExpressibleByFloatLiteral {
    public init(integerLiteral value: Int) { self.init(value) }

    public init(floatLiteral value: Double) { self.init(value) }
}
