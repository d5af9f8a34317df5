extension Scanner {
    /// From this many members on a set replaces the comparison of each key with each other.
    static let setThreshold = 16

    /// Scans the top-level object at the position, which is not white space.
    mutating func members(
        _ text: Span<UInt8>,
        keepingDuplicates: Bool
    ) throws(Fault) -> [JSONMembers.Entry] {
        try countValue()
        guard peek(text) == Byte.openBrace else { throw Fault(.notAnObject, at: position) }
        if limits.depthMax < 1 { throw Fault(.tooDeep, at: position) }
        position &+= 1
        var entries: [JSONMembers.Entry] = []
        if next(text) == Byte.closeBrace {
            position &+= 1
            return entries
        }
        entries.reserveCapacity(12)
        var filter = KeyFilter()
        var seen: Set<ByteKey>?
        while true {
            let keyOffset = position
            guard peek(text) == Byte.quote else { throw Fault(.key, at: position) }
            let (key, mayBeKnown) = try self.key(text, &filter)
            let keyRange = keyOffset..<position
            guard next(text) == Byte.colon else { throw Fault(.colon, at: position) }
            position &+= 1
            _ = next(text)
            let valueStart = position
            do throws(Fault) {
                let kind = try skipValue(text, depth: 1)
                if entries.count >= limits.memberCountMax { throw Fault(.tooManyMembers, at: keyOffset) }
                if mayBeKnown || entries.count >= Self.setThreshold, !keepingDuplicates {
                    try Self.requireNew(key, entries, &seen, at: keyOffset)
                }
                entries.append(
                    JSONMembers.Entry(key: key, keyRange: keyRange, valueRange: valueStart..<position, kind: kind)
                )
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
                return entries
            default: throw Fault(.commaOrBrace, at: position)
            }
        }
    }

    private static func requireNew(
        _ key: String,
        _ entries: [JSONMembers.Entry],
        _ seen: inout Set<ByteKey>?,
        at offset: Int
    ) throws(Fault) {
        if seen == nil, entries.count >= setThreshold { seen = Set(entries.map { ByteKey($0.key) }) }
        let isNew = seen?.insert(ByteKey(key)).inserted ?? !entries.contains { ByteKey.same($0.key, key) }
        if !isNew { throw Fault(.duplicateKey, at: offset) }
    }
}
