public import CoreTypes

/// Where the members of a top-level object lie: found in one checking pass, without a tree and without copying a value.
///
/// Accepts what ``JSONValue`` accepts, as long as it is an object, and two things more: lone surrogates inside values,
/// and duplicate keys inside nested objects. Both travel on as they are; whoever decodes them sees the error.
/// Duplicate keys of the top level are refused, unless they are asked for: then the last one counts, as for nearly every
/// reader of JSON.
public struct JSONMembers: Sendable {
    struct Entry: Sendable {
        let key: String
        let keyRange: Range<Int>
        let valueRange: Range<Int>
        let kind: JSONKind
    }

    let entries: [Entry]

    /// From the opening brace to after the closing one.
    public let objectRange: Range<Int>

    /// Finds the members of the object that `bytes` hold.
    public init(scanning bytes: [UInt8], limits: JSONLimits = .body) throws(JSONError) {
        try self.init(bytes.span, 0..<bytes.count, limits)
    }

    /// Finds the members of the object in a part of `bytes`; the ranges found count from the start of `bytes`.
    ///
    /// - Precondition: `range` lies within `bytes`.
    public init(scanning bytes: [UInt8], in range: Range<Int>, limits: JSONLimits = .body) throws(JSONError) {
        try self.init(bytes.span, range, limits)
    }

    /// Finds the members of the object that `bytes` hold.
    ///
    /// - Parameter keepingDuplicates: Whether a key may come more than once. Not for an object that is to be rewritten.
    public init(
        scanning bytes: Bytes,
        keepingDuplicates: Bool = false,
        limits: JSONLimits = .body
    ) throws(JSONError) {
        self = try unsafe bytes.withUnsafeBytes { (buffer) throws(JSONError) -> JSONMembers in
            let span = unsafe Span<UInt8>(_unsafeBytes: buffer)
            return try JSONMembers(span, 0..<span.count, limits, keepingDuplicates: keepingDuplicates)
        }
    }

    /// Finds the members of the object in a part of `bytes`; the ranges found count from the start of `bytes`.
    ///
    /// - Precondition: `range` lies within `bytes`.
    public init(scanning bytes: Bytes, in range: Range<Int>, limits: JSONLimits = .body) throws(JSONError) {
        self = try unsafe bytes.withUnsafeBytes { (buffer) throws(JSONError) -> JSONMembers in
            let span = unsafe Span<UInt8>(_unsafeBytes: buffer)
            return try JSONMembers(span, range, limits)
        }
    }

    /// Finds the members of the object that `buffer` holds; nothing refers to it afterwards.
    public init(scanning buffer: UnsafeRawBufferPointer, limits: JSONLimits = .body) throws(JSONError) {
        let span = unsafe Span<UInt8>(_unsafeBytes: buffer)
        try self.init(span, 0..<span.count, limits)
    }

    private init(
        _ text: Span<UInt8>,
        _ range: Range<Int>,
        _ limits: JSONLimits,
        keepingDuplicates: Bool = false
    ) throws(JSONError) {
        precondition(range.lowerBound >= 0 && range.upperBound <= text.count, "\(range) is outside the text")
        var scanner = Scanner(range: range, limits: limits)
        do throws(Fault) {
            try scanner.begin(text)
            let start = scanner.position
            entries = try scanner.members(text, keepingDuplicates: keepingDuplicates)
            objectRange = start..<scanner.position
            try scanner.finish(text)
        } catch {
            throw scanner.error(error, in: text, start: range.lowerBound)
        }
    }

    /// Where the value of one member of the object in `buffer` lies, and its kind; nil when the object has none of this
    /// key. The whole object is checked as by ``init(scanning:limits:)``, at less cost.
    ///
    /// - Parameter key: ASCII, not empty.
    public static func value(
        of key: StaticString,
        scanning buffer: UnsafeRawBufferPointer,
        limits: JSONLimits = .body
    ) throws(JSONError) -> (range: Range<Int>, kind: JSONKind)? {
        let text = unsafe Span<UInt8>(_unsafeBytes: buffer)
        if case .some(let found) = quickly(key, text, limits) { return found }
        let members = try unsafe JSONMembers(scanning: buffer, limits: limits)
        let name = unsafe String(
            decoding: UnsafeBufferPointer(start: key.utf8Start, count: key.utf8CodeUnitCount),
            as: UTF8.self
        )
        return members.index(of: name).map { (members.entries[$0].valueRange, members.entries[$0].kind) }
    }

    /// The answer of the quick way; nil when it has none, or the text has a fault, which the long way can name.
    private static func quickly(
        _ key: StaticString,
        _ text: Span<UInt8>,
        _ limits: JSONLimits
    ) -> (range: Range<Int>, kind: JSONKind)?? {
        var scanner = Scanner(range: 0..<text.count, limits: limits)
        do throws(Fault) {
            try scanner.begin(text)
            let found = try scanner.find(key, text)
            if case .undecided = found { return nil }
            try scanner.finish(text)
            if case .value(let range, let kind) = found { return .some((range, kind)) }
            return .some(nil)
        } catch {
            return nil
        }
    }

    /// Number of members.
    public var count: Int { entries.count }

    /// True when the object has no member.
    public var isEmpty: Bool { entries.isEmpty }

    /// The key of a member, decoded.
    public func key(at index: Int) -> String { entries[index].key }

    /// Where a member's key lies, with its quotes.
    public func keyRange(at index: Int) -> Range<Int> { entries[index].keyRange }

    /// Where a member's value lies, without white space round it.
    public func valueRange(at index: Int) -> Range<Int> { entries[index].valueRange }

    /// Where a member lies, from the quote of its key to the end of its value.
    public func memberRange(at index: Int) -> Range<Int> {
        entries[index].keyRange.lowerBound..<entries[index].valueRange.upperBound
    }

    /// The kind of a member's value.
    public func kind(at index: Int) -> JSONKind { entries[index].kind }

    /// The position of `key` among the members, the last one if it comes more than once; nil when it is absent.
    public func index(of key: String) -> Int? {
        entries.lastIndex { ByteKey.same($0.key, key) }
    }

    /// True when `key` is a member.
    public func contains(_ key: String) -> Bool { index(of: key) != nil }

    /// Where the value of `key` lies; nil when it is absent.
    public func value(for key: String) -> Range<Int>? {
        index(of: key).map { entries[$0].valueRange }
    }

    /// The kind of the value of `key`; nil when it is absent.
    public func kind(of key: String) -> JSONKind? {
        index(of: key).map { entries[$0].kind }
    }
}
