import CoreTypes

/// Frames in one run of bytes: their number as a byte, the length of each in 4 bytes (big-endian), then the frames.
enum FrameCoding {
    /// Appends `frames` to `bytes`.
    static func encode(_ frames: [Bytes], to bytes: inout [UInt8]) {
        precondition(frames.count <= 255, "\(frames.count) frames in one message")
        bytes.append(UInt8(frames.count))
        for frame in frames {
            for shift in [24, 16, 8, 0] { bytes.append(UInt8(truncatingIfNeeded: frame.count >> shift)) }
        }
        for frame in frames { unsafe frame.withUnsafeBytes { unsafe bytes.append(contentsOf: $0) } }
    }

    /// Reads what ``encode(_:to:)`` wrote, else gives nil.
    static func decode(_ bytes: UnsafeRawBufferPointer) -> [Bytes]? {
        guard let count = unsafe bytes.first.map(Int.init), bytes.count > 4 * count else { return nil }
        var frames: [Bytes] = []
        var start = 1 + 4 * count
        for index in 0..<count {
            let word = unsafe bytes.loadUnaligned(fromByteOffset: 1 + 4 * index, as: UInt32.self)
            let length = Int(UInt32(bigEndian: word))
            guard length <= bytes.count - start else { return nil }
            frames.append(Bytes(unsafe [UInt8](bytes[start..<start + length])))
            start += length
        }
        return start == bytes.count ? frames : nil
    }
}
