/// The models that one request may be answered by, in the order in which they are tried.
public struct ModelChain: Sendable, Hashable {
    /// One model of the chain.
    public struct Link: Sendable, Hashable {
        /// The model.
        public var name: ModelName
        /// What is known of the model.
        public var facts: ModelFacts

        /// Makes a link.
        public init(_ name: ModelName, facts: ModelFacts = ModelFacts()) {
            self.name = name
            self.facts = facts
        }
    }

    /// The models in order; the first is the primary. Never empty, without repeats, at most ``linkCountMax``.
    public let links: [Link]

    /// Most models in a chain.
    public static let linkCountMax = 16

    /// Makes a chain; a model that occurs again is left out.
    ///
    /// - Throws: `unknown_model` when `links` is empty, `chain_too_long` when it has more than ``linkCountMax`` models.
    public init(_ links: [Link]) throws(ResilienceError) {
        var seen = Set<ModelName>()
        let distinct = links.filter { seen.insert($0.name).inserted }
        guard !distinct.isEmpty else {
            throw ResilienceError(code: .unknownModel, message: "the chain has no model; expected at least one")
        }
        guard distinct.count <= Self.linkCountMax else {
            throw ResilienceError(
                code: .chainTooLong,
                message: "the chain has \(distinct.count) models; expected at most \(Self.linkCountMax)"
            )
        }
        self.links = distinct
    }

    /// The model that is tried first.
    public var primary: ModelName { links[0].name }
}

/// What configuration knows of a model when a chain is made.
public struct ModelFacts: Sendable, Hashable {
    /// Why the model cannot be called now; nil when it can.
    public var skip: SkipReason?
    /// Size of the context window in tokens; nil when unknown.
    public var contextWindow: Int?
    /// Attempts at this model, in place of ``RetryPolicy/attemptsPerModel``; nil for no override.
    public var attemptsMax: Int?

    /// Makes the facts; by default nothing is known and the model can be called.
    public init(skip: SkipReason? = nil, contextWindow: Int? = nil, attemptsMax: Int? = nil) {
        self.skip = skip
        self.contextWindow = contextWindow
        self.attemptsMax = attemptsMax
    }
}

/// Why a model of the chain was passed over without an attempt. The raw value stands in the trail.
public enum SkipReason: String, Sendable, Hashable, CaseIterable {
    /// Its provider has no key.
    case noKey = "no_key"
    /// Its name leads to no provider.
    case unknownModel = "unknown_model"
    /// Its context window is known to be no larger than that of the model the request was too long for.
    case contextWindow = "context_window"
    /// The broker named a wait for its lane that is beyond the cap or the deadline.
    case laneWait = "lane_wait"
}
