public import CoreTypes

/// Writes JSON straight into bytes, without a tree; commas and colons come by themselves.
///
/// The writer does not check that the calls make a valid document (a key before each value inside an object, as many
/// ends as begins): its callers are code, not input.
public struct JSONWriter: Sendable {
    /// What has been written so far.
    public private(set) var bytes: [UInt8] = []
    /// True when the next key or value must be set off from the one before.
    private var needsComma = false

    /// Starts an empty document.
    ///
    /// - Parameter byteCount: Bytes to make room for.
    public init(reserving byteCount: Int = 256) {
        bytes.reserveCapacity(byteCount)
    }

    /// Opens an object.
    public mutating func beginObject() {
        separate()
        bytes.append(Byte.openBrace)
        needsComma = false
    }

    /// Closes the innermost object.
    public mutating func endObject() {
        bytes.append(Byte.closeBrace)
        needsComma = true
    }

    /// Opens an array.
    public mutating func beginArray() {
        separate()
        bytes.append(Byte.openBracket)
        needsComma = false
    }

    /// Closes the innermost array.
    public mutating func endArray() {
        bytes.append(Byte.closeBracket)
        needsComma = true
    }

    /// Writes a key; its value comes next.
    public mutating func key(_ key: String) {
        separate()
        bytes.appendQuoted(key)
        bytes.append(Byte.colon)
        needsComma = false
    }

    /// Writes a string.
    public mutating func string(_ value: String) {
        separate()
        bytes.appendQuoted(value)
        needsComma = true
    }

    /// Writes an integer.
    public mutating func int(_ value: Int) { int64(Int64(value)) }

    /// Writes an integer.
    public mutating func int64(_ value: Int64) {
        separate()
        if value < 0 { bytes.append(Byte.minus) }
        bytes.appendDecimal(value.magnitude)
        needsComma = true
    }

    /// Writes an integer.
    public mutating func uint64(_ value: UInt64) {
        separate()
        bytes.appendDecimal(value)
        needsComma = true
    }

    /// Writes the shortest text that reads back as `value`; null when it is infinite or not a number.
    public mutating func double(_ value: Double) {
        separate()
        bytes.appendText(value.isFinite ? value.description : "null")
        needsComma = true
    }

    /// Writes true or false.
    public mutating func bool(_ value: Bool) {
        separate()
        bytes.appendText(value ? "true" : "false")
        needsComma = true
    }

    /// Writes null.
    public mutating func null() {
        separate()
        bytes.appendText("null")
        needsComma = true
    }

    /// Writes a tree.
    public mutating func value(_ value: JSONValue) {
        separate()
        value.write(into: &bytes)
        needsComma = true
    }

    /// Writes JSON text as it is; it is not checked.
    public mutating func raw(_ json: [UInt8]) {
        separate()
        bytes.append(contentsOf: json)
        needsComma = true
    }

    /// Writes JSON text as it is; it is not checked.
    public mutating func raw(_ json: Bytes) {
        separate()
        unsafe json.withUnsafeBytes { unsafe bytes.append(contentsOf: $0) }
        needsComma = true
    }

    @inline(__always)
    private mutating func separate() {
        if needsComma { bytes.append(Byte.comma) }
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
