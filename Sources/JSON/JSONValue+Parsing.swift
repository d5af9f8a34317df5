public import CoreTypes

/// Parsing is strict RFC 8259: UTF-8 is checked, and byte order marks, duplicate keys, lone surrogates, trailing bytes
/// and everything beyond `limits` are refused.
extension JSONValue {
    /// Reads the document that `bytes` hold.
    public init(parsing bytes: [UInt8], limits: JSONLimits = .body) throws(JSONError) {
        self = try Scanner.tree(of: bytes.span, in: 0..<bytes.count, limits: limits)
    }

    /// Reads the document that lies in a part of `bytes`, such as a range found by ``JSONMembers``.
    ///
    /// - Precondition: `range` lies within `bytes`.
    public init(parsing bytes: [UInt8], in range: Range<Int>, limits: JSONLimits = .body) throws(JSONError) {
        self = try Scanner.tree(of: bytes.span, in: range, limits: limits)
    }

    /// Reads the document that `bytes` hold.
    public init(parsing bytes: Bytes, limits: JSONLimits = .body) throws(JSONError) {
        self = try unsafe bytes.withUnsafeBytes { (buffer) throws(JSONError) -> JSONValue in
            try unsafe JSONValue(parsing: buffer, limits: limits)
        }
    }

    /// Reads the document that lies in a part of `bytes`, such as a range found by ``JSONMembers``.
    ///
    /// - Precondition: `range` lies within `bytes`.
    public init(parsing bytes: Bytes, in range: Range<Int>, limits: JSONLimits = .body) throws(JSONError) {
        self = try unsafe bytes.withUnsafeBytes { (buffer) throws(JSONError) -> JSONValue in
            let span = unsafe Span<UInt8>(_unsafeBytes: buffer)
            return try Scanner.tree(of: span, in: range, limits: limits)
        }
    }

    /// Reads the document that `buffer` holds; nothing refers to it afterwards.
    public init(parsing buffer: UnsafeRawBufferPointer, limits: JSONLimits = .body) throws(JSONError) {
        let span = unsafe Span<UInt8>(_unsafeBytes: buffer)
        self = try Scanner.tree(of: span, in: 0..<span.count, limits: limits)
    }

    /// Reads the document that `text` holds.
    public init(parsing text: String, limits: JSONLimits = .body) throws(JSONError) {
        try self.init(parsing: [UInt8](text.utf8), limits: limits)
    }
}
