extension Scanner {
    /// Reads the document in `range` of `text` into a tree.
    static func tree(of text: Span<UInt8>, in range: Range<Int>, limits: JSONLimits) throws(JSONError) -> JSONValue {
        precondition(range.lowerBound >= 0 && range.upperBound <= text.count, "\(range) is outside the text")
        var scanner = Scanner(range: range, limits: limits)
        do throws(Fault) {
            try scanner.begin(text)
            let value = try scanner.value(text, depth: 0)
            try scanner.finish(text)
            return value
        } catch {
            throw scanner.error(error, in: text, start: range.lowerBound)
        }
    }

    /// Reads the value at the position, which is not white space.
    private mutating func value(_ text: Span<UInt8>, depth: Int) throws(Fault) -> JSONValue {
        try countValue()
        let first = peek(text)
        switch first {
        case Byte.quote: return .string(try string(text))
        case Byte.openBrace: return .object(try object(text, depth: depth + 1))
        case Byte.openBracket: return .array(try array(text, depth: depth + 1))
        case Byte.minus, Byte.zero...Byte.nine:
            let start = position
            try skipNumber(text)
            // Digits, signs, dot and e: ASCII.
            let digits = unsafe UTF8Span(unchecked: text.extracting(start..<position), isKnownASCII: true)
            return .number(JSONNumber(validated: String(copying: digits)))
        case Byte.lowerT:
            try skipLiteral(text, "true")
            return .bool(true)
        case Byte.lowerF:
            try skipLiteral(text, "false")
            return .bool(false)
        case Byte.lowerN:
            try skipLiteral(text, "null")
            return .null
        default: throw Fault(.value, at: position)
        }
    }

    /// Reads the string whose opening quote is at the position.
    mutating func string(_ text: Span<UInt8>) throws(Fault) -> String {
        let start = position
        let token = try skipString(text)
        if token.hasLoneSurrogate { throw Fault(.loneSurrogate, at: start) }
        return decoded(token, in: text)
    }

    /// Reads the key whose opening quote is at the position, and says whether it may have come by before.
    @inline(__always)
    mutating func key(
        _ text: Span<UInt8>,
        _ filter: inout KeyFilter
    ) throws(Fault) -> (text: String, mayBeKnown: Bool) {
        let start = position
        let token = try skipString(text)
        if token.hasLoneSurrogate { throw Fault(.loneSurrogate, at: start) }
        let key = decoded(token, in: text)
        let content = token.content
        if token.hasEscapes || content.isEmpty {
            let utf8 = [UInt8](key.utf8)
            return (key, filter.mayHaveSeen(count: utf8.count, first: utf8.first ?? 0, last: utf8.last ?? 0))
        }
        let (first, last) = (text[content.lowerBound], text[content.upperBound &- 1])
        return (key, filter.mayHaveSeen(count: content.count, first: first, last: last))
    }

    private mutating func array(_ text: Span<UInt8>, depth: Int) throws(Fault) -> [JSONValue] {
        if depth > limits.depthMax { throw Fault(.tooDeep, at: position) }
        position &+= 1
        var elements: [JSONValue] = []
        if next(text) == Byte.closeBracket {
            position &+= 1
            return elements
        }
        while true {
            do throws(Fault) {
                elements.append(try value(text, depth: depth))
            } catch {
                faultSteps.append(.index(elements.count))
                throw error
            }
            switch next(text) {
            case Byte.comma:
                position &+= 1
                _ = next(text)
            case Byte.closeBracket:
                position &+= 1
                return elements
            default: throw Fault(.commaOrBracket, at: position)
            }
        }
    }

    private mutating func object(_ text: Span<UInt8>, depth: Int) throws(Fault) -> JSONObject {
        if depth > limits.depthMax { throw Fault(.tooDeep, at: position) }
        position &+= 1
        var members = JSONObject()
        if next(text) == Byte.closeBrace {
            position &+= 1
            return members
        }
        members.reserveCapacity(depth == 1 ? 12 : 4)
        var filter = KeyFilter()
        while true {
            let keyOffset = position
            guard peek(text) == Byte.quote else { throw Fault(.key, at: position) }
            let (key, mayBeKnown) = try self.key(text, &filter)
            guard next(text) == Byte.colon else { throw Fault(.colon, at: position) }
            position &+= 1
            _ = next(text)
            do throws(Fault) {
                let member = try value(text, depth: depth)
                if members.count >= limits.memberCountMax { throw Fault(.tooManyMembers, at: keyOffset) }
                if mayBeKnown, members.contains(key) { throw Fault(.duplicateKey, at: keyOffset) }
                members.append(key, member)
            } catch {
                faultSteps.append(.key(key))
                throw error
            }
            switch next(text) {
            case Byte.comma:
                position &+= 1
                _ = next(text)
            case Byte.closeBrace:
                position &+= 1
                return members
            default: throw Fault(.commaOrBrace, at: position)
            }
        }
    }
}
