public import CoreTypes

/// Writes JSON straight into bytes, without a tree; commas and colons come by themselves.
///
/// The writer does not check that the calls make a valid document (a key before each value inside an object, as many
/// ends as begins): its callers are code, not input.
public struct JSONWriter: Sendable {
    private var sink: ByteSink
    /// True when the next key or value must be set off from the one before.
    private var needsComma = false

    /// Starts an empty document.
    ///
    /// - Parameter byteCount: Bytes to make room for.
    public init(reserving byteCount: Int = 256) {
        sink = ByteSink(reserving: max(byteCount, 16))
    }

    /// A copy of what has been written so far.
    public var bytes: [UInt8] { sink.bytes }

    /// Number of bytes written so far.
    public var count: Int { sink.count }

    /// Ends the writing and gives the bytes; a long document is not copied.
    public consuming func finished() -> [UInt8] { sink.finished() }

    /// Opens an object.
    public mutating func beginObject() {
        separate()
        sink.append(Byte.openBrace)
        needsComma = false
    }

    /// Closes the innermost object.
    public mutating func endObject() {
        sink.append(Byte.closeBrace)
        needsComma = true
    }

    /// Opens an array.
    public mutating func beginArray() {
        separate()
        sink.append(Byte.openBracket)
        needsComma = false
    }

    /// Closes the innermost array.
    public mutating func endArray() {
        sink.append(Byte.closeBracket)
        needsComma = true
    }

    /// Writes a key; its value comes next.
    public mutating func key(_ key: String) {
        sink.appendQuoted(key, comma: needsComma, colon: true)
        needsComma = false
    }

    /// Writes a string.
    public mutating func string(_ value: String) {
        sink.appendQuoted(value, comma: needsComma)
        needsComma = true
    }

    /// Writes an integer.
    public mutating func int(_ value: Int) { int64(Int64(value)) }

    /// Writes an integer.
    public mutating func int64(_ value: Int64) {
        separate()
        if value < 0 { sink.append(Byte.minus) }
        sink.appendDecimal(value.magnitude)
        needsComma = true
    }

    /// Writes an integer.
    public mutating func uint64(_ value: UInt64) {
        separate()
        sink.appendDecimal(value)
        needsComma = true
    }

    /// Writes the shortest text that reads back as `value`; null when it is infinite or not a number.
    public mutating func double(_ value: Double) {
        separate()
        sink.append(value.isFinite ? value.description : "null")
        needsComma = true
    }

    /// Writes true or false.
    public mutating func bool(_ value: Bool) {
        separate()
        sink.append(value ? "true" : "false")
        needsComma = true
    }

    /// Writes null.
    public mutating func null() {
        separate()
        sink.append("null")
        needsComma = true
    }

    /// Writes a tree.
    public mutating func value(_ value: JSONValue) {
        separate()
        value.write(into: &sink)
        needsComma = true
    }

    /// Writes JSON text as it is; it is not checked.
    public mutating func raw(_ json: [UInt8]) {
        separate()
        sink.append(json.span)
        needsComma = true
    }

    /// Writes JSON text as it is; it is not checked.
    public mutating func raw(_ json: Bytes) {
        separate()
        unsafe json.withUnsafeBytes { sink.append(unsafe Span<UInt8>(_unsafeBytes: $0)) }
        needsComma = true
    }

    @inline(__always)
    private mutating func separate() {
        if needsComma { sink.append(Byte.comma) }
    }
}

/// Whole members. Nil values write nothing.
extension JSONWriter {
    /// Writes a member with a string.
    public mutating func member(_ key: String, _ value: String?) {
        guard let value else { return }
        self.key(key)
        string(value)
    }

    /// Writes a member with an integer.
    public mutating func member(_ key: String, _ value: Int?) {
        guard let value else { return }
        self.key(key)
        int(value)
    }

    /// Writes a member with an integer.
    public mutating func member(_ key: String, _ value: Int64?) {
        guard let value else { return }
        self.key(key)
        int64(value)
    }

    /// Writes a member with an integer.
    public mutating func member(_ key: String, _ value: UInt64?) {
        guard let value else { return }
        self.key(key)
        uint64(value)
    }

    /// Writes a member with a number; null when it is infinite or not a number.
    public mutating func member(_ key: String, _ value: Double?) {
        guard let value else { return }
        self.key(key)
        double(value)
    }

    /// Writes a member with a boolean.
    public mutating func member(_ key: String, _ value: Bool?) {
        guard let value else { return }
        self.key(key)
        bool(value)
    }

    /// Writes a member with a tree.
    public mutating func member(_ key: String, _ value: JSONValue?) {
        guard let value else { return }
        self.key(key)
        self.value(value)
    }

    /// Writes a member with an array of strings.
    public mutating func member(_ key: String, _ value: [String]?) {
        guard let value else { return }
        self.key(key)
        beginArray()
        for element in value { string(element) }
        endArray()
    }

    /// Writes a member whose value is JSON text already; it is not checked.
    public mutating func member(_ key: String, raw value: [UInt8]?) {
        guard let value else { return }
        self.key(key)
        raw(value)
    }
}
