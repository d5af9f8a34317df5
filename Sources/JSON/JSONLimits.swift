/// What a document may cost before it is refused.
///
/// The parser and the scanner check the same limits, so that what one accepts the other accepts.
public struct JSONLimits: Sendable, Hashable {
    /// Nesting of arrays and objects; a scalar document has depth 0, `[]` depth 1.
    public let depthMax: Int
    /// Length of the document, in bytes.
    public let byteCountMax: Int
    /// Members of one object.
    public let memberCountMax: Int
    /// Values in the whole document, scalars and containers.
    public let valueCountMax: Int

    /// Makes a set of limits.
    ///
    /// - Precondition: `depthMax` is in `0...512` (each level costs stack), `byteCountMax` in `0...Int32.max`, the
    ///   counts are not negative.
    public init(
        depthMax: Int = 128,
        byteCountMax: Int = 8 << 20,
        memberCountMax: Int = 65_536,
        valueCountMax: Int = 1_000_000
    ) {
        precondition((0...512).contains(depthMax), "depthMax is \(depthMax), must be in 0...512")
        precondition((0...Int(Int32.max)).contains(byteCountMax), "byteCountMax is \(byteCountMax), must fit 31 bits")
        precondition(memberCountMax >= 0 && valueCountMax >= 0, "a count limit is negative")
        self.depthMax = depthMax
        self.byteCountMax = byteCountMax
        self.memberCountMax = memberCountMax
        self.valueCountMax = valueCountMax
    }

    /// For a header frame: 64 KiB, depth 32.
    public static let header = JSONLimits(
        depthMax: 32,
        byteCountMax: 64 << 10,
        memberCountMax: 4096,
        valueCountMax: 32_768
    )

    /// For a body: 8 MiB, depth 128.
    public static let body = JSONLimits()
}
