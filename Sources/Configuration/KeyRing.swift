/// What a worker found where a provider's key should be.
public enum ProviderKey: Sendable, Hashable {
    /// The key; `label` names its source (a variable, a path), is no secret, and is the lane's `key`.
    case present(Secret, label: String)
    /// The provider takes no key.
    case notNeeded
    /// There is no key; `reason` says why and what to do.
    case missing(reason: String)
}

/// The keys of all configured providers. Exists in worker processes only.
public struct KeyRing: Sendable {
    private let keys: [String: ProviderKey]

    /// Reads the key of each provider; a missing one is no error, its provider's models are skipped.
    public init(of settings: Settings, environment: [String: String]) {
        keys = settings.providers.mapValues { $0.key.read(environment: environment) }
    }

    /// The key of the provider named `provider`.
    public subscript(provider: String) -> ProviderKey {
        keys[provider] ?? .missing(reason: "no provider is named \(provider)")
    }
}
