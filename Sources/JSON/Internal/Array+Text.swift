extension [UInt8] {
    /// Appends the UTF-8 of `text`.
    mutating func appendText(_ text: String) {
        append(contentsOf: text.utf8)
    }

    /// Appends `text` as a JSON string: quotes round it, and inside only quote, backslash and control characters are
    /// escaped (RFC 8259, section 7).
    mutating func appendQuoted(_ text: String) {
        append(Byte.quote)
        let done: Void? = unsafe text.utf8.withContiguousStorageIfAvailable { buffer in
            appendEscaped(unsafe buffer.span)
        }
        if done == nil { appendEscaped([UInt8](text.utf8).span) }
        append(Byte.quote)
    }

    private mutating func appendEscaped(_ text: Span<UInt8>) {
        var start = 0
        var index = 0
        while index < text.count {
            if index &+ 8 <= text.count {
                // In bounds: eight bytes are left.
                let word = unsafe text.bytes.unsafeLoadUnaligned(fromUncheckedByteOffset: index, as: UInt64.self)
                let marks = Byte.quoteOrControlMarks(in: UInt64(littleEndian: word))
                if marks == 0 {
                    index &+= 8
                    continue
                }
                index &+= marks.trailingZeroBitCount >> 3
            }
            let byte = text[index]
            guard byte < 0x20 || byte == Byte.quote || byte == Byte.backslash else {
                index &+= 1
                continue
            }
            appendRun(text, start..<index)
            appendEscape(of: byte)
            index &+= 1
            start = index
        }
        appendRun(text, start..<text.count)
    }

    private mutating func appendRun(_ text: Span<UInt8>, _ range: Range<Int>) {
        guard !range.isEmpty else { return }
        unsafe text.extracting(range).withUnsafeBufferPointer { unsafe append(contentsOf: $0) }
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
            appendText("u00")
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
        append(contentsOf: repeatElement(Byte.zero, count: digits))
        rest = value
        var position = count - 1
        while rest > 0 {
            self[position] = Byte.zero + UInt8(truncatingIfNeeded: rest % 10)
            rest /= 10
            position -= 1
        }
    }
}
