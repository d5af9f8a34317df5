/// The table of tasks and calls: what an operator looks at in the morning.
///
/// What is counted, for each column:
///
/// - *Total Tasks*: distinct tasks of a tenant. A request without `task` is a task of its own.
/// - *Completed*, *Failed*: as the agent's `TASK` says. Without one: a task with a request whose terminal is not known
///   is open; otherwise it completed when the request that ended last ended in a `REPLY`, and failed when that one ended
///   in a `FAILURE`. So a task whose first call failed and whose second one went well completed.
/// - *LLM Calls*: requests that were accepted. A rejected one is none, unless it was sent again and accepted.
/// - *LLM-Level Failures*: requests that ended in a `FAILURE` of a provider's or worker's class
///   (`FailureClass.isLLMLevel`). A class that is not known here counts, and so does none at all.
/// - *Attempts*, *Retries*, *Fallbacks*: calls to models; those after which the same model was tried again; those after
///   which the next model was.
/// - *Application Failures*: tasks that failed by `TASK` with `kind` `application`.
///
/// A task counts in one column only. By day that is the day of its first request, or of its `TASK` when it has none; by
/// model or provider it is the one of its request that ended last, or of its first request when none has ended. Requests
/// count on the day they were accepted, under the model that answered or else the primary model; attempts on the day
/// they ended, under their own model.
public struct Report: Hashable, Sendable {
    /// What the columns stand for.
    public enum Columns: Hashable, Sendable {
        /// UTC days, the earliest first.
        case day
        /// Models as the chain names them (`provider/model`), those with the most calls first.
        case model
        /// Providers, those with the most calls first.
        case provider
        /// Lives of brokers under titles of the caller's, in this order. Other brokers' events do not count, and a task
        /// counts once in each column that it occurs in.
        case epochs([EpochColumn])
    }

    /// A column made of the events of certain brokers.
    public struct EpochColumn: Hashable, Sendable {
        /// What stands above the column.
        public var title: String
        /// Starts of the brokers in Unix milliseconds.
        public var epochs: [UInt64]

        /// Makes a column.
        public init(title: String, epochs: [UInt64]) {
            self.title = title
            self.epochs = epochs
        }
    }

    /// What is counted at all.
    public struct Filter: Hashable, Sendable {
        /// Requests accepted from here on, in Unix milliseconds; nil for all.
        public var since: Int64?
        /// Requests accepted before this, in Unix milliseconds; nil for all.
        public var until: Int64?
        /// Tenants, such as `uid-1000`; empty for all.
        public var tenants: [String]
        /// Starts of brokers in Unix milliseconds; empty for all.
        public var epochs: [UInt64]

        /// Makes a filter; without arguments it lets everything through.
        public init(since: Int64? = nil, until: Int64? = nil, tenants: [String] = [], epochs: [UInt64] = []) {
            self.since = since
            self.until = until
            self.tenants = tenants
            self.epochs = epochs
        }
    }

    /// One column of figures.
    public struct Column: Hashable, Sendable {
        /// The day, model, provider or title.
        public var title: String
        /// Distinct tasks.
        public var totalTasks = 0
        /// Tasks that completed.
        public var completed = 0
        /// Tasks that failed.
        public var failed = 0
        /// Tasks whose end is not known.
        public var open: Int { totalTasks - completed - failed }
        /// Requests accepted.
        public var llmCalls = 0
        /// Requests that a provider or worker failed.
        public var llmLevelFailures = 0
        /// Calls to models.
        public var attempts = 0
        /// Attempts after which the same model was tried again.
        public var retries = 0
        /// Attempts after which the next model was tried.
        public var fallbacks = 0
        /// Tasks that failed by the agent's own fault.
        public var applicationFailures = 0
        /// Requests that were not accepted.
        public var rejected = 0

        /// Completed tasks in tenths of a percent of all tasks, rounded; nil without tasks.
        public var successPermille: Int? {
            totalTasks == 0 ? nil : (completed * 2000 + totalTasks) / (2 * totalTasks)
        }

        /// An empty column.
        public init(title: String) {
            self.title = title
        }
    }

    /// Events that never reached the database, of the classes that are counted here.
    public struct Gaps: Hashable, Sendable {
        /// Runs of missing events.
        public var count = 0
        /// Missing events.
        public var events = 0

        /// No gap.
        public init() {}
    }

    /// The title of what has no model or provider.
    public static let noTitle = "(none)"
    /// The title that takes the rest when there are more columns than ``columnCountMax``.
    public static let restTitle = "(other)"
    /// Columns of a report; requests may name any model, so there must be an end.
    public static let columnCountMax = 1000

    /// What the columns stand for.
    public var by: Columns
    /// The columns in their order.
    public var columns: [Column]
    /// What is missing. The figures may be low by so many events.
    public var gaps: Gaps
}
