import BusProtocol
import CoreTypes
import ZeroMQ

/// A received message, as far as it is read beside its decoder.
struct ReceivedFrames {
    let message: Multipart

    /// F4.. one after another; a single large frame is not copied.
    func takeBody() -> Bytes {
        switch message.count {
        case ..<5: return .empty
        case 5: return message.takeBytes(at: 4)
        default:
            var bytes: [UInt8] = []
            for index in 4..<message.count {
                unsafe message.withBytes(at: index) { unsafe bytes.append(contentsOf: $0) }
            }
            return Bytes(bytes)
        }
    }

    /// The key in F2 of a message that could not be decoded but says that it is a `JOB`.
    var keyOfJob: DeliveryKey? {
        guard message.count > 2, message.array(at: 1) == Verb.job.bytes else { return nil }
        return unsafe message.withBytes(at: 2) { unsafe DeliveryKey(bytes: $0) }
    }
}

extension BorrowedFrames {
    /// Takes the frames of a message.
    func refill(with message: Multipart) {
        unsafe refill(message.count, of: message.frameCount) { unsafe message.lendFrames(from: 0, to: $0) }
    }
}
