/// The frames before F0, up to and including the first empty one: the way back to a lock-step agent.
///
/// A plain REQ socket sends one empty frame; REQ_CORRELATE and proxies put more before it. A message without an
/// envelope comes from an attached agent (DEALER). An answer to an enveloped message carries the same envelope.
public struct Envelope: Hashable, Sendable {
    /// The two common cases cost no memory.
    private enum Storage: Hashable {
        case none
        case delimiter
        case frames([[UInt8]])
    }

    private let storage: Storage

    private init(_ storage: Storage) {
        self.storage = storage
    }

    /// No envelope: an attached agent.
    public static let none = Envelope(.none)

    /// One empty frame: a plain REQ socket.
    public static let delimiter = Envelope(.delimiter)

    /// An envelope of `route` and the empty frame that ends it.
    ///
    /// - Precondition: No frame of `route` is empty, for the first empty frame ends an envelope.
    public init(route: [[UInt8]]) {
        precondition(route.allSatisfy { !$0.isEmpty }, "an envelope holds an empty frame at its end only")
        storage = route.isEmpty ? .delimiter : .frames(route + [[]])
    }

    /// True when the sender waits for exactly one answer.
    public var isLockStep: Bool { storage != .none }

    /// The frames to send before F0, the empty one included.
    public var frames: [[UInt8]] {
        switch storage {
        case .none: []
        case .delimiter: [[]]
        case .frames(let frames): frames
        }
    }

    /// Number of frames.
    public var frameCount: Int {
        switch storage {
        case .none: 0
        case .delimiter: 1
        case .frames(let frames): frames.count
        }
    }
}

extension Envelope {
    /// Finds the envelope of a message.
    ///
    /// A first frame that begins with `UBP/` (and is longer than a REQ_CORRELATE number, 4 bytes) is F0: no envelope.
    /// Otherwise the envelope reaches to the first empty frame. An error is answered without an envelope.
    ///
    /// - Throws: `malformed` when no empty frame comes before F0 or within the limits, `too_large` when the envelope
    ///   has too many bytes.
    static func read<Frames: FrameSource & ~Copyable>(_ frames: borrowing Frames) throws(BusError) -> Envelope {
        let count = min(frames.frameCount, Limits.envelopeFrameCountMax)
        var route: [[UInt8]] = []
        var byteCount = 0
        for index in 0..<count {
            let length = frames.byteCount(index)
            if length == 0 { return Envelope(route: route) }
            if unsafe frames.withFrame(index, { bytes in unsafe ProtocolVersion.looksLikeOne(bytes) }) {
                guard index > 0 else { return .none }
                throw BusError(
                    .malformed,
                    "frame \(index) is a version, but no empty frame ends the envelope before it"
                )
            }
            byteCount += length
            guard byteCount <= Limits.envelopeBytesMax else {
                throw BusError(.tooLarge, "the envelope is longer than \(Limits.envelopeBytesMax) bytes")
            }
            route.append(unsafe frames.withFrame(index) { bytes in unsafe [UInt8](bytes) })
        }
        guard frames.frameCount > 0 else { throw BusError(.malformed, "the message has no frame; expected UBP/1") }
        let first = unsafe frames.withFrame(0) { bytes in unsafe ForeignText.quoted(bytes) }
        throw BusError(
            .malformed,
            "the first frame is \(first); expected UBP/1, or an envelope of at most "
                + "\(Limits.envelopeFrameCountMax) frames that ends with an empty one"
        )
    }
}
