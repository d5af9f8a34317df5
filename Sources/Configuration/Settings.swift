public import Resilience

/// Everything that configuration decides: the article's routing and what `understudy.json` adds to it.
///
/// A value of this type is complete and checked: ranges hold, and every name leads somewhere.
public struct Settings: Sendable, Hashable {
    /// The file these settings were read from, an absolute path; nil for the built-in defaults.
    public var file: String?
    /// The model for requests that name none.
    public var defaultChatModel: String
    /// The models after the primary, for requests that bring no list of their own.
    public var fallbackModels: [String]
    /// True: ``defaultChatModel`` is the primary even when the request names a model.
    public var overrideModel: Bool
    /// The provider of names without a known provider in front; nil for none.
    public var defaultProvider: String?
    /// The providers by name; no others exist.
    public var providers: [String: ProviderSettings]
    /// What is known about models.
    public var models: [ModelName: ModelSettings]
    /// Retries, waits, timers and what follows each class of failure.
    public var policy: RetryPolicy
    /// Broker, workers and sockets.
    public var bus: BusSettings
    /// The collector's database.
    public var telemetry: TelemetrySettings
    /// The mock provider.
    public var mock: MockSettings

    /// Most models of ``fallbackModels``: the primary and they make a chain.
    public static let fallbackCountMax = ModelChain.linkCountMax - 1

    /// The built-in defaults: the article's routing, and the providers that Understudy knows.
    public init() {
        defaultChatModel = "anthropic/claude-opus-4-5"
        fallbackModels = ["openai/gpt-4o", "google/gemini-2.0-flash"]
        overrideModel = false
        providers = ProviderSettings.presets
        models = [:]
        policy = RetryPolicy()
        bus = BusSettings()
        telemetry = TelemetrySettings()
        mock = MockSettings()
    }

    /// How the chain of a request is made.
    public var routing: ModelRouting {
        ModelRouting(
            defaultChatModel: defaultChatModel,
            fallbackModels: fallbackModels,
            overrideModel: overrideModel,
            defaultProvider: defaultProvider,
            providers: Set(providers.keys)
        )
    }

    /// What a worker with the keys `keys` knows of `model`, for ``ModelRouting/chain(requested:fallbacks:facts:)``.
    public func facts(of model: ModelName, keys: KeyRing) -> ModelFacts {
        let known = models[model] ?? ModelSettings()
        let skip: SkipReason? =
            switch keys[model.provider] {
            case .present, .notNeeded: nil
            case .missing: .noKey
            }
        return ModelFacts(skip: skip, contextWindow: known.contextWindow, attemptsMax: known.attempts)
    }

    /// Names of all environment variables that may hold a key; only workers may be given them.
    public var keyVariables: Set<String> {
        Set(providers.values.flatMap(\.key.environmentNames))
    }
}
