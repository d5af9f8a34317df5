/// Bytes being written: an array with room at its end, so that one call writes a whole token with one check.
struct ByteSink: Sendable {
    /// The bytes written and, behind them, room that holds zeros.
    private var storage: [UInt8]
    /// Number of bytes written.
    private(set) var count: Int

    /// Starts empty, with room for `byteCount` bytes.
    init(reserving byteCount: Int) {
        storage = [UInt8](repeating: 0, count: byteCount)
        count = 0
    }

    /// Goes on behind `bytes`.
    init(continuing bytes: [UInt8]) {
        storage = bytes
        count = bytes.count
    }

    /// A copy of what has been written.
    var bytes: [UInt8] { [UInt8](storage[..<count]) }

    /// Gives away what has been written; a copy only when it is short, which then costs less than cutting the room off.
    consuming func finished() -> [UInt8] {
        if storage.count == count { return storage }
        if count < 1024 { return bytes }
        storage.removeLast(storage.count - count)
        return storage
    }

    @inline(__always)
    private mutating func reserve(_ byteCount: Int) {
        if storage.count &- count < byteCount { grow(byteCount) }
    }

    @inline(never)
    private mutating func grow(_ byteCount: Int) {
        storage.append(contentsOf: repeatElement(0, count: max(byteCount, storage.count, 64)))
    }

    /// Appends one byte.
    @inline(__always)
    mutating func append(_ byte: UInt8) {
        reserve(1)
        storage[count] = byte
        count &+= 1
    }

    /// Appends bytes as they are.
    mutating func append(_ bytes: Span<UInt8>) {
        guard !bytes.isEmpty else { return }
        reserve(bytes.count)
        let start = count
        unsafe storage.withUnsafeMutableBytes { target in
            // In bounds: the room has been reserved.
            unsafe bytes.withUnsafeBytes { source in
                unsafe UnsafeMutableRawBufferPointer(rebasing: target[start...]).copyMemory(from: source)
            }
        }
        count += bytes.count
    }

    /// Appends bytes as they are.
    mutating func append(_ bytes: [UInt8]) {
        append(bytes.span)
    }

    /// Appends the UTF-8 of `text`.
    mutating func append(_ text: String) {
        let done: Void? = unsafe text.utf8.withContiguousStorageIfAvailable { buffer in
            append(unsafe buffer.span)
        }
        if done == nil { append([UInt8](text.utf8).span) }
    }

    /// Appends `text` as a JSON string: quotes round it, and inside only quote, backslash and control characters are
    /// escaped (RFC 8259, section 7).
    ///
    /// - Parameters:
    ///   - comma: Whether a comma comes first.
    ///   - colon: Whether a colon follows.
    mutating func appendQuoted(_ text: String, comma: Bool = false, colon: Bool = false) {
        let done: Void? = unsafe text.utf8.withContiguousStorageIfAvailable { buffer in
            appendQuoted(unsafe buffer.span, comma, colon)
        }
        if done == nil { appendQuoted([UInt8](text.utf8).span, comma, colon) }
    }

    private mutating func appendQuoted(_ text: Span<UInt8>, _ comma: Bool, _ colon: Bool) {
        let plain = Self.plainCount(text, from: 0)
        guard plain == text.count else {
            if comma { append(Byte.comma) }
            append(Byte.quote)
            appendEscaped(text, plain: plain)
            append(Byte.quote)
            if colon { append(Byte.colon) }
            return
        }
        reserve(text.count + 4)
        let start = count
        count = unsafe storage.withUnsafeMutableBytes { target in
            // In bounds: four bytes more than the text's have been reserved.
            var index = start
            if comma {
                unsafe target[index] = Byte.comma
                index &+= 1
            }
            unsafe target[index] = Byte.quote
            index &+= 1
            if !text.isEmpty {
                unsafe text.withUnsafeBytes { source in
                    unsafe UnsafeMutableRawBufferPointer(rebasing: target[index...]).copyMemory(from: source)
                }
                index &+= text.count
            }
            unsafe target[index] = Byte.quote
            index &+= 1
            if colon {
                unsafe target[index] = Byte.colon
                index &+= 1
            }
            return index
        }
    }

    /// Number of bytes from `start` on that need no escape.
    private static func plainCount(_ text: Span<UInt8>, from start: Int) -> Int {
        var index = start
        while index &+ 8 <= text.count {
            // In bounds: eight bytes are left.
            let word = unsafe text.bytes.unsafeLoadUnaligned(fromUncheckedByteOffset: index, as: UInt64.self)
            let marks = Byte.quoteOrControlMarks(in: UInt64(littleEndian: word))
            if marks != 0 { return index &- start &+ marks.trailingZeroBitCount &>> 3 }
            index &+= 8
        }
        if index < text.count, text.count &- start >= 8 {
            // The last eight bytes, of which those before `index` have been looked at and have no mark.
            let last = text.count &- 8
            let word = unsafe text.bytes.unsafeLoadUnaligned(fromUncheckedByteOffset: last, as: UInt64.self)
            let marks = Byte.quoteOrControlMarks(in: UInt64(littleEndian: word))
            return marks == 0 ? text.count &- start : last &- start &+ marks.trailingZeroBitCount &>> 3
        }
        while index < text.count {
            let byte = text[index]
            if byte < Byte.space || byte == Byte.quote || byte == Byte.backslash { break }
            index &+= 1
        }
        return index &- start
    }

    private mutating func appendEscaped(_ text: Span<UInt8>, plain: Int) {
        var index = 0
        var plain = plain
        while true {
            append(text.extracting(index..<index + plain))
            index += plain
            guard index < text.count else { return }
            appendEscape(of: text[index])
            index += 1
            plain = Self.plainCount(text, from: index)
        }
    }

    private mutating func appendEscape(of byte: UInt8) {
        append(Byte.backslash)
        switch byte {
        case Byte.quote, Byte.backslash: append(byte)
        case 0x08: append(Byte.lowerB)
        case Byte.tab: append(Byte.lowerT)
        case Byte.lineFeed: append(Byte.lowerN)
        case 0x0C: append(Byte.lowerF)
        case Byte.carriageReturn: append(Byte.lowerR)
        default:
            append("u00")
            append(Byte.zero + (byte >> 4))
            let low = byte & 0xF
            append(low < 10 ? Byte.zero + low : 0x61 + low - 10)
        }
    }

    /// Appends the decimal digits of `value`.
    mutating func appendDecimal(_ value: UInt64) {
        var digits = 1
        var rest = value
        while rest >= 10 {
            rest /= 10
            digits += 1
        }
        reserve(digits)
        rest = value
        var position = count + digits
        count = position
        repeat {
            position -= 1
            storage[position] = Byte.zero + UInt8(truncatingIfNeeded: rest % 10)
            rest /= 10
        } while rest > 0
    }
}
