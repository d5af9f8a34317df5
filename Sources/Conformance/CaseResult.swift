/// A case as a list shows it.
public struct CaseOutline: Sendable, Hashable {
    /// The number in `protocol/conformance.md`.
    public var number: String
    /// The rule, said of the peer.
    public var rule: String
    /// False for a rule that is advised only.
    public var isRequired: Bool
}

/// What came of a case.
public enum CaseVerdict: String, Sendable, Hashable {
    /// The peer kept the rule.
    case passed
    /// The peer broke it.
    case failed
    /// It could not be seen here.
    case skipped
}

/// A case that was played.
public struct CaseResult: Sendable, Hashable {
    /// Which case.
    public var outline: CaseOutline
    /// What came of it.
    public var verdict: CaseVerdict
    /// What was expected and what was found, or why it was skipped; empty when the rule was kept.
    public var detail: String
    /// The last messages of the exchange in decoded form, oldest first; empty unless the rule was broken.
    public var exchange: [String]
    /// How long it took.
    public var duration: Duration
}

/// What a peer can be examined as.
public enum PeerRole: String, Sendable, Hashable, CaseIterable {
    /// Keeps requests and hands them out.
    case broker
    /// Calls models.
    case worker
    /// Asks, over REQ or any socket that sends an envelope.
    case lockStepAgent = "agent"
    /// Asks, over DEALER.
    case fullAgent = "full agent"
}

/// Why an examination could not be held at all.
public struct ConformanceError: Error, Sendable, CustomStringConvertible {
    /// The kind of trouble.
    public struct Code: Sendable, Hashable {
        let name: String

        /// The peer cannot be reached, or does not answer.
        public static let unreachable = Code(name: "unreachable")
        /// Something is there that would take part in the exchanges, or the arguments do not fit.
        public static let unsuitable = Code(name: "unsuitable")
        /// The system refused something.
        public static let system = Code(name: "system")
        /// The user gave up.
        public static let stopped = Code(name: "stopped")
    }

    /// The kind of trouble.
    public var code: Code
    /// What is wrong and what to do.
    public var message: String

    public var description: String { message }

    init(_ code: Code, _ message: String) {
        self.code = code
        self.message = message
    }
}
