/// How the chain of a request is made: the article's `routing.json` and what `understudy.json` adds to it.
public struct ModelRouting: Sendable, Hashable {
    /// The model for requests that name none.
    public var defaultChatModel: String?
    /// The models after the primary, for requests that bring no list of their own.
    public var fallbackModels: [String]
    /// True: ``defaultChatModel`` is the primary even when the request names a model, as the article's code does.
    public var overrideModel: Bool
    /// The provider of names without a known provider in front.
    public var defaultProvider: String?
    /// Names of the configured providers.
    public var providers: Set<String>

    /// Makes a routing.
    public init(
        defaultChatModel: String?,
        fallbackModels: [String] = [],
        overrideModel: Bool = false,
        defaultProvider: String? = nil,
        providers: Set<String>
    ) {
        self.defaultChatModel = defaultChatModel
        self.fallbackModels = fallbackModels
        self.overrideModel = overrideModel
        self.defaultProvider = defaultProvider
        self.providers = providers
    }

    /// The provider's model that `text` means; nil when it means none.
    public func name(_ text: String) -> ModelName? {
        ModelName(text, providers: providers, defaultProvider: defaultProvider)
    }

    /// The chain `[primary, *fallbacks]` of a request: blanks are left out, and so are repeats.
    ///
    /// A fallback that leads to no provider becomes a link that is skipped with a trail entry: a typing error in the
    /// last line of a list must not take the request down while the primary works.
    ///
    /// - Parameters:
    ///   - requested: The body's `model`; nil or blank when there is none.
    ///   - fallbacks: The body's `fallback_models`; nil when there is none, empty for no fallback at all.
    ///   - facts: What is known of a model: key, context window, overrides.
    /// - Throws: `unknown_model` when there is no primary or it leads to no provider; `chain_too_long`.
    public func chain(
        requested: String?,
        fallbacks: [String]? = nil,
        facts: (ModelName) -> ModelFacts = { _ in ModelFacts() }
    ) throws(ResilienceError) -> ModelChain {
        let configured = defaultChatModel?.trimmingBlanks() ?? ""
        let asked = requested?.trimmingBlanks() ?? ""
        let primary = overrideModel && !configured.isEmpty || asked.isEmpty ? configured : asked
        guard !primary.isEmpty else {
            throw ResilienceError(
                code: .unknownModel,
                message: "the request names no model and no default_chat_model is configured"
            )
        }
        guard let first = name(primary) else {
            throw ResilienceError(code: .unknownModel, message: explanation(of: primary))
        }
        var links = [ModelChain.Link(first, facts: facts(first))]
        for text in fallbacks ?? fallbackModels {
            let fallback = text.trimmingBlanks()
            guard !fallback.isEmpty else { continue }
            guard links.count <= ModelChain.linkCountMax else { break }
            if let next = name(fallback) {
                if !links.contains(where: { $0.name == next }) { links.append(.init(next, facts: facts(next))) }
            } else {
                let unknown = ModelName(provider: "", model: String(fallback.prefix(64)))
                if !links.contains(where: { $0.name == unknown }) {
                    links.append(.init(unknown, facts: ModelFacts(skip: .unknownModel)))
                }
            }
        }
        return try ModelChain(links)
    }

    /// Why `text` is the name of no model, with what would be.
    private func explanation(of text: String) -> String {
        guard text.utf8.count <= ModelName.textBytesMax else {
            return "the model's name is too long: it has \(text.utf8.count) bytes; expected at most "
                + "\(ModelName.textBytesMax)"
        }
        guard !text.hasControlCharacters else {
            return "the model's name holds a control character: \(text.debugDescription)"
        }
        let known = providers.sorted().joined(separator: ", ")
        return "model \"\(text)\" leads to no provider; expected provider/model with a provider of: \(known)"
    }
}
