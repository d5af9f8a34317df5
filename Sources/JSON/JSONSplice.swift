public import CoreTypes

/// Changes single members of a top-level object and leaves every other byte, white space included, as it is.
public enum JSONSplice {
    /// Replaces and removes members of the object that `bytes` hold.
    ///
    /// A replaced member keeps its place; one that is absent is appended, in the order given. A key in both lists is
    /// replaced. Keys of `removing` that are absent are ignored.
    ///
    /// - Parameters:
    ///   - bytes: The document; refused as by ``JSONMembers``.
    ///   - replacing: Keys with their new values. A value is JSON text already and is not checked.
    ///   - removing: Keys to remove.
    ///   - limits: Limits for the scan of `bytes`.
    /// - Precondition: No key is replaced twice.
    public static func rewriting(
        _ bytes: [UInt8],
        replacing: [(key: String, value: [UInt8])] = [],
        removing: [String] = [],
        limits: JSONLimits = .body
    ) throws(JSONError) -> [UInt8] {
        let members = try JSONMembers(scanning: bytes, limits: limits)
        return rewriting(bytes, members: members, replacing: replacing, removing: removing)
    }

    /// As the version over an array, for bytes that may live in foreign memory.
    public static func rewriting(
        _ bytes: Bytes,
        replacing: [(key: String, value: [UInt8])] = [],
        removing: [String] = [],
        limits: JSONLimits = .body
    ) throws(JSONError) -> [UInt8] {
        let members = try JSONMembers(scanning: bytes, limits: limits)
        return rewriting(bytes, members: members, replacing: replacing, removing: removing)
    }

    /// Rewrites a document that has been scanned already.
    ///
    /// - Precondition: `members` is the scan of these `bytes`; no key is replaced twice.
    public static func rewriting(
        _ bytes: [UInt8],
        members: JSONMembers,
        replacing: [(key: String, value: [UInt8])] = [],
        removing: [String] = []
    ) -> [UInt8] {
        splice(bytes.span, members, replacing, removing)
    }

    /// Rewrites a document that has been scanned already.
    ///
    /// - Precondition: `members` is the scan of these `bytes`; no key is replaced twice.
    public static func rewriting(
        _ bytes: Bytes,
        members: JSONMembers,
        replacing: [(key: String, value: [UInt8])] = [],
        removing: [String] = []
    ) -> [UInt8] {
        unsafe bytes.withUnsafeBytes { buffer in
            splice(unsafe Span<UInt8>(_unsafeBytes: buffer), members, replacing, removing)
        }
    }

    /// Marks a member that stays as it is; a number from 0 on is a position in the list of replacements.
    private static let keep = -1
    /// Marks a member that is removed.
    private static let remove = -2

    private static func splice(
        _ text: Span<UInt8>,
        _ members: JSONMembers,
        _ replacing: [(key: String, value: [UInt8])],
        _ removing: [String]
    ) -> [UInt8] {
        precondition(members.objectRange.upperBound <= text.count, "the members are of another document")
        // What becomes of each member: nothing, another value, or it goes.
        var replacements = [Int](repeating: keep, count: members.count)
        for key in removing {
            if let index = members.index(of: key) { replacements[index] = remove }
        }
        var appended: [Int] = []
        for (number, (key, _)) in replacing.enumerated() {
            if let index = members.index(of: key) {
                precondition(replacements[index] < 0, "\(key) is replaced twice")
                replacements[index] = number
            } else {
                precondition(!appended.contains { ByteKey.same(replacing[$0].key, key) }, "\(key) is replaced twice")
                appended.append(number)
            }
        }

        let growth = replacing.reduce(0) { $0 + $1.key.utf8.count + $1.value.count + 4 }
        var output = ByteSink(reserving: text.count + growth)
        let brace = members.objectRange.lowerBound
        output.append(text.extracting(0..<(members.entries.first?.keyRange.lowerBound ?? brace + 1)))
        var hasMember = false
        for (index, entry) in members.entries.enumerated() where replacements[index] != remove {
            // What separates two members belongs to the later one, and goes with it.
            if hasMember {
                output.append(
                    text.extracting(members.entries[index - 1].valueRange.upperBound..<entry.keyRange.lowerBound)
                )
            }
            hasMember = true
            if replacements[index] >= 0 {
                output.append(text.extracting(entry.keyRange.lowerBound..<entry.valueRange.lowerBound))
                output.append(replacing[replacements[index]].value)
            } else {
                output.append(text.extracting(entry.keyRange.lowerBound..<entry.valueRange.upperBound))
            }
        }
        for number in appended {
            output.appendQuoted(replacing[number].key, comma: hasMember, colon: true)
            output.append(replacing[number].value)
            hasMember = true
        }
        output.append(text.extracting((members.entries.last?.valueRange.upperBound ?? brace + 1)..<text.count))
        return output.finished()
    }
}
