extension Settings {
    /// The name under which a mock provider is a provider of its own.
    public static let mockProvider = "mock"

    /// The same settings with every provider answered by the mock provider at `port` of this machine, without keys.
    ///
    /// The names stay, so that the article's chain works as written; known providers that are not configured are added,
    /// and so is `mock`, which takes names without a provider unless another one does.
    public func answeredByMock(port: UInt16) -> Settings {
        var settings = self
        var names = Set(providers.keys).union(ProviderSettings.presets.keys)
        names.insert(Self.mockProvider)
        settings.providers = [:]
        for name in names {
            guard let baseURL = BaseURL("http://127.0.0.1:\(port)/\(name)/v1") else {
                preconditionFailure("no base URL for provider \(name) at port \(port)")
            }
            settings.providers[name] = ProviderSettings(name: name, baseURL: baseURL, key: .none)
        }
        if settings.defaultProvider == nil { settings.defaultProvider = Self.mockProvider }
        settings.mock.port = port
        return settings
    }
}
