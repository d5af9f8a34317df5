import BusProtocol
import CoreTypes
import Dispatch
import ZeroMQ

/// A message on a ROUTER as the decoders read it: without the routing id in front.
struct ReceivedMessage: FrameSource {
    let message: Multipart

    var frameCount: Int { message.frameCount - 1 }

    func withFrame<Result, Failure: Error>(
        _ index: Int,
        _ body: (UnsafeRawBufferPointer) throws(Failure) -> Result
    ) throws(Failure) -> Result {
        unsafe try message.withBytes(at: index + 1, body)
    }

    func frameBytes(_ index: Int) -> Bytes { message.takeBytes(at: index + 1) }

    /// The connection it came by; nil when the peer chose a routing id of its own.
    ///
    /// libzmq's own ids are a zero byte and a number of 4 bytes (zmq_setsockopt(3), ZMQ_ROUTING_ID).
    var connection: ConnectionID? {
        unsafe message.withBytes(at: 0) { bytes in
            guard bytes.count == 5, unsafe bytes[0] == 0 else { return nil }
            return ConnectionID(unsafe UInt32(bigEndian: bytes.loadUnaligned(fromByteOffset: 1, as: UInt32.self)))
        }
    }
}

extension BorrowedFrames {
    /// Takes the frames of a message on a ROUTER, without the routing id in front.
    func refill(with message: Multipart) {
        unsafe refill(message.count - 1, of: message.frameCount - 1) { unsafe message.lendFrames(from: 1, to: $0) }
    }
}

extension ConnectionID {
    /// Sends the routing id as the first frame of a message.
    func send(on socket: Socket) throws(ZeroMQError) -> SendResult {
        // The last five bytes of the number as 64 bits: a zero, and 32 bits with the highest byte first.
        try unsafe withUnsafeBytes(of: UInt64(value).bigEndian) { (bytes) throws(ZeroMQError) in
            unsafe try socket.send(UnsafeRawBufferPointer(rebasing: bytes[3...]), more: true)
        }
    }

    /// The routing id as libzmq wants it.
    var routingID: [UInt8] {
        [
            0, UInt8(truncatingIfNeeded: value >> 24), UInt8(truncatingIfNeeded: value >> 16),
            UInt8(truncatingIfNeeded: value >> 8), UInt8(truncatingIfNeeded: value),
        ]
    }
}
