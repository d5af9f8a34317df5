public import CoreTypes
import JSON

/// The header of `FAILURE`: the error of the primary model, and `meta`.
public struct FailureHeader: Hashable, Sendable {
    /// The registry's entry; its symbol stands in `class` too.
    public var code: ErrorCode
    /// Whether a provider may have charged: the registry's word unless the sender knows better.
    public var billed: ErrorCode.Billed
    /// What went wrong, for people.
    public var message: String
    /// HTTP status of the attempt shown, when there was one.
    public var status: Int?
    /// Model of the attempt shown, as `provider/model`.
    public var model: String?
    /// The provider's error, such as the body of its answer: JSON, or else text.
    public var providerError: Bytes?
    /// `meta` as raw JSON; nil for null.
    public var meta: Bytes?

    /// Makes the header of a failure of class `failure`.
    public init(
        _ failure: FailureClass,
        message: String,
        status: Int? = nil,
        model: String? = nil,
        providerError: Bytes? = nil,
        billed: ErrorCode.Billed? = nil,
        meta: Bytes? = nil
    ) {
        code = ErrorCode(failure)
        self.billed = billed ?? code.billed
        self.message = message
        self.status = status
        self.model = model
        self.providerError = providerError
        self.meta = meta
    }

    /// The class of failure; nil when a newer peer used one that is not known here.
    public var failureClass: FailureClass? { FailureClass(rawValue: code.symbol) }

    /// The header as JSON, never longer than a header may be: an over-long message is cut, a provider's error that is
    /// no JSON or longer than ``Limits/providerErrorBytesMax`` becomes a string of its beginning, `meta` beyond
    /// ``Limits/metaBytesMax`` becomes null.
    public var encoded: [UInt8] {
        var writer = JSONWriter(reserving: 512 + (meta?.count ?? 0) + (providerError?.count ?? 0))
        writer.beginObject()
        writer.member("code", code.number)
        writer.member("symbol", code.symbol)
        writer.member("class", code.symbol)
        writer.member("message", ForeignText.clipped(message, Limits.errorMessageBytesMax))
        writer.member("status", status)
        writer.member("model", model.map { ForeignText.clipped($0) })
        writeProviderError(into: &writer)
        writer.member("retry", code.retry.rawValue)
        writer.member("billed", billed.rawValue)
        ReplyHeader.writeMeta(meta, into: &writer)
        writer.endObject()
        return writer.bytes
    }

    /// Providers and gateways answer with HTML or half a document too: what is no JSON is shown as text.
    private func writeProviderError(into writer: inout JSONWriter) {
        guard let providerError, !providerError.isEmpty else { return }
        let limits = JSONLimits(
            depthMax: Limits.headerDepthMax - 1,
            byteCountMax: Limits.providerErrorBytesMax,
            memberCountMax: JSONLimits.header.memberCountMax,
            valueCountMax: JSONLimits.header.valueCountMax / 2
        )
        writer.key("provider_error")
        do throws(JSONError) {
            _ = try JSONValue(parsing: providerError, limits: limits)
            writer.raw(providerError)
        } catch {
            writer.string(ForeignText.clipped(providerError.description, Limits.errorMessageBytesMax))
        }
    }

    /// Reads the header of a `FAILURE`.
    ///
    /// - Throws: `malformed` with the member, what was found and what was expected.
    public init(parsing header: Bytes) throws(BusError) {
        let reader = try HeaderReader(header, .failure)
        let error = try BusError(reader)
        code = error.code
        let billed = try reader.optional("billed") { (value) throws(JSONError) in
            try value.word(ErrorCode.Billed.self)
        }
        self.billed = billed ?? error.code.billed
        message = error.message
        status = try reader.optional("status") { (value) throws(JSONError) in try value.int(in: 0...999) }
        model = try reader.optional("model") { (value) throws(JSONError) in try value.string() }
        providerError = try reader.optional("provider_error") { (value) throws(JSONError) in
            Bytes(value.value.serialized())
        }
        meta = try reader.optional("meta") { (value) throws(JSONError) in Bytes(value.value.serialized()) }
    }
}

/// The header of `REPLY`.
public struct ReplyHeader: Hashable, Sendable {
    /// `meta` as raw JSON; nil for null.
    public var meta: Bytes?

    /// Makes a header.
    public init(meta: Bytes?) {
        self.meta = meta
    }

    /// The header as JSON; `meta` beyond ``Limits/metaBytesMax`` becomes null.
    public var encoded: [UInt8] {
        var writer = JSONWriter(reserving: 16 + (meta?.count ?? 0))
        writer.beginObject()
        Self.writeMeta(meta, into: &writer)
        writer.endObject()
        return writer.bytes
    }

    /// Reads the header of a `REPLY`.
    ///
    /// - Throws: `malformed` when it is not an object in JSON.
    public init(parsing header: Bytes) throws(BusError) {
        meta = try HeaderReader(header, .reply).optional("meta") { (value) throws(JSONError) in
            Bytes(value.value.serialized())
        }
    }

    fileprivate static func writeMeta(_ meta: Bytes?, into writer: inout JSONWriter) {
        writer.key("meta")
        if let meta, meta.count <= Limits.metaBytesMax, !meta.isEmpty {
            writer.raw(meta)
        } else {
            writer.null()
        }
    }
}
