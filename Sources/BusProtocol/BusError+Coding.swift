import JSON

extension BusError {
    /// The error as the header of `ERROR` or `REJECTED`.
    public var header: [UInt8] {
        var writer = JSONWriter(reserving: 192)
        writer.beginObject()
        writeMembers(into: &writer)
        writer.endObject()
        return writer.bytes
    }

    /// Writes code, symbol, message, retry_after_ms, retry and billed.
    func writeMembers(into writer: inout JSONWriter) {
        writer.member("code", code.number)
        writer.member("symbol", code.symbol)
        writer.member("message", ForeignText.clipped(message, Limits.errorMessageBytesMax))
        writer.member("retry_after_ms", milliseconds: retryAfter)
        writer.member("retry", code.retry.rawValue)
        writer.member("billed", code.billed.rawValue)
    }

    /// Reads the header of `ERROR` or `REJECTED`.
    init<Frames: FrameSource & ~Copyable>(
        _ frames: borrowing Frames,
        _ head: MessageHead
    ) throws(BusError) {
        let known = ["code", "symbol", "message", "retry_after_ms", "retry", "billed"]
        try self.init(HeaderReader(frames, head, known: known))
    }

    init(_ header: HeaderReader) throws(BusError) {
        let number = try header.required("code") { (value) throws(JSONError) in try value.int(in: 0...9999) }
        let symbol = try header.required("symbol") { (value) throws(JSONError) in try value.text(byteCountMax: 64) }
        let message = try header.optional("message") { (value) throws(JSONError) in try value.string() }
        let retryAfter = try header.optional("retry_after_ms") { (value) throws(JSONError) in
            try value.milliseconds()
        }
        let retry = try header.optional("retry") { (value) throws(JSONError) in try value.word(ErrorCode.Retry.self) }
        let billed = try header.optional("billed") { (value) throws(JSONError) in
            try value.word(ErrorCode.Billed.self)
        }
        let code = ErrorCode(number: number, symbol: symbol, retry: retry ?? .never, billed: billed ?? .maybe)
        self.init(code, message ?? symbol, retryAfter: retryAfter)
    }
}
