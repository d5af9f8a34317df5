import CoreTypes

/// An agent's name for its request: `[A-Za-z0-9._:-]{1,128}`, unique per tenant.
public struct RequestID: Hashable, Sendable, CustomStringConvertible {
    /// The id as text.
    public let text: String

    /// Takes `text` if it is a valid id, else gives nil.
    public init?(_ text: String) {
        var copy = text
        let valid = copy.withUTF8 { bytes in unsafe Self.isValid(UnsafeRawBufferPointer(bytes)) }
        guard valid else { return nil }
        self.text = text
    }

    /// Takes the bytes of a frame if they are a valid id, else gives nil.
    public init?(bytes: UnsafeRawBufferPointer) {
        guard unsafe Self.isValid(bytes) else { return nil }
        text = unsafe String(decoding: bytes, as: UTF8.self)
    }

    /// True for names that belong to the broker: `sys.` and what follows.
    public var isReserved: Bool { text.utf8.starts(with: "sys.".utf8) }

    public var description: String { text }

    private static func isValid(_ bytes: UnsafeRawBufferPointer) -> Bool {
        guard (1...Limits.requestIDBytesMax).contains(bytes.count) else { return false }
        for index in bytes.indices {
            switch unsafe bytes[index] {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "."), UInt8(ascii: "_"), UInt8(ascii: ":"),
                UInt8(ascii: "-"):
                continue
            default:
                return false
            }
        }
        return true
    }
}

/// Whose request it is, as the socket tells and never the message: requests of different tenants never meet.
public enum Tenant: Hashable, Sendable, CustomStringConvertible {
    /// The Unix user that the peer process runs as.
    case user(UInt32)

    /// The tenant's name in telemetry: `uid-1000`. Letters, digits and `-` only, so that it fits a topic.
    public var description: String {
        switch self {
        // Not interpolated: it is written several times for each request, and joining is a tenth of the work.
        case .user(let uid): "uid-" + String(uid)
        }
    }
}

/// A request's name within the broker.
public struct RequestKey: Hashable, Sendable {
    /// Whose request it is.
    public var tenant: Tenant
    /// The agent's id.
    public var id: RequestID

    /// Pairs tenant and id.
    public init(tenant: Tenant, id: RequestID) {
        self.tenant = tenant
        self.id = id
    }
}

/// The broker's own number of an accepted request; rises, never used twice within an epoch.
public struct JobNumber: Hashable, Comparable, Sendable, CustomStringConvertible {
    /// The number.
    public var value: UInt64

    /// Wraps `value`.
    public init(_ value: UInt64) { self.value = value }

    public static func < (left: JobNumber, right: JobNumber) -> Bool { left.value < right.value }

    /// Numbers are the broker's own, and looked up a dozen times for each request.
    public func _rawHashValue(seed: Int) -> Int { mixedHash(value, seed: seed) }

    public var description: String { "#\(value)" }
}

/// F2 on `workers.sock`: 16 bytes that name job (u64), delivery (u32) and attempt (u32), big-endian.
public struct DeliveryKey: Hashable, Sendable, CustomStringConvertible {
    /// The job.
    public var job: JobNumber
    /// Which handing of the job to a worker, from 1.
    public var delivery: UInt32
    /// Which attempt of the job, from 1, rising across deliveries; 0 where the message is about the delivery as a whole.
    public var attempt: UInt32

    /// Size on the wire.
    public static let byteCount = 16

    /// Makes a key.
    public init(job: JobNumber, delivery: UInt32, attempt: UInt32 = 0) {
        self.job = job
        self.delivery = delivery
        self.attempt = attempt
    }

    /// Reads a key from a frame of exactly 16 bytes, else gives nil.
    public init?(bytes: UnsafeRawBufferPointer) {
        guard bytes.count == Self.byteCount else { return nil }
        job = JobNumber(unsafe UInt64(bigEndian: bytes.loadUnaligned(fromByteOffset: 0, as: UInt64.self)))
        delivery = unsafe UInt32(bigEndian: bytes.loadUnaligned(fromByteOffset: 8, as: UInt32.self))
        attempt = unsafe UInt32(bigEndian: bytes.loadUnaligned(fromByteOffset: 12, as: UInt32.self))
    }

    /// The key as it goes on the wire.
    public var bytes: [UInt8] {
        unsafe [UInt8](unsafeUninitializedCapacity: Self.byteCount) { buffer, count in
            let bytes = UnsafeMutableRawBufferPointer(buffer)
            unsafe bytes.storeBytes(of: job.value.bigEndian, as: UInt64.self)
            unsafe bytes.storeBytes(of: delivery.bigEndian, toByteOffset: 8, as: UInt32.self)
            unsafe bytes.storeBytes(of: attempt.bigEndian, toByteOffset: 12, as: UInt32.self)
            count = Self.byteCount
        }
    }

    /// The same delivery with the attempt left open.
    public var wholeDelivery: DeliveryKey { DeliveryKey(job: job, delivery: delivery) }

    public var description: String { "\(job)/\(delivery)/\(attempt)" }
}

/// The token of one READY/WELCOME between a worker and a broker: 32 hexadecimal digits.
///
/// JOB, GO, NOGO and CANCEL carry it; a worker drops those of another session.
public struct SessionToken: Hashable, Sendable, CustomStringConvertible {
    /// The token as text.
    public let text: String

    /// Wraps `text`.
    public init(_ text: String) { self.text = text }

    /// Makes a token of 128 bits from `generator`.
    public init(using generator: inout some RandomNumberGenerator) {
        let digits = Array("0123456789abcdef")
        var text = ""
        for _ in 0..<2 {
            let bits: UInt64 = generator.next()
            for shift in stride(from: 60, through: 0, by: -4) { text.append(digits[Int(bits >> UInt64(shift) & 15)]) }
        }
        self.text = text
    }

    public var description: String { text }
}

/// SHA-256 over a request's body frames, one after another: what makes two requests of one id the same.
public struct BodyHash: Hashable, Sendable, CustomStringConvertible {
    /// The digest as four big-endian words.
    public let words: (UInt64, UInt64, UInt64, UInt64)

    /// Makes the hash of its four words.
    public init(_ first: UInt64, _ second: UInt64, _ third: UInt64, _ fourth: UInt64) {
        words = (first, second, third, fourth)
    }

    /// Reads 64 hexadecimal digits, else gives nil.
    public init?(hex: String) {
        let digits = Array(hex.utf8)
        guard digits.count == 64, let text = String(validating: digits, as: UTF8.self) else { return nil }
        let parts = stride(from: 0, to: 64, by: 16).map { start -> UInt64? in
            let from = text.utf8.index(text.startIndex, offsetBy: start)
            return UInt64(text[from..<text.utf8.index(from, offsetBy: 16)], radix: 16)
        }
        guard let first = parts[0], let second = parts[1], let third = parts[2], let fourth = parts[3] else {
            return nil
        }
        self.init(first, second, third, fourth)
    }

    public static func == (left: BodyHash, right: BodyHash) -> Bool { left.words == right.words }

    public func hash(into hasher: inout Hasher) {
        hasher.combine(words.0)
        hasher.combine(words.1)
    }

    /// 64 hexadecimal digits.
    public var description: String {
        [words.0, words.1, words.2, words.3].map { word in
            let digits = String(word, radix: 16)
            return String(repeating: "0", count: 16 - digits.count) + digits
        }.joined()
    }
}
