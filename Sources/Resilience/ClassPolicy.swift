public import BusProtocol

/// The table from class of failure to what follows it. The whole table is policy: each rule may be overridden.
///
/// The defaults are those of the design, section 4, and of the table in the notes on providers, 5.5.
public struct ClassPolicy: Sendable, Hashable {
    private var overrides: [FailureClass: ClassRule]

    /// Makes a policy of the defaults and `overrides`.
    public init(overrides: [FailureClass: ClassRule] = [:]) {
        self.overrides = overrides
    }

    /// The rule for failures of class `failure`.
    public subscript(failure: FailureClass) -> ClassRule {
        get { overrides[failure] ?? Self.defaultRule(for: failure) }
        set { overrides[failure] = newValue }
    }

    /// The rules that differ from the defaults.
    public var overridden: [FailureClass: ClassRule] { overrides }

    /// The rule that holds when nothing is configured.
    public static func defaultRule(for failure: FailureClass) -> ClassRule {
        switch failure {
        case .rateLimited, .overloaded, .serverError, .badGateway, .timeout, .connection, .malformedResponse:
            // Transient (the article's list: 429, 500, 502, 503, 504, broken connections): retry, then the next model.
            // Here `timeout` is one that the provider reports (408, 504, 524); our own timers are `localTimeout`.
            ClassRule(sameModel: .always, nextModel: .always)
        case .localTimeout:
            // The article: a call of ten minutes that ran out is not worth another ten at the same model.
            ClassRule(sameModel: .never, nextModel: .always)
        case .quotaExhausted, .billing, .auth, .permission, .notFound, .noKey:
            // Only another key, project or model helps. The article never retries these; other gateways move on too.
            ClassRule(sameModel: .never, nextModel: .always)
        case .contextLength:
            ClassRule(sameModel: .never, nextModel: .largerWindow)
        case .invalidRequest:
            // Wrong at the primary is wrong everywhere; at a fallback it may only be a parameter that this model
            // does not know, so it must not end a chain that began with a failure worth rescuing.
            ClassRule(sameModel: .never, nextModel: .afterFallback)
        case .contentPolicy:
            // A refusal is an answer: taking the same content to other providers is for the operator to allow.
            ClassRule(sameModel: .never, nextModel: .never)
        case .cancelled, .deadline, .workerLost, .poison, .unknownModel, .shuttingDown:
            // Decided by Understudy about the whole request: nothing follows.
            ClassRule(sameModel: .never, nextModel: .never)
        }
    }

    /// The classes whose rule configuration may not change, because they end the request by definition.
    static let fixed: Set<FailureClass> = [.cancelled, .deadline, .workerLost, .poison, .unknownModel, .shuttingDown]
}
