extension Scanner {
    /// What ``find(_:_:)`` found.
    enum Found {
        /// The member's value.
        case value(Range<Int>, JSONKind)
        /// There is no such member.
        case nothing
        /// Only the members as ``members(_:)`` reads them can tell.
        case undecided
    }

    /// Looks for one member of an object with few members and plain keys, checking all of it, without making a string
    /// of any key.
    mutating func find(_ wanted: StaticString, _ text: Span<UInt8>) throws(Fault) -> Found {
        try countValue()
        guard peek(text) == Byte.openBrace, limits.depthMax >= 1 else { return .undecided }
        position &+= 1
        var found = Found.nothing
        if next(text) == Byte.closeBrace {
            position &+= 1
            return found
        }
        var keys: [Range<Int>] = []
        keys.reserveCapacity(Self.setThreshold)
        var filter = KeyFilter()
        while true {
            guard peek(text) == Byte.quote, keys.count < min(Self.setThreshold, limits.memberCountMax) else {
                return .undecided
            }
            let token = try skipString(text)
            let key = token.content
            guard !token.hasEscapes, !key.isEmpty else { return .undecided }
            let (first, last) = (text[key.lowerBound], text[key.upperBound &- 1])
            if filter.mayHaveSeen(count: key.count, first: first, last: last) {
                for other in keys where Self.same(text, key, other) { return .undecided }
            }
            keys.append(key)
            guard next(text) == Byte.colon else { return .undecided }
            position &+= 1
            _ = next(text)
            let start = position
            let kind = try skipValue(text, depth: 1)
            if Self.spells(text, key, wanted) { found = .value(start..<position, kind) }
            switch next(text) {
            case Byte.comma:
                position &+= 1
                _ = next(text)
            case Byte.closeBrace:
                position &+= 1
                return found
            default: return .undecided
            }
        }
    }

    private static func same(_ text: Span<UInt8>, _ one: Range<Int>, _ other: Range<Int>) -> Bool {
        guard one.count == other.count else { return false }
        for offset in 0..<one.count where text[one.lowerBound &+ offset] != text[other.lowerBound &+ offset] {
            return false
        }
        return true
    }

    private static func spells(_ text: Span<UInt8>, _ key: Range<Int>, _ wanted: StaticString) -> Bool {
        guard key.count == wanted.utf8CodeUnitCount else { return false }
        for offset in 0..<key.count where unsafe text[key.lowerBound &+ offset] != wanted.utf8Start[offset] {
            return false
        }
        return true
    }
}
