/// An immutable run of bytes that is cheap to copy and may live in memory that a C library owns.
///
/// A copy shares the storage. Bodies travel through the broker as `Bytes` backed by the received message, so that
/// forwarding one copies nothing.
public struct Bytes: Sendable {
    @usableFromInline enum Storage: Sendable {
        case array([UInt8])
        case shared(any SharedBytes)
    }

    @usableFromInline let storage: Storage

    /// Wraps `array` without a copy.
    @inlinable public init(_ array: [UInt8]) {
        storage = .array(array)
    }

    /// Shares memory that `owner` keeps alive.
    @inlinable public init(sharing owner: any SharedBytes) {
        storage = .shared(owner)
    }

    /// The UTF-8 of `text`.
    public init(_ text: String) {
        storage = .array(Array(text.utf8))
    }

    /// No bytes.
    @inlinable public static var empty: Bytes { Bytes([UInt8]()) }

    /// Number of bytes.
    @inlinable public var count: Int {
        switch storage {
        case .array(let array): array.count
        case .shared(let owner): owner.byteCount
        }
    }

    /// True when there is no byte.
    @inlinable public var isEmpty: Bool { count == 0 }

    /// The owner of foreign memory; nil when the bytes are an array.
    ///
    /// A wrapper that made the owner can hand the same memory back to its library without a copy.
    @inlinable public var owner: (any SharedBytes)? {
        if case .shared(let owner) = storage { return owner }
        return nil
    }

    /// Lends the bytes for the time of `body`; the pointer must not leave it.
    @inlinable public func withUnsafeBytes<Result, Failure: Error>(
        _ body: (UnsafeRawBufferPointer) throws(Failure) -> Result
    ) throws(Failure) -> Result {
        switch storage {
        case .array(let array):
            return unsafe try array.withUnsafeBufferPointer { (buffer) throws(Failure) in
                unsafe try body(UnsafeRawBufferPointer(buffer))
            }
        case .shared(let owner):
            return unsafe try body(owner.unsafeBytes)
        }
    }

    /// The bytes as an array; a copy only when they live in foreign memory.
    @inlinable public var array: [UInt8] {
        switch storage {
        case .array(let array): array
        case .shared(let owner): unsafe [UInt8](owner.unsafeBytes)
        }
    }
}

/// Memory that an object keeps alive and unchanged for as long as the object lives.
public protocol SharedBytes: AnyObject, Sendable {
    /// Number of bytes.
    var byteCount: Int { get }

    /// The memory; valid and constant while the object lives.
    var unsafeBytes: UnsafeRawBufferPointer { get }
}

extension Bytes: Hashable {
    public static func == (left: Bytes, right: Bytes) -> Bool {
        guard left.count == right.count else { return false }
        return unsafe left.withUnsafeBytes { first in
            unsafe right.withUnsafeBytes { second in unsafe first.elementsEqual(second) }
        }
    }

    public func hash(into hasher: inout Hasher) {
        unsafe withUnsafeBytes { unsafe hasher.combine(bytes: $0) }
    }
}

extension Bytes: CustomStringConvertible {
    /// The bytes as text; what is not UTF-8 is replaced.
    public var description: String {
        unsafe withUnsafeBytes { unsafe String(decoding: $0, as: UTF8.self) }
    }
}
