/// An object whose members keep their order.
///
/// Keys are compared byte by byte (two spellings of one Unicode text are two keys) and occur once. Two objects are equal
/// when they have equal members in the same order.
public struct JSONObject: Sendable {
    /// One member.
    struct Entry: Sendable {
        var key: String
        var value: JSONValue
    }

    /// From this many members on an index replaces the linear search.
    private static let indexThreshold = 16

    private var entries: [Entry]
    /// Position of each key; nil as long as the object is small.
    private var index: [ByteKey: Int]?

    /// An object without members.
    public init() {
        entries = []
        index = nil
    }

    /// Makes room for `count` members.
    public mutating func reserveCapacity(_ count: Int) {
        entries.reserveCapacity(count)
    }

    /// Number of members.
    public var count: Int { entries.count }

    /// True when there is no member.
    public var isEmpty: Bool { entries.isEmpty }

    /// The keys in their order.
    public var keys: [String] { entries.map(\.key) }

    /// The value of `key`.
    ///
    /// Setting replaces in place or appends; setting nil removes the member.
    public subscript(key: String) -> JSONValue? {
        get {
            position(of: key).map { entries[$0].value }
        }
        set {
            switch (position(of: key), newValue) {
            case (let position?, let value?): entries[position].value = value
            case (let position?, nil): remove(at: position)
            case (nil, let value?): append(key, value)
            case (nil, nil): break
            }
        }
    }

    /// True when `key` is a member.
    public func contains(_ key: String) -> Bool { position(of: key) != nil }

    /// Removes `key` and gives its value; nil when it was absent.
    @discardableResult
    public mutating func removeValue(forKey key: String) -> JSONValue? {
        guard let position = position(of: key) else { return nil }
        let value = entries[position].value
        remove(at: position)
        return value
    }

    /// Appends a member; false when the key exists already, and nothing changes then.
    mutating func appendNew(_ key: String, _ value: JSONValue) -> Bool {
        guard position(of: key) == nil else { return false }
        append(key, value)
        return true
    }

    private func position(of key: String) -> Int? {
        if let index { return index[ByteKey(key)] }
        return entries.firstIndex { ByteKey.same($0.key, key) }
    }

    /// Appends a member whose key is known to be new.
    mutating func append(_ key: String, _ value: JSONValue) {
        entries.append(Entry(key: key, value: value))
        if index != nil {
            index?[ByteKey(key)] = entries.count - 1
        } else if entries.count > Self.indexThreshold {
            rebuildIndex()
        }
    }

    private mutating func remove(at position: Int) {
        entries.remove(at: position)
        if index != nil { rebuildIndex() }
    }

    private mutating func rebuildIndex() {
        guard entries.count > Self.indexThreshold else {
            index = nil
            return
        }
        var positions = [ByteKey: Int](minimumCapacity: entries.count * 2)
        for (position, entry) in entries.enumerated() { positions[ByteKey(entry.key)] = position }
        index = positions
    }
}

extension JSONObject: Sequence {
    /// Walks the members in their order.
    public struct Iterator: IteratorProtocol {
        private var base: IndexingIterator<[Entry]>

        init(_ entries: [Entry]) { base = entries.makeIterator() }

        public mutating func next() -> (key: String, value: JSONValue)? {
            base.next().map { ($0.key, $0.value) }
        }
    }

    public func makeIterator() -> Iterator { Iterator(entries) }

    public var underestimatedCount: Int { entries.count }
}

extension JSONObject: ExpressibleByDictionaryLiteral {
    /// - Precondition: No key occurs twice.
    public init(dictionaryLiteral elements: (String, JSONValue)...) {
        self.init()
        entries.reserveCapacity(elements.count)
        for (key, value) in elements {
            precondition(appendNew(key, value), "the key \(key) is given twice")
        }
    }
}

extension JSONObject: Hashable {
    public static func == (left: JSONObject, right: JSONObject) -> Bool {
        guard left.count == right.count else { return false }
        return zip(left.entries, right.entries).allSatisfy { ByteKey.same($0.key, $1.key) && $0.value == $1.value }
    }

    public func hash(into hasher: inout Hasher) {
        hasher.combine(entries.count)
        for entry in entries {
            hasher.combine(entry.key)
            hasher.combine(entry.value)
        }
    }
}
