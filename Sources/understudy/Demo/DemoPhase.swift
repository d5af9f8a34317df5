import Configuration
import Resilience
import Telemetry

/// One playing of the day.
struct DemoPhase: Sendable {
    /// What stands above its column.
    var title: String
    /// The configuration of the bus.
    var settings: Settings
    /// What the article's table shows.
    var expected: Figures

    /// The figures of the article.
    struct Figures: Hashable, Sendable {
        var totalTasks: Int
        var completed: Int
        var failed: Int
        /// Tenths of a percent.
        var successPermille: Int?
        var llmLevelFailures: Int
        /// The article says "about 180".
        var llmCalls: Int

        /// The figures of a column of a report.
        init(_ column: Report.Column) {
            totalTasks = column.totalTasks
            completed = column.completed
            failed = column.failed
            successPermille = column.successPermille
            llmLevelFailures = column.llmLevelFailures
            llmCalls = column.llmCalls
        }

        private init(completed: Int, failed: Int, successPermille: Int, llmLevelFailures: Int) {
            totalTasks = 169
            self.completed = completed
            self.failed = failed
            self.successPermille = successPermille
            self.llmLevelFailures = llmLevelFailures
            llmCalls = 180
        }

        /// The day before: "several" of the failures by models are all but the one application error.
        static let before = Figures(completed: 156, failed: 13, successPermille: 923, llmLevelFailures: 12)
        /// The same day with the article's policy.
        static let after = Figures(completed: 168, failed: 1, successPermille: 994, llmLevelFailures: 0)
    }

    /// Both phases in their order. No configuration of the user's: the day is the same everywhere.
    static var all: [DemoPhase] {
        var single = Settings()
        single.policy.attemptsPerModel = 1
        single.fallbackModels = []
        return [
            DemoPhase(title: "one attempt", settings: single, expected: .before),
            DemoPhase(title: "retry + fallback", settings: Settings(), expected: .after),
        ]
    }
}
