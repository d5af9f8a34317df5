extension Scanner {
    /// The text of a string token without lone surrogates.
    @inline(__always)
    func decoded(_ token: StringToken, in text: Span<UInt8>) -> String {
        guard token.hasEscapes else {
            // The scanner has checked that these bytes are UTF-8.
            let content = unsafe UTF8Span(unchecked: text.extracting(token.content), isKnownASCII: token.isASCII)
            return String(copying: content)
        }
        return unescaped(token.content, in: text)
    }

    private func unescaped(_ content: Range<Int>, in text: Span<UInt8>) -> String {
        // An escape is never shorter than the UTF-8 of what it stands for.
        var bytes: [UInt8] = []
        bytes.reserveCapacity(content.count)
        var index = content.lowerBound
        while index < content.upperBound {
            let byte = text[index]
            guard byte == Byte.backslash else {
                bytes.append(byte)
                index += 1
                continue
            }
            let letter = text[index + 1]
            index += 2
            switch letter {
            case Byte.lowerB: bytes.append(0x08)
            case Byte.lowerF: bytes.append(0x0C)
            case Byte.lowerN: bytes.append(Byte.lineFeed)
            case Byte.lowerR: bytes.append(Byte.carriageReturn)
            case Byte.lowerT: bytes.append(Byte.tab)
            case Byte.lowerU: bytes.append(contentsOf: UTF8.encode(scalar(in: text, at: &index)) ?? .init())
            default: bytes.append(letter)
            }
        }
        return String(decoding: bytes, as: UTF8.self)
    }

    /// The scalar that the digits at `index`, and those of a second escape if it is a pair, name.
    private func scalar(in text: Span<UInt8>, at index: inout Int) -> Unicode.Scalar {
        var value = unit(in: text, at: index)
        index += 4
        if value & 0xFC00 == 0xD800 {
            let low = unit(in: text, at: index + 2)
            index += 6
            value = 0x10000 + (value & 0x3FF) << 10 + (low & 0x3FF)
        }
        guard let scalar = Unicode.Scalar(value) else { preconditionFailure("lone surrogate in a checked string") }
        return scalar
    }

    private func unit(in text: Span<UInt8>, at index: Int) -> UInt32 {
        (index..<index + 4).reduce(0) { $0 << 4 | (Byte.hexValue(text[$1]) ?? 0) }
    }
}
