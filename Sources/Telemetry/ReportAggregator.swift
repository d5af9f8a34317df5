import BusProtocol

/// Adds up a report from rows. Pure, and in memory only a column's figures and one task.
///
/// Rows of one task follow each other: tenant and task key tell where the next task begins.
struct ReportAggregator {
    /// A request that was accepted.
    struct Request: Hashable, Sendable {
        var tenant: String
        /// Same for all requests of a task; different for all others of the tenant.
        var taskKey: String
        var epoch: UInt64
        var acceptedMilliseconds: Int64
        var endedMilliseconds: Int64?
        /// `reply`, `failure`, or nil for an open request.
        var outcome: String?
        var failureClass: String?
        var model: String?
        var resolvedModel: String?
        var provider: String?
    }

    /// An agent's report on its task.
    struct Task: Hashable, Sendable {
        var tenant: String
        var taskKey: String
        var epoch: UInt64
        var milliseconds: Int64
        var isCompleted: Bool
        var isApplicationFailure: Bool
    }

    /// Figures that need no task, already added up per value of what the columns stand for.
    struct Sum: Hashable, Sendable {
        enum Group: Hashable, Sendable {
            case day(UTCDay)
            case title(String?)
            case epoch(UInt64)
        }

        var group: Group
        var attempts = 0
        var retries = 0
        var fallbacks = 0
        var rejected = 0
    }

    /// What is known so far of the task whose rows are being read, within one scope: the whole report, or one column
    /// when the columns are epochs.
    private struct TaskFold {
        var firstTime = Int64.max
        var firstColumn: Int
        var lastEnd: (time: Int64, isReply: Bool, column: Int)?
        var hasOpenRequest = false
        var hasRequest = false
        var report: Task?
    }

    private let by: Report.Columns
    private var columns: [Report.Column] = []
    private var positions: [String: Int] = [:]
    private var epochPositions: [UInt64: Int] = [:]
    private var current: (tenant: String, taskKey: String)?
    private var folds: [Int: TaskFold] = [:]

    init(by: Report.Columns) {
        self.by = by
        guard case .epochs(let given) = by else { return }
        for (position, column) in given.enumerated() {
            columns.append(Report.Column(title: column.title))
            for epoch in column.epochs { epochPositions[epoch] = position }
        }
    }

    /// Adds a request; requests of a task come in the order of their acceptance.
    mutating func add(_ request: Request) {
        begin(request.tenant, request.taskKey)
        guard let column = column(of: request) else { return }
        columns[column].llmCalls += 1
        if request.outcome == "failure", FailureClass(rawValue: request.failureClass ?? "")?.isLLMLevel ?? true {
            columns[column].llmLevelFailures += 1
        }
        let scope = scope(column)
        var fold = folds[scope] ?? TaskFold(firstColumn: column)
        if !fold.hasRequest || request.acceptedMilliseconds < fold.firstTime {
            fold.firstTime = request.acceptedMilliseconds
            fold.firstColumn = column
        }
        fold.hasRequest = true
        if let outcome = request.outcome {
            let time = request.endedMilliseconds ?? request.acceptedMilliseconds
            if time >= fold.lastEnd?.time ?? .min { fold.lastEnd = (time, outcome == "reply", column) }
        } else {
            fold.hasOpenRequest = true
        }
        folds[scope] = fold
    }

    /// Adds an agent's report on a task; the latest one of a task stands.
    mutating func add(_ task: Task) {
        begin(task.tenant, task.taskKey)
        guard let column = column(of: task) else { return }
        let scope = scope(column)
        var fold = folds[scope] ?? TaskFold(firstColumn: column)
        if !fold.hasRequest, task.milliseconds < fold.firstTime {
            fold.firstTime = task.milliseconds
            fold.firstColumn = column
        }
        if task.milliseconds >= fold.report?.milliseconds ?? .min { fold.report = task }
        folds[scope] = fold
    }

    /// Adds figures that need no task.
    mutating func add(_ sum: Sum) {
        let column: Int?
        switch sum.group {
        case .day(let day): column = position(day.description)
        case .title(let title): column = position(title ?? Report.noTitle)
        case .epoch(let epoch): column = epochPositions[epoch]
        }
        guard let column else { return }
        columns[column].attempts += sum.attempts
        columns[column].retries += sum.retries
        columns[column].fallbacks += sum.fallbacks
        columns[column].rejected += sum.rejected
    }

    /// The report's columns in their order.
    consuming func finish() -> [Report.Column] {
        settle()
        switch by {
        case .epochs: return columns
        case .day: return columns.sorted { $0.title < $1.title }
        case .model, .provider:
            return columns.sorted { ($1.llmCalls, $1.attempts, $0.title) < ($0.llmCalls, $0.attempts, $1.title) }
        }
    }

    // MARK: One task

    private mutating func begin(_ tenant: String, _ taskKey: String) {
        if let current, current == (tenant, taskKey) { return }
        settle()
        current = (tenant, taskKey)
    }

    /// Counts the task whose rows were read.
    private mutating func settle() {
        for fold in folds.values {
            let column = chosenColumn(fold)
            columns[column].totalTasks += 1
            if let report = fold.report {
                if report.isCompleted { columns[column].completed += 1 } else { columns[column].failed += 1 }
                if report.isApplicationFailure { columns[column].applicationFailures += 1 }
            } else if !fold.hasOpenRequest, let lastEnd = fold.lastEnd {
                if lastEnd.isReply { columns[column].completed += 1 } else { columns[column].failed += 1 }
            }
        }
        folds.removeAll(keepingCapacity: true)
    }

    private func chosenColumn(_ fold: TaskFold) -> Int {
        switch by {
        case .day, .epochs: fold.firstColumn
        case .model, .provider: fold.lastEnd?.column ?? fold.firstColumn
        }
    }

    // MARK: Columns

    private func scope(_ column: Int) -> Int {
        if case .epochs = by { return column }
        return 0
    }

    private mutating func column(of request: Request) -> Int? {
        switch by {
        case .day: position(UTCDay(unixMilliseconds: request.acceptedMilliseconds).description)
        case .model: position(request.resolvedModel ?? request.model ?? Report.noTitle)
        case .provider: position(request.provider ?? Report.noTitle)
        case .epochs: epochPositions[request.epoch]
        }
    }

    private mutating func column(of task: Task) -> Int? {
        // A task with requests counts in a column of theirs, so this one may stay empty and must not be made then.
        switch by {
        case .epochs: epochPositions[task.epoch]
        case .day, .model, .provider:
            if let fold = folds[0] {
                fold.firstColumn
            } else if case .day = by {
                position(UTCDay(unixMilliseconds: task.milliseconds).description)
            } else {
                position(Report.noTitle)
            }
        }
    }

    private mutating func position(_ title: String) -> Int {
        if let position = positions[title] { return position }
        guard columns.count < Report.columnCountMax || title == Report.restTitle else {
            return position(Report.restTitle)
        }
        columns.append(Report.Column(title: title))
        positions[title] = columns.count - 1
        return columns.count - 1
    }
}
