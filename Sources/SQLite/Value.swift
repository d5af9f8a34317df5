/// A value as SQLite stores it, to be bound to a statement's parameter.
public enum Value: Hashable, Sendable {
    case null
    case integer(Int64)
    case real(Double)
    case text(String)
    case blob([UInt8])

    /// The integer, or NULL.
    public init(_ integer: Int64?) { self = integer.map(Value.integer) ?? .null }

    /// The integer, or NULL.
    public init(_ integer: Int?) { self = integer.map { .integer(Int64($0)) } ?? .null }

    /// The number, or NULL.
    public init(_ real: Double?) { self = real.map(Value.real) ?? .null }

    /// The text, or NULL.
    public init(_ text: String?) { self = text.map(Value.text) ?? .null }

    /// The bytes, or NULL.
    public init(_ blob: [UInt8]?) { self = blob.map(Value.blob) ?? .null }
}

extension Value: ExpressibleByIntegerLiteral, ExpressibleByStringLiteral, ExpressibleByNilLiteral {
    public init(integerLiteral value: Int64) { self = .integer(value) }

    public init(stringLiteral value: String) { self = .text(value) }

    public init(nilLiteral: ()) { self = .null }
}
