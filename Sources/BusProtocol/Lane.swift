import JSON

/// Provider, model and key: the unit of health and limits, and the header of `START`.
///
/// `START` says which lane an attempt will use. Nothing acts on it yet: shared limits and breakers will.
public struct Lane: Hashable, Sendable {
    /// The provider's name in the configuration.
    public var provider: String
    /// The model as the provider knows it.
    public var model: String
    /// Which key: a label such as the name of its environment variable, never the key itself.
    public var key: String

    /// Makes a lane.
    public init(provider: String, model: String, key: String) {
        self.provider = provider
        self.model = model
        self.key = key
    }

    /// The lane as JSON.
    public var encoded: [UInt8] {
        var writer = JSONWriter(reserving: 128)
        writer.beginObject()
        writer.member("provider", provider)
        writer.member("model", model)
        writer.member("key", key)
        writer.endObject()
        return writer.bytes
    }
}
