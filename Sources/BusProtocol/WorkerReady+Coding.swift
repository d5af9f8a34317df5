import CoreTypes
import JSON

/// `READY`: F3 says who the worker is; F4, when it holds anything, has a record of 49 bytes for each delivery held:
/// delivery key (16), state (1 byte: 0 waiting, 1 calling, 2 finished), SHA-256 of the body (32).
///
/// A worker can hold far more than a header of 64 KiB can list.
extension WorkerReady {
    private static let recordByteCount = DeliveryKey.byteCount + 1 + BodyHash.byteCount

    init<Frames: FrameSource & ~Copyable>(
        _ frames: borrowing Frames,
        _ head: MessageHead
    ) throws(BusError) {
        let header = try HeaderReader(frames, head, known: ["name", "pid", "capacity"])
        self.init(
            name: try header.required("name") { (value) throws(JSONError) in
                try value.text(byteCountMax: Limits.peerNameBytesMax)
            },
            pid: try header.required("pid") { (value) throws(JSONError) in
                Int32(try value.int(in: 0...Int(Int32.max)))
            },
            capacity: try header.required("capacity") { (value) throws(JSONError) in
                try value.int(in: 1...Limits.workerCapacityMax)
            }
        )
        guard let frame = head.body.first else { return }
        guard head.body.count == 1 else {
            throw BusError(.malformed, "READY has \(head.body.count) body frames; expected at most 1: what is held")
        }
        held = try unsafe frames.withFrame(frame) { (bytes) throws(BusError) in try unsafe Self.records(bytes) }
    }

    private static func records(_ bytes: UnsafeRawBufferPointer) throws(BusError) -> [Held] {
        let (count, rest) = bytes.count.quotientAndRemainder(dividingBy: recordByteCount)
        guard rest == 0, count <= Limits.heldCountMax else {
            throw BusError(
                .malformed,
                "F4 of READY has \(bytes.count) bytes; expected at most \(Limits.heldCountMax) records of "
                    + "\(recordByteCount)"
            )
        }
        var held: [Held] = []
        held.reserveCapacity(count)
        for index in 0..<count {
            let record = unsafe UnsafeRawBufferPointer(
                rebasing: bytes[index * recordByteCount..<(index + 1) * recordByteCount]
            )
            let stateByte = unsafe record[DeliveryKey.byteCount]
            guard let key = unsafe DeliveryKey(bytes: UnsafeRawBufferPointer(rebasing: record.prefix(16))),
                key.delivery > 0,
                let hash = unsafe BodyHash(bytes: UnsafeRawBufferPointer(rebasing: record.suffix(32))),
                Int(stateByte) < Held.State.allCases.count
            else {
                throw BusError(
                    .malformed,
                    "record \(index) in F4 of READY has delivery 0 or state \(stateByte); expected a delivery from 1 on "
                        + "and a state of 0 to 2"
                )
            }
            held.append(Held(key: key, bodyHash: hash, state: Held.State.allCases[Int(stateByte)]))
        }
        return held
    }

    var header: [UInt8] {
        var writer = JSONWriter(reserving: 96)
        writer.beginObject()
        writer.member("name", name)
        writer.member("pid", Int(pid))
        writer.member("capacity", capacity)
        writer.endObject()
        return writer.bytes
    }

    var body: [Bytes] {
        guard !held.isEmpty else { return [] }
        var bytes: [UInt8] = []
        bytes.reserveCapacity(held.count * Self.recordByteCount)
        for entry in held {
            entry.key.write(into: &bytes)
            bytes.append(entry.state.byte)
            entry.bodyHash.write(into: &bytes)
        }
        return [Bytes(bytes)]
    }
}

extension WorkerReady.Held.State {
    /// The state in a record of `READY`: its place in `allCases`.
    fileprivate var byte: UInt8 {
        switch self {
        case .waiting: 0
        case .calling: 1
        case .finished: 2
        }
    }
}

extension BodyHash {
    /// Size on the wire.
    public static let byteCount = 32

    /// Reads a hash from exactly 32 bytes, else gives nil.
    public init?(bytes: UnsafeRawBufferPointer) {
        guard bytes.count == Self.byteCount else { return nil }
        unsafe self.init(
            bytes.loadUnaligned(fromByteOffset: 0, as: UInt64.self).bigEndian,
            bytes.loadUnaligned(fromByteOffset: 8, as: UInt64.self).bigEndian,
            bytes.loadUnaligned(fromByteOffset: 16, as: UInt64.self).bigEndian,
            bytes.loadUnaligned(fromByteOffset: 24, as: UInt64.self).bigEndian
        )
    }

    func write(into bytes: inout [UInt8]) {
        for word in [words.0, words.1, words.2, words.3] { bytes.appendBigEndian(word) }
    }
}

extension DeliveryKey {
    func write(into bytes: inout [UInt8]) {
        bytes.appendBigEndian(job.value)
        bytes.appendBigEndian(delivery)
        bytes.appendBigEndian(attempt)
    }
}

extension [UInt8] {
    /// Appends an integer, highest byte first.
    mutating func appendBigEndian(_ value: some FixedWidthInteger & UnsignedInteger) {
        for shift in stride(from: value.bitWidth - 8, through: 0, by: -8) {
            append(UInt8(truncatingIfNeeded: value >> shift))
        }
    }
}
