import BusProtocol
import CoreTypes
import ZeroMQ

/// A received message, as the decoders of the protocol read it; a large body is taken out without a copy.
struct ReceivedFrames: FrameSource {
    let message: Multipart

    var frameCount: Int { message.frameCount }

    func withFrame<Result, Failure: Error>(
        _ index: Int,
        _ body: (UnsafeRawBufferPointer) throws(Failure) -> Result
    ) throws(Failure) -> Result {
        unsafe try message.withBytes(at: index, body)
    }

    func frameBytes(_ index: Int) -> Bytes { message.takeBytes(at: index) }
}
