/// One pass over a JSON text: checks the grammar and the limits, knows where it is. The tree parser and the member
/// scanner are built on it.
///
/// Every method takes the same text: the scanner holds no reference to it. Reads past the end give 0, which no JSON text
/// allows outside of an escape, so that the end needs no test of its own.
struct Scanner {
    /// What was found between two quotes.
    struct StringToken {
        /// The bytes between the quotes.
        let content: Range<Int>
        let isASCII: Bool
        let hasEscapes: Bool
        let hasLoneSurrogate: Bool
    }

    var position: Int
    let end: Int
    let limits: JSONLimits
    private var valuesLeft: Int
    /// The way to the value at fault, innermost step first; filled while a fault travels up.
    var faultSteps: [PathStep] = []

    init(range: Range<Int>, limits: JSONLimits) {
        position = range.lowerBound
        end = range.upperBound
        self.limits = limits
        valuesLeft = limits.valueCountMax
    }

    /// The byte at the position; 0 at the end.
    @inline(__always)
    func peek(_ text: Span<UInt8>) -> UInt8 {
        // In bounds: `end` is at most the count, checked when the scanner was made.
        position < end ? unsafe text[unchecked: position] : 0
    }

    /// Skips white space and gives the byte after it; 0 at the end.
    @inline(__always)
    mutating func next(_ text: Span<UInt8>) -> UInt8 {
        let byte = peek(text)
        if byte > Byte.space { return byte }
        return skipSpace(text)
    }

    private mutating func skipSpace(_ text: Span<UInt8>) -> UInt8 {
        while true {
            let byte = peek(text)
            switch byte {
            case Byte.space, Byte.lineFeed, Byte.carriageReturn, Byte.tab: position &+= 1
            default: return byte
            }
        }
    }

    /// Counts one more value.
    @inline(__always)
    mutating func countValue() throws(Fault) {
        valuesLeft &-= 1
        if valuesLeft < 0 { throw Fault(.tooManyValues, at: position) }
    }

    /// Checks what concerns the document as a whole; afterwards the position is at its first value.
    mutating func begin(_ text: Span<UInt8>) throws(Fault) {
        guard end - position <= limits.byteCountMax else { throw Fault(.tooLarge, at: position + limits.byteCountMax) }
        if end - position >= 3, text[position] == 0xEF, text[position + 1] == 0xBB, text[position + 2] == 0xBF {
            throw Fault(.byteOrderMark, at: position)
        }
        if next(text) == 0, position == end { throw Fault(.empty, at: position) }
    }

    /// Checks that only white space is left.
    mutating func finish(_ text: Span<UInt8>) throws(Fault) {
        _ = next(text)
        if position < end { throw Fault(.trailingBytes, at: position) }
    }

    /// Skips a literal whose first letter has been seen.
    mutating func skipLiteral(_ text: Span<UInt8>, _ literal: StaticString) throws(Fault) {
        let length = literal.utf8CodeUnitCount
        guard end - position >= length else { throw Fault(.literal, at: position) }
        for index in 0..<length where unsafe text[position + index] != literal.utf8Start[index] {
            throw Fault(.literal, at: position)
        }
        position += length
    }

    /// Skips a number whose first byte, a digit or a minus, has been seen.
    mutating func skipNumber(_ text: Span<UInt8>) throws(Fault) {
        if peek(text) == Byte.minus { position &+= 1 }
        if peek(text) == Byte.zero {
            position &+= 1
        } else {
            try skipDigits(text)
        }
        if peek(text) == Byte.dot {
            position &+= 1
            try skipDigits(text)
        }
        if peek(text) | 0x20 == Byte.lowerE {
            position &+= 1
            let sign = peek(text)
            if sign == Byte.plus || sign == Byte.minus { position &+= 1 }
            try skipDigits(text)
        }
    }

    private mutating func skipDigits(_ text: Span<UInt8>) throws(Fault) {
        guard Byte.isDigit(peek(text)) else { throw Fault(.digit, at: position) }
        repeat { position &+= 1 } while Byte.isDigit(peek(text))
    }

    /// Skips a string whose opening quote is at the position.
    mutating func skipString(_ text: Span<UInt8>) throws(Fault) -> StringToken {
        let start = position &+ 1
        var index = start
        var isASCII = true
        var hasEscapes = false
        var hasLoneSurrogate = false
        while true {
            index = Self.skipPlain(text, from: index, to: end)
            guard index < end else { throw Fault(.unterminatedString, at: position) }
            let byte = unsafe text[unchecked: index]
            if byte == Byte.quote {
                position = index &+ 1
                return StringToken(
                    content: start..<index,
                    isASCII: isASCII,
                    hasEscapes: hasEscapes,
                    hasLoneSurrogate: hasLoneSurrogate
                )
            } else if byte == Byte.backslash {
                hasEscapes = true
                index = try skipEscape(text, at: index, loneSurrogate: &hasLoneSurrogate)
            } else if byte >= 0x80 {
                isASCII = false
                repeat {
                    index = try skipMultibyte(text, at: index)
                } while index < end && text[index] >= 0x80
            } else if byte < Byte.space {
                throw Fault(.controlCharacter, at: index)
            } else {
                index &+= 1
            }
        }
    }

    /// The index of the first byte, from `index` on, that ends a plain run inside a string; near the end it may be the
    /// index of a plain byte, which the caller then steps over.
    @inline(__always)
    private static func skipPlain(_ text: Span<UInt8>, from start: Int, to end: Int) -> Int {
        var index = start
        // In bounds: 16, or 8, bytes are left before `end`.
        while index &+ 16 <= end {
            let first = unsafe text.bytes.unsafeLoadUnaligned(fromUncheckedByteOffset: index, as: UInt64.self)
            let second = unsafe text.bytes.unsafeLoadUnaligned(fromUncheckedByteOffset: index &+ 8, as: UInt64.self)
            let firstMarks = Byte.specialMarks(in: UInt64(littleEndian: first))
            let secondMarks = Byte.specialMarks(in: UInt64(littleEndian: second))
            if firstMarks | secondMarks == 0 {
                index &+= 16
            } else if firstMarks != 0 {
                return index &+ firstMarks.trailingZeroBitCount &>> 3
            } else {
                return index &+ 8 &+ secondMarks.trailingZeroBitCount &>> 3
            }
        }
        if index &+ 8 <= end {
            let word = unsafe text.bytes.unsafeLoadUnaligned(fromUncheckedByteOffset: index, as: UInt64.self)
            let marks = Byte.specialMarks(in: UInt64(littleEndian: word))
            return marks == 0 ? index &+ 8 : index &+ marks.trailingZeroBitCount &>> 3
        }
        return index
    }

    /// Checks the escape at `index` and gives the index after it; both halves of a surrogate pair count as one escape.
    private func skipEscape(
        _ text: Span<UInt8>,
        at index: Int,
        loneSurrogate: inout Bool
    ) throws(Fault) -> Int {
        guard index + 1 < end else { throw Fault(.unterminatedString, at: index) }
        switch text[index + 1] {
        case Byte.quote, Byte.backslash, Byte.slash, Byte.lowerB, Byte.lowerF, Byte.lowerN, Byte.lowerR, Byte.lowerT:
            return index + 2
        case Byte.lowerU:
            let unit = try hexUnit(text, at: index + 2)
            let after = index + 6
            guard unit & 0xF800 == 0xD800 else { return after }
            if unit < 0xDC00, after + 1 < end, text[after] == Byte.backslash, text[after + 1] == Byte.lowerU {
                if try hexUnit(text, at: after + 2) & 0xFC00 == 0xDC00 { return after + 6 }
            }
            loneSurrogate = true
            return after
        default:
            throw Fault(.escape, at: index + 1)
        }
    }

    /// The UTF-16 code unit that four hexadecimal digits at `index` name.
    func hexUnit(_ text: Span<UInt8>, at index: Int) throws(Fault) -> UInt32 {
        var unit: UInt32 = 0
        for digit in index..<index + 4 {
            guard digit < end, let value = Byte.hexValue(text[digit]) else {
                throw Fault(.unicodeEscape, at: min(digit, end))
            }
            unit = unit << 4 | value
        }
        return unit
    }

    /// Checks the multibyte sequence at `index` and gives the index after it.
    ///
    /// Source: The Unicode Standard, table 3-7, "Well-Formed UTF-8 Byte Sequences".
    private func skipMultibyte(_ text: Span<UInt8>, at index: Int) throws(Fault) -> Int {
        let lead = text[index]
        let length = lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4
        guard lead >= 0xC2, lead <= 0xF4, length <= end &- index else { throw Fault(.invalidUTF8, at: index) }
        let second = text[index &+ 1]
        // What the general form of a continuation byte lets through and the table does not.
        let isRefused =
            switch lead {
            case 0xE0: second < 0xA0
            case 0xED: second > 0x9F
            case 0xF0: second < 0x90
            case 0xF4: second > 0x8F
            default: false
            }
        guard !isRefused, second & 0xC0 == 0x80,
            length < 3 || text[index &+ 2] & 0xC0 == 0x80,
            length < 4 || text[index &+ 3] & 0xC0 == 0x80
        else { throw Fault(.invalidUTF8, at: index) }
        return index + length
    }
}
