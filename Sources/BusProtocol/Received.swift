/// What a broker makes of frames from a peer: a message, or the `ERROR` to answer.
public enum Received<Message: Hashable & Sendable>: Hashable, Sendable {
    /// A message; `body` are the indices of F4.. in the source.
    case message(Message, envelope: Envelope, body: Range<Int>)
    /// Answer `ERROR` with this envelope and this F2 (that of the message as far as it was readable, else empty).
    case refused(BusError, envelope: Envelope, id: [UInt8])

    /// Decodes the frames after an envelope that was found already.
    static func decoding<Frames: FrameSource & ~Copyable>(
        _ frames: borrowing Frames,
        after envelope: Envelope,
        _ decode: (borrowing Frames, MessageHead) throws(BusError) -> Message
    ) -> Received {
        let start = envelope.frameCount
        do throws(BusError) {
            let head = try MessageHead(frames, from: start)
            return .message(try decode(frames, head), envelope: envelope, body: head.body)
        } catch {
            return .refused(error, envelope: envelope, id: readableID(frames, start))
        }
    }

    private static func readableID<Frames: FrameSource & ~Copyable>(
        _ frames: borrowing Frames,
        _ start: Int
    ) -> [UInt8] {
        guard frames.frameCount > start + 2,
            unsafe frames.withFrame(start, { bytes in unsafe ProtocolVersion.looksLikeOne(bytes) }),
            frames.byteCount(start + 2) <= Limits.requestIDBytesMax
        else { return [] }
        return unsafe frames.withFrame(start + 2) { bytes in unsafe [UInt8](bytes) }
    }
}
