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

    private static func splice(
        _ text: Span<UInt8>,
        _ members: JSONMembers,
        _ replacing: [(key: String, value: [UInt8])],
        _ removing: [String]
    ) -> [UInt8] {
        precondition(members.objectRange.upperBound <= text.count, "the members are of another document")
        var replacements: [Int: [UInt8]] = [:]
        var appended: [(key: String, value: [UInt8])] = []
        for (key, value) in replacing {
            if let index = members.index(of: key) {
                precondition(replacements.updateValue(value, forKey: index) == nil, "\(key) is replaced twice")
            } else {
                precondition(!appended.contains { ByteKey.same($0.key, key) }, "\(key) is replaced twice")
                appended.append((key, value))
            }
        }
        var removed = Set(removing.compactMap(members.index(of:)))
        removed.subtract(replacements.keys)

        var output: [UInt8] = []
        let growth = replacing.reduce(0) { $0 + $1.key.utf8.count + $1.value.count + 4 }
        output.reserveCapacity(text.count + growth)
        let brace = members.objectRange.lowerBound
        output.append(text, 0..<(members.entries.first?.keyRange.lowerBound ?? brace + 1))
        var hasMember = false
        for (index, entry) in members.entries.enumerated() where !removed.contains(index) {
            // What separates two members belongs to the later one, and goes with it.
            if hasMember {
                output.append(text, members.entries[index - 1].valueRange.upperBound..<entry.keyRange.lowerBound)
            }
            hasMember = true
            if let value = replacements[index] {
                output.append(text, entry.keyRange.lowerBound..<entry.valueRange.lowerBound)
                output.append(contentsOf: value)
            } else {
                output.append(text, entry.keyRange.lowerBound..<entry.valueRange.upperBound)
            }
        }
        for (key, value) in appended {
            if hasMember { output.append(Byte.comma) }
            hasMember = true
            output.appendQuoted(key)
            output.append(Byte.colon)
            output.append(contentsOf: value)
        }
        output.append(text, (members.entries.last?.valueRange.upperBound ?? brace + 1)..<text.count)
        return output
    }
}

extension [UInt8] {
    fileprivate mutating func append(_ text: Span<UInt8>, _ range: Range<Int>) {
        unsafe text.extracting(range).withUnsafeBufferPointer { unsafe append(contentsOf: $0) }
    }
}
