import CoreTypes
import JSON

/// A worker's `WELCOME`: F3 is the session; F4 and F5, which may be missing, are the delivery keys to keep and to drop,
/// 16 bytes each.
extension WorkerWelcome {
    init<Frames: FrameSource & ~Copyable>(
        _ frames: borrowing Frames,
        _ head: MessageHead
    ) throws(BusError) {
        let header = try HeaderReader(frames, head, known: ["session", "epoch", "beat_ms", "lease_ms"])
        self.init(
            session: try header.required("session") { (value) throws(JSONError) in try value.session() },
            epoch: try header.required("epoch") { (value) throws(JSONError) in try value.int64(in: 0 ... .max) },
            keep: try Self.keys(frames, head, at: 0),
            drop: try Self.keys(frames, head, at: 1),
            beatInterval: try header.required("beat_ms") { (value) throws(JSONError) in
                try value.milliseconds(in: .milliseconds(1) ... .milliseconds(Limits.millisecondsMax))
            },
            lease: try header.required("lease_ms") { (value) throws(JSONError) in try value.milliseconds() }
        )
    }

    private static func keys<Frames: FrameSource & ~Copyable>(
        _ frames: borrowing Frames,
        _ head: MessageHead,
        at offset: Int
    ) throws(BusError) -> [DeliveryKey] {
        guard offset < head.body.count else { return [] }
        let frame = head.body.lowerBound + offset
        let byteCount = frames.byteCount(frame)
        guard byteCount.isMultiple(of: DeliveryKey.byteCount) else {
            throw BusError(
                .malformed,
                "F\(4 + offset) of WELCOME has \(byteCount) bytes; expected delivery keys of \(DeliveryKey.byteCount)"
            )
        }
        return unsafe frames.withFrame(frame) { bytes in
            stride(from: 0, to: bytes.count, by: DeliveryKey.byteCount).compactMap { start in
                unsafe DeliveryKey(
                    bytes: UnsafeRawBufferPointer(rebasing: bytes[start..<start + DeliveryKey.byteCount])
                )
            }
        }
    }

    var header: [UInt8] {
        var writer = JSONWriter(reserving: 128)
        writer.beginObject()
        writer.member("session", session.text)
        writer.member("epoch", epoch)
        writer.member("beat_ms", milliseconds: beatInterval)
        writer.member("lease_ms", milliseconds: lease)
        writer.endObject()
        return writer.bytes
    }

    var body: [Bytes] {
        if keep.isEmpty && drop.isEmpty { return [] }
        return [keep, drop].map { keys in
            var bytes: [UInt8] = []
            bytes.reserveCapacity(keys.count * DeliveryKey.byteCount)
            for key in keys { key.write(into: &bytes) }
            return Bytes(bytes)
        }
    }
}
