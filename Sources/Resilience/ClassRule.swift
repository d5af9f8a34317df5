/// What follows a failure of one class.
public struct ClassRule: Sendable, Hashable {
    /// When the identical request goes to the same model again.
    public enum SameModel: String, Sendable, Hashable, CaseIterable {
        /// Never.
        case never
        /// Only when the failure itself says that another try is worth it.
        case advised
        /// Unless the failure itself says that another try is useless.
        case always
    }

    /// When the chain moves on to the next model.
    public enum NextModel: String, Sendable, Hashable, CaseIterable {
        /// Never: the request ends.
        case never
        /// Only when the failed model is itself a fallback; a failure of the primary ends the request.
        case afterFallback = "after_fallback"
        /// Only to a model that is not known to have a context window as small as that of the failed one.
        case largerWindow = "larger_window"
        /// Always.
        case always
    }

    /// When the same model is tried again.
    public var sameModel: SameModel
    /// When the chain moves on.
    public var nextModel: NextModel
    /// Most attempts at a model after which this class is still tried again; nil for the policy's.
    public var attemptsMax: Int?

    /// Makes a rule.
    public init(sameModel: SameModel, nextModel: NextModel, attemptsMax: Int? = nil) {
        self.sameModel = sameModel
        self.nextModel = nextModel
        self.attemptsMax = attemptsMax
    }

    /// Makes a rule from the two plain answers of a configuration.
    public init(sameModel: Bool, nextModel: Bool, attemptsMax: Int? = nil) {
        self.init(
            sameModel: sameModel ? .always : .never,
            nextModel: nextModel ? .always : .never,
            attemptsMax: attemptsMax
        )
    }
}
