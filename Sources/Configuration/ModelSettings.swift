/// What is configured about one model.
public struct ModelSettings: Sendable, Hashable {
    /// Size of its context window in tokens; nil when unknown. A request too long for one model goes on only to models
    /// that are not known to be as small.
    public var contextWindow: Int?
    /// Attempts at this model in place of the policy's; nil for the policy's.
    public var attempts: Int?

    /// Most models in one configuration.
    public static let countMax = 10_000
    /// Range of ``contextWindow``.
    static let contextWindowRange = 1...1_000_000_000
    /// Range of ``attempts``.
    static let attemptsRange = 1...10

    /// Makes the settings of one model; by default nothing is known of it.
    public init(contextWindow: Int? = nil, attempts: Int? = nil) {
        self.contextWindow = contextWindow
        self.attempts = attempts
    }
}
