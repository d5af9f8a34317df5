/// What the mock provider does with one call.
public struct MockBehaviour: Sendable, Hashable {
    /// How a call ends.
    public enum Outcome: Sendable, Hashable {
        /// 200 and a chat completion.
        case answer
        /// A complete answer with the given status, headers and body.
        case status(MockStatus)
        /// The request is read and never answered; the connection stays open until the client closes it.
        case silence
        /// The connection is reset (RST) before a byte of the answer.
        case resetBeforeHead
        /// The status line and the headers of a 200 are sent, then the connection is reset (RST).
        case resetAfterHead
        /// A 200 whose body stops half way: fewer bytes than `content-length` says, then the connection is closed.
        case truncatedBody
        /// A 200 of the right length whose body is broken JSON.
        case malformedBody
        /// A 200 without a body.
        case emptyBody
        /// A 200 whose body is an error envelope.
        case errorInsideSuccess
        /// A recorded exchange is played: each call takes the next of those whose name the pattern names.
        ///
        /// A pattern is a name, or the beginning of names followed by `*`. See ``MockRecording``.
        case replay(String)
    }

    /// How the call ends.
    public var outcome: Outcome

    /// How long the provider waits before it does anything.
    public var latency: MockLatency

    /// Makes a behaviour; without a latency it acts at once.
    public init(_ outcome: Outcome, latency: MockLatency = .none) {
        self.outcome = outcome
        self.latency = latency
    }

    /// Answers at once.
    public static var ok: MockBehaviour { MockBehaviour(.answer) }

    /// Answers with `code` and a body as the real provider would send it.
    public static func status(_ code: Int, retryAfter: MockRetryAfter? = nil) -> MockBehaviour {
        MockBehaviour(.status(MockStatus(code, retryAfter: retryAfter)))
    }
}

extension MockBehaviour.Outcome {
    /// The word or number under which a call with this outcome is counted in ``MockCounts/statuses``.
    ///
    /// Answers are counted under their HTTP status, all else under the word of the model-name grammar.
    var countedAs: String {
        switch self {
        case .answer: "200"
        case .status(let status): String(status.code)
        case .silence: "silent"
        case .resetBeforeHead: "reset-before"
        case .resetAfterHead: "reset-after-head"
        case .truncatedBody: "truncated"
        case .malformedBody: "malformed"
        case .emptyBody: "empty"
        case .errorInsideSuccess: "error-200"
        // Played exchanges are counted under their status.
        case .replay: "replay"
        }
    }
}
