extension Scanner {
    /// Checks and skips the value at the position, which is not white space, and gives its kind.
    ///
    /// Accepts what the tree parser accepts, and two things more, because finding them out would mean decoding: lone
    /// surrogates, and duplicate keys.
    mutating func skipValue(_ text: Span<UInt8>, depth: Int) throws(Fault) -> JSONKind {
        try countValue()
        switch peek(text) {
        case Byte.quote:
            _ = try skipString(text)
            return .string
        case Byte.openBrace:
            try skipObject(text, depth: depth + 1)
            return .object
        case Byte.openBracket:
            try skipArray(text, depth: depth + 1)
            return .array
        case Byte.minus, Byte.zero...Byte.nine:
            try skipNumber(text)
            return .number
        case Byte.lowerT:
            try skipLiteral(text, "true")
            return .bool
        case Byte.lowerF:
            try skipLiteral(text, "false")
            return .bool
        case Byte.lowerN:
            try skipLiteral(text, "null")
            return .null
        default: throw Fault(.value, at: position)
        }
    }

    private mutating func skipArray(_ text: Span<UInt8>, depth: Int) throws(Fault) {
        if depth > limits.depthMax { throw Fault(.tooDeep, at: position) }
        position &+= 1
        if next(text) == Byte.closeBracket {
            position &+= 1
            return
        }
        while true {
            _ = try skipValue(text, depth: depth)
            switch next(text) {
            case Byte.comma:
                position &+= 1
                _ = next(text)
            case Byte.closeBracket:
                position &+= 1
                return
            default: throw Fault(.commaOrBracket, at: position)
            }
        }
    }

    private mutating func skipObject(_ text: Span<UInt8>, depth: Int) throws(Fault) {
        if depth > limits.depthMax { throw Fault(.tooDeep, at: position) }
        position &+= 1
        if next(text) == Byte.closeBrace {
            position &+= 1
            return
        }
        var count = 0
        while true {
            let keyOffset = position
            guard peek(text) == Byte.quote else { throw Fault(.key, at: position) }
            _ = try skipString(text)
            guard next(text) == Byte.colon else { throw Fault(.colon, at: position) }
            position &+= 1
            _ = next(text)
            _ = try skipValue(text, depth: depth)
            count &+= 1
            if count > limits.memberCountMax { throw Fault(.tooManyMembers, at: keyOffset) }
            switch next(text) {
            case Byte.comma:
                position &+= 1
                _ = next(text)
            case Byte.closeBrace:
                position &+= 1
                return
            default: throw Fault(.commaOrBrace, at: position)
            }
        }
    }
}
