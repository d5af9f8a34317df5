import CoreTypes
import JSON

/// Reads the members of a JSON header (F3); every error is a `malformed` that names the verb and the place.
///
/// An empty header is one without members; null counts as absent; unknown members are ignored, unless the header lists
/// them in `must`.
struct HeaderReader {
    private let verb: Verb
    private let object: JSONReader

    /// Parses F3 of a message.
    ///
    /// - Parameter known: The members that this verb has; a `must` beyond them is refused with `not_implemented`.
    init<Frames: FrameSource & ~Copyable>(
        _ frames: borrowing Frames,
        _ head: MessageHead,
        known: [String]
    ) throws(BusError) {
        let verb = head.verb
        let reader = try unsafe frames.withFrame(head.headerFrame) { (bytes) throws(BusError) in
            try unsafe Self.reader(bytes, verb)
        }
        self.verb = verb
        object = reader
        let unknown = try Self.translating(verb) { () throws(JSONError) -> String? in
            guard let must = try reader.optionalMember("must") else { return nil }
            for entry in try must.array() {
                let key = try entry.string()
                if !known.contains(key) { return key }
            }
            return nil
        }
        guard let unknown else { return }
        throw BusError(
            .notImplemented,
            ForeignText.clipped("\(verb.rawValue) header: \"must\" names \"\(unknown)\", which is not known here")
        )
    }

    /// Parses the header of a terminal that was kept.
    init(_ header: Bytes, _ verb: Verb) throws(BusError) {
        self.verb = verb
        object = try unsafe header.withUnsafeBytes { (bytes) throws(BusError) in try unsafe Self.reader(bytes, verb) }
    }

    private static func reader(_ bytes: UnsafeRawBufferPointer, _ verb: Verb) throws(BusError) -> JSONReader {
        guard bytes.count > 0 else { return JSONReader(.object(JSONObject())) }
        return try translating(verb) { () throws(JSONError) in
            let reader = JSONReader(try unsafe JSONValue(parsing: bytes, limits: .header))
            _ = try reader.object()
            return reader
        }
    }

    /// The member `key`; nil when it is absent or null.
    func optional<Value>(
        _ key: String,
        _ read: (JSONReader) throws(JSONError) -> Value
    ) throws(BusError) -> Value? {
        try Self.translating(verb) { () throws(JSONError) -> Value? in
            guard let member = try object.optionalMember(key) else { return nil }
            return try read(member)
        }
    }

    /// The member `key`, which must be present.
    func required<Value>(
        _ key: String,
        _ read: (JSONReader) throws(JSONError) -> Value
    ) throws(BusError) -> Value {
        try Self.translating(verb) { () throws(JSONError) -> Value in try read(try object.member(key)) }
    }

    private static func translating<Value>(
        _ verb: Verb,
        _ body: () throws(JSONError) -> Value
    ) throws(BusError) -> Value {
        do throws(JSONError) {
            return try body()
        } catch {
            throw BusError(.malformed, ForeignText.clipped("\(verb.rawValue) header: \(error.description)"))
        }
    }
}

extension JSONReader {
    /// Milliseconds as a duration.
    func milliseconds(in range: ClosedRange<Duration>) throws(JSONError) -> Duration {
        .milliseconds(try int64(in: range.lowerBound.wholeMilliseconds...range.upperBound.wholeMilliseconds))
    }

    /// A duration of any length from zero on.
    func milliseconds() throws(JSONError) -> Duration {
        .milliseconds(try int64(in: 0...Limits.millisecondsMax))
    }

    /// A string of 1 to `byteCountMax` bytes.
    func text(byteCountMax: Int) throws(JSONError) -> String {
        let text = try string()
        guard (1...byteCountMax).contains(text.utf8.count) else {
            throw failure(.outOfRange, "expected 1 to \(byteCountMax) bytes, found \(text.utf8.count)")
        }
        return text
    }

    /// A word of a closed list.
    func word<Word: RawRepresentable<String> & CaseIterable>(_ type: Word.Type) throws(JSONError) -> Word {
        if let word = Word(rawValue: try string()) { return word }
        let text = try oneOf(Word.allCases.map(\.rawValue))
        preconditionFailure("\(text) is no raw value of \(type)")
    }

    /// A 32-bit number from `lowest` on.
    func number(from lowest: UInt32 = 0) throws(JSONError) -> UInt32 {
        UInt32(try int64(in: Int64(lowest)...Int64(UInt32.max)))
    }

    /// A session's token.
    func session() throws(JSONError) -> SessionToken {
        SessionToken(try text(byteCountMax: Limits.sessionBytesMax))
    }
}

extension JSONWriter {
    /// Writes a duration in whole milliseconds; nil writes nothing.
    mutating func member(_ key: String, milliseconds value: Duration?) {
        guard let value else { return }
        self.key(key)
        int64(min(max(value.wholeMilliseconds, 0), Limits.millisecondsMax))
    }
}
