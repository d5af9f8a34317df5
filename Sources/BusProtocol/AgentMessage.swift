/// A message from an agent to the broker. Body frames stay outside: the broker never reads them.
public enum AgentMessage: Hashable, Sendable {
    /// Optional greeting; answered `WELCOME`.
    case hello(AgentHello)
    /// A request; its body is F4.. of the same message.
    case request(RequestID, RequestHeader)
    /// End the request now.
    case cancel(RequestID)
    /// Give the terminal, or after `wait` the state. An agent without an envelope is attached: the terminal follows.
    case get(RequestID, wait: Duration)
    /// The terminal has arrived and may be forgotten.
    case acknowledge(RequestID)
    /// How an agent's own task ended.
    case task(TaskReport)
    /// Answered `PONG` with the same F2.
    case ping(token: [UInt8])
    /// The connection will close; answered `OK`.
    case bye
}

/// The header of `HELLO`.
public struct AgentHello: Hashable, Sendable {
    /// What the client calls itself; at most 128 bytes.
    public var client: String?

    /// Makes a greeting.
    public init(client: String? = nil) {
        self.client = client
    }
}

/// How a task ended; idempotent per task id.
public struct TaskReport: Hashable, Sendable {
    /// The end of a task.
    public enum Outcome: Hashable, Sendable {
        /// The task was done.
        case completed
        /// It failed in the agent itself.
        case failedInApplication
        /// It failed for want of an answer from a model.
        case failedInLLM
    }

    /// The task's id, same grammar as a request id.
    public var task: RequestID
    /// How it ended.
    public var outcome: Outcome

    /// Makes a report.
    public init(task: RequestID, outcome: Outcome) {
        self.task = task
        self.outcome = outcome
    }
}
