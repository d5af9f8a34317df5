/// What every message has in common: F0 to F3 checked for shape and size, the verb known.
public struct MessageHead: Hashable, Sendable {
    /// Index of F0 in the source.
    public let start: Int
    /// F1.
    public let verb: Verb
    /// Indices of F4.. in the source.
    public let body: Range<Int>

    /// Index of F2 in the source.
    public var idFrame: Int { start + 2 }
    /// Index of F3 in the source.
    public var headerFrame: Int { start + 3 }

    /// Checks the frames from `start` on.
    ///
    /// - Throws: `malformed` (no version, fewer than 4 frames, id too long), `version`, `too_large` (header or body
    ///   beyond the limits), `not_implemented` (a verb nobody knows, or a reserved one).
    public init<Frames: FrameSource & ~Copyable>(
        _ frames: borrowing Frames,
        from start: Int = 0
    ) throws(BusError) {
        let count = frames.frameCount - start
        guard count > 0 else { throw BusError(.malformed, "no frame follows the envelope; expected UBP/1") }
        try unsafe frames.withFrame(start) { (bytes) throws(BusError) in try unsafe Self.checkVersion(bytes) }
        guard count >= 4 else {
            throw BusError(.malformed, "found \(count) frames; expected at least 4: UBP/1, verb, id, header")
        }
        guard count <= Limits.frameCountMax else {
            throw BusError(
                .tooLarge,
                "found \(count - 4) body frames; expected at most \(Limits.bodyFrameCountMax)"
            )
        }
        verb = try unsafe frames.withFrame(start + 1) { (bytes) throws(BusError) in try unsafe Self.verb(bytes) }
        self.start = start
        body = start + 4..<start + count

        let idByteCount = frames.byteCount(start + 2)
        guard idByteCount <= Limits.requestIDBytesMax else {
            throw BusError(
                .malformed,
                "the id has \(idByteCount) bytes; expected at most \(Limits.requestIDBytesMax)"
            )
        }
        let headerByteCount = frames.byteCount(start + 3)
        guard headerByteCount <= Limits.headerBytesMax else {
            throw BusError(
                .tooLarge,
                "the header has \(headerByteCount) bytes; expected at most \(Limits.headerBytesMax)"
            )
        }
        var bodyByteCount = 0
        for index in body { bodyByteCount += frames.byteCount(index) }
        guard bodyByteCount <= Limits.bodyBytesMax else {
            throw BusError(.tooLarge, "the body has \(bodyByteCount) bytes; expected at most \(Limits.bodyBytesMax)")
        }
    }

    private static func checkVersion(_ bytes: UnsafeRawBufferPointer) throws(BusError) {
        if unsafe ProtocolVersion.matches(bytes) { return }
        let found = unsafe ForeignText.quoted(bytes)
        if unsafe ProtocolVersion.looksLikeOne(bytes) {
            throw BusError(.version, "the version is \(found); this side speaks UBP/1")
        }
        throw BusError(.malformed, "the first frame is \(found); expected UBP/1")
    }

    private static func verb(_ bytes: UnsafeRawBufferPointer) throws(BusError) -> Verb {
        guard let verb = unsafe VerbTable.verb(bytes) else {
            throw BusError(.notImplemented, "unknown verb \(unsafe ForeignText.quoted(bytes))")
        }
        guard verb != .health else { throw BusError(.notImplemented, "HEALTH is reserved") }
        return verb
    }
}

extension MessageHead {
    /// Refuses body frames where the verb has none.
    func requireNoBody() throws(BusError) {
        guard body.isEmpty else {
            throw BusError(.malformed, "\(verb.rawValue) has no body; found \(body.count) frames after the header")
        }
    }

    /// Refuses a message with fewer than `count` body frames.
    func requireBody(_ count: Int, _ what: String) throws(BusError) {
        guard body.count >= count else {
            throw BusError(.malformed, "\(verb.rawValue) has \(body.count) body frames; expected \(what)")
        }
    }

    /// F2 where it must be empty.
    func requireNoID<Frames: FrameSource & ~Copyable>(_ frames: borrowing Frames) throws(BusError) {
        guard frames.byteCount(idFrame) == 0 else {
            throw BusError(.malformed, "F2 of \(verb.rawValue) is \(quotedID(frames)); expected an empty frame")
        }
    }

    /// F2 as a request id.
    func requestID<Frames: FrameSource & ~Copyable>(_ frames: borrowing Frames) throws(BusError) -> RequestID {
        if let id = unsafe frames.withFrame(idFrame, { bytes in unsafe RequestID(bytes: bytes) }) { return id }
        throw BusError(
            .malformed,
            "the id is \(quotedID(frames)); expected 1 to \(Limits.requestIDBytesMax) of A-Z a-z 0-9 . _ : -"
        )
    }

    /// Refuses a name of the broker where an agent must choose one.
    func requireOwn(_ id: RequestID) throws(BusError) {
        guard id.isReserved else { return }
        throw BusError(
            .malformed,
            "F2 of \(verb.rawValue) is \(id); names that begin with sys. belong to the broker, and only GET reads them"
        )
    }

    /// F2 as a delivery key.
    func deliveryKey<Frames: FrameSource & ~Copyable>(
        _ frames: borrowing Frames,
        needsAttempt: Bool = false
    ) throws(BusError) -> DeliveryKey {
        guard let key = unsafe frames.withFrame(idFrame, { bytes in unsafe DeliveryKey(bytes: bytes) }) else {
            throw BusError(
                .malformed,
                "F2 of \(verb.rawValue) has \(frames.byteCount(idFrame)) bytes; expected 16: job, delivery, attempt"
            )
        }
        guard key.delivery > 0, key.attempt > 0 || !needsAttempt else {
            throw BusError(.malformed, "F2 of \(verb.rawValue) is \(key); expected numbers from 1 on")
        }
        return key
    }

    /// F2 as it is.
    func rawID<Frames: FrameSource & ~Copyable>(_ frames: borrowing Frames) -> [UInt8] {
        unsafe frames.withFrame(idFrame) { bytes in unsafe [UInt8](bytes) }
    }

    /// F2 as it is shown in messages.
    func quotedID<Frames: FrameSource & ~Copyable>(_ frames: borrowing Frames) -> String {
        unsafe frames.withFrame(idFrame) { bytes in unsafe ForeignText.quoted(bytes) }
    }

    /// The error for a verb that the sender may not use.
    func wrongSender(_ sender: String, sends verbs: [Verb]) -> BusError {
        BusError(
            .unexpected,
            "\(verb.rawValue) is not sent by \(sender); expected one of "
                + verbs.map(\.rawValue).joined(separator: " ")
        )
    }
}
