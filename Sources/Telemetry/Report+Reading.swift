import SQLite

extension Report {
    /// Adds up the events in `database`, at one moment of it, while a collector may write on.
    ///
    /// - Parameters:
    ///   - columns: What the columns stand for.
    ///   - filter: What is counted. A task that began before `since` counts with its later requests.
    /// - Throws: ``TelemetryError`` `store`.
    public init(
        reading database: TelemetryDatabase,
        by columns: Columns,
        filter: Filter = Filter()
    ) throws(TelemetryError) {
        self = try database.query { () throws(SQLiteError) in
            let reading = ReportReading(connection: database.connection, by: columns, filter: filter)
            // One transaction, so that the queries see the same state.
            try database.connection.execute("BEGIN")
            defer { database.connection.rollback() }
            var aggregator = ReportAggregator(by: columns)
            try reading.addTasks(to: &aggregator)
            try reading.addAttempts(to: &aggregator)
            try reading.addRejections(to: &aggregator)
            return Report(by: columns, columns: aggregator.finish(), gaps: try reading.gaps())
        }
    }
}

/// The queries of a report. SQL filters, sorts and groups; ``ReportAggregator`` counts.
private struct ReportReading {
    let connection: Connection
    let by: Report.Columns
    let filter: Report.Filter

    /// Requests and reports, those of a task together. `r` marks a request that is a task of its own.
    func addTasks(to aggregator: inout ReportAggregator) throws(SQLiteError) {
        let requests = condition(time: "r.accepted_ms", prefix: "r.", hasTenant: true)
        let before = condition(time: nil, prefix: "t.", hasTenant: true)
        let alone = condition(time: "t.time_ms", prefix: "t.", hasTenant: true)
        let ofTask =
            "SELECT 1 FROM request r WHERE r.tenant = t.tenant AND r.task = t.task AND r.outcome IS NOT 'moved'"
        let select = try prepare(
            """
            SELECT tenant, CASE WHEN task IS NULL THEN 'r' || number ELSE 't' || task END AS key, 0 AS kind, epoch,
                accepted_ms AS time, ended_ms, outcome, class, model, resolved_model, provider
            FROM request r WHERE outcome IS NOT 'moved' AND \(requests)
            UNION ALL
            SELECT tenant, 't' || task, 1, epoch, time_ms, NULL, outcome, kind, NULL, NULL, NULL
            FROM task t WHERE \(before)
                AND (EXISTS (\(ofTask) AND \(requests)) OR (\(alone) AND NOT EXISTS (\(ofTask))))
            ORDER BY tenant, key, kind, time
            """
        )
        while try select.step() {
            let epoch = UInt64(clamping: select.integer(3))
            if select.integer(2) == 0 {
                aggregator.add(
                    ReportAggregator.Request(
                        tenant: select.text(0),
                        taskKey: select.text(1),
                        epoch: epoch,
                        acceptedMilliseconds: select.integer(4),
                        endedMilliseconds: select.optionalInteger(5),
                        outcome: select.optionalText(6),
                        failureClass: select.optionalText(7),
                        model: select.optionalText(8),
                        resolvedModel: select.optionalText(9),
                        provider: select.optionalText(10)
                    )
                )
            } else {
                let isCompleted = select.text(6) == "completed"
                aggregator.add(
                    ReportAggregator.Task(
                        tenant: select.text(0),
                        taskKey: select.text(1),
                        epoch: epoch,
                        milliseconds: select.integer(4),
                        isCompleted: isCompleted,
                        isApplicationFailure: !isCompleted && select.text(7) == "application"
                    )
                )
            }
        }
    }

    func addAttempts(to aggregator: inout ReportAggregator) throws(SQLiteError) {
        let select = try prepare(
            """
            SELECT \(group(model: "model", provider: "provider")), count(*), sum(next IS 'retry'), sum(next IS 'fallback')
            FROM attempt WHERE \(condition(time: "time_ms", prefix: "", hasTenant: true)) GROUP BY 1
            """
        )
        while try select.step() {
            var sum = ReportAggregator.Sum(group: groupValue(select))
            sum.attempts = Int(select.integer(1))
            sum.retries = Int(select.integer(2))
            sum.fallbacks = Int(select.integer(3))
            aggregator.add(sum)
        }
    }

    /// Rejected requests never got as far as a model, so they have no column by model or provider.
    func addRejections(to aggregator: inout ReportAggregator) throws(SQLiteError) {
        switch by {
        case .model, .provider: return
        case .day, .epochs: break
        }
        let select = try prepare(
            """
            SELECT \(group(model: "NULL", provider: "NULL")), count(*) FROM rejection
            WHERE \(condition(time: "time_ms", prefix: "", hasTenant: true)) GROUP BY 1
            """
        )
        while try select.step() {
            var sum = ReportAggregator.Sum(group: groupValue(select))
            sum.rejected = Int(select.integer(1))
            aggregator.add(sum)
        }
    }

    func gaps() throws(SQLiteError) -> Report.Gaps {
        let select = try connection.prepare(
            """
            SELECT count(*), total(last - first + 1) FROM gap
            WHERE class IN ('request', 'attempt', 'task') AND \(condition(time: "time_ms", prefix: "", hasTenant: false))
            """
        )
        var gaps = Report.Gaps()
        if try select.step() {
            gaps.count = Int(select.integer(0))
            // `total` gives a number with a fraction, which cannot overflow.
            gaps.events = Int(exactly: select.real(1).rounded()) ?? .max
        }
        return gaps
    }

    private func group(model: String, provider: String) -> String {
        switch by {
        case .day: "time_ms / \(UTCDay.milliseconds) - (time_ms < 0 AND time_ms % \(UTCDay.milliseconds) != 0)"
        case .model: model
        case .provider: provider
        case .epochs: "epoch"
        }
    }

    private func groupValue(_ row: Statement) -> ReportAggregator.Sum.Group {
        switch by {
        case .day: .day(UTCDay(number: row.integer(0)))
        case .model, .provider: .title(row.optionalText(0))
        case .epochs: .epoch(UInt64(clamping: row.integer(0)))
        }
    }

    private func condition(time: String?, prefix: String, hasTenant: Bool) -> String {
        var parts = ["1"]
        if let time, let since = filter.since { parts.append("\(time) >= \(since)") }
        if let time, let until = filter.until { parts.append("\(time) < \(until)") }
        if hasTenant, !filter.tenants.isEmpty {
            let list = filter.tenants.indices.map { "?\($0 + 1)" }.joined(separator: ", ")
            parts.append("\(prefix)tenant IN (\(list))")
        }
        if !filter.epochs.isEmpty { parts.append("\(prefix)epoch IN (\(numbers(filter.epochs)))") }
        if case .epochs(let columns) = by {
            parts.append("\(prefix)epoch IN (\(numbers(columns.flatMap(\.epochs))))")
        }
        return parts.joined(separator: " AND ")
    }

    private func numbers(_ epochs: [UInt64]) -> String {
        epochs.map { String(Int64(clamping: $0)) }.joined(separator: ", ")
    }

    /// A query whose condition names tenants; they are its only parameters.
    private func prepare(_ sql: String) throws(SQLiteError) -> Statement {
        let statement = try connection.prepare(sql)
        try statement.bind(filter.tenants.map(Value.text))
        return statement
    }
}
