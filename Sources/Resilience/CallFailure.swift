public import BusProtocol

/// The end of a request that no model answered.
///
/// Shows the last failure of the primary, for that is the model the agent asked for; `meta.trail` tells of the others.
public struct CallFailure: Sendable, Hashable {
    /// The class that the `FAILURE` carries.
    public var failureClass: FailureClass
    /// What went wrong, for people. May hold what a provider said.
    public var message: String
    /// The model whose failure is shown; nil when no model was called.
    public var model: ModelName?
    /// The HTTP status of the failure that is shown; nil when there is none.
    public var httpStatus: Int?
    /// The provider's error body, shortened; nil when there is none.
    public var providerError: [UInt8]?
    /// The wait that the server named, for an agent that wants to send a new request; nil when none was named.
    public var retryAfter: Duration?
    /// How it came about.
    public var meta: CallMeta

    /// Makes a failure.
    public init(
        _ failureClass: FailureClass,
        message: String,
        model: ModelName? = nil,
        httpStatus: Int? = nil,
        providerError: [UInt8]? = nil,
        retryAfter: Duration? = nil,
        meta: CallMeta
    ) {
        self.failureClass = failureClass
        self.message = message
        self.model = model
        self.httpStatus = httpStatus
        self.providerError = providerError
        self.retryAfter = retryAfter
        self.meta = meta
    }
}
