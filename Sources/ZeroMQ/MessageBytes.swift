import CZeroMQ
import CoreTypes

/// A received frame that several `Bytes` share and that can be sent again without a copy.
@safe final class MessageBytes: SharedBytes, @unchecked Sendable {
    // Why `@unchecked` holds: nothing changes after `init`. `init` marks the content as shared, so that later calls of
    // zmq_msg_copy, from any thread, only raise libzmq's atomic count of references.
    private let message: Message
    let unsafeBytes: UnsafeRawBufferPointer

    var byteCount: Int { unsafe unsafeBytes.count }

    /// Takes the content of `source`, which is left empty.
    ///
    /// - Precondition: The content lives outside the handle, as it does from 34 bytes on.
    init(moving source: UnsafeMutablePointer<zmq_msg_t>) {
        var message = Message()
        unsafe zmq_msg_move(&message.raw, source)
        var sharing = Message()
        unsafe zmq_msg_copy(&sharing.raw, &message.raw)
        unsafe unsafeBytes = UnsafeRawBufferPointer(
            start: zmq_msg_data(&message.raw),
            count: zmq_msg_size(&message.raw)
        )
        self.message = message
    }

    /// Another handle on the same bytes.
    func share() -> Message {
        var result = Message()
        unsafe withUnsafePointer(to: message.raw) { pointer in
            unsafe _ = zmq_msg_copy(&result.raw, UnsafeMutablePointer(mutating: pointer))
        }
        return result
    }
}
