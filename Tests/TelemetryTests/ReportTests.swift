import BusProtocol
import JSON
import Testing

@testable import Telemetry

struct ReportTests {
    @Test func theArticlesDayComesOut() throws {
        let file = TemporaryFile()
        let recorder = try Recorder(file.path)
        for number in 1...156 { try recorder.request("good-\(number)", task: "g\(number)") }
        for number in 1...12 {
            try recorder.request("bad-\(number)", task: "b\(number)", outcome: "failure", failure: "overloaded")
        }
        try recorder.request("app", task: "app")
        try recorder.task("app", "failed", kind: "application")
        let report = try recorder.report()
        let column = try #require(report.columns.first)
        #expect(report.columns.count == 1)
        #expect(column.title == "2026-02-15")
        #expect(column.totalTasks == 169 && column.completed == 156 && column.failed == 13 && column.open == 0)
        #expect(column.successRateText == "92.3 %")
        #expect(column.llmCalls == 169 && column.llmLevelFailures == 12 && column.applicationFailures == 1)
        #expect(report.gaps == Report.Gaps())
    }

    // MARK: Tasks

    @Test func aRequestWithoutTaskIsATaskOfItsOwn() throws {
        let file = TemporaryFile()
        let recorder = try Recorder(file.path)
        try recorder.request("same")
        try recorder.request("same")
        try recorder.request("x", task: "same")
        try recorder.request("y", task: "same")
        try recorder.request("z", task: "same", tenant: "uid-2")
        let column = try #require(try recorder.report().columns.first)
        #expect(column.totalTasks == 4 && column.completed == 4 && column.llmCalls == 5)
    }

    @Test(
        arguments: [
            ([], nil, "open"), (["reply"], nil, "completed"), (["failure"], nil, "failed"),
            (["failure", "reply"], nil, "completed"), (["reply", "failure"], nil, "failed"),
            (["reply", "open"], nil, "open"), (["open", "failure"], nil, "open"),
            (["failure"], "completed", "completed"), (["reply"], "failed", "failed"),
            (["open"], "completed", "completed"), ([], "failed", "failed"),
        ] as [([String], String?, String)]
    )
    func aTaskEndsAsItsReportOrElseItsLastRequestSays(ends: [String], report: String?, expected: String) throws {
        let file = TemporaryFile()
        let recorder = try Recorder(file.path)
        try recorder.request("other", outcome: nil)
        for (index, end) in ends.enumerated() {
            try recorder.request("r\(index)", task: "t", outcome: end == "open" ? nil : end, failure: "timeout")
        }
        if let report { try recorder.task("t", report) }
        let column = try #require(try recorder.report().columns.first)
        let hasTask = ends.count > 0 || report != nil
        #expect(column.totalTasks == (hasTask ? 2 : 1))
        #expect(column.completed == (expected == "completed" ? 1 : 0))
        #expect(column.failed == (expected == "failed" ? 1 : 0))
        #expect(column.open == (hasTask && expected == "open" ? 2 : 1))
    }

    @Test func theRequestThatEndedLastDecidesWhenTheyOverlap() {
        var aggregator = ReportAggregator(by: .day)
        for (accepted, ended, outcome): (Int64, Int64, String) in [(1, 100, "reply"), (2, 50, "failure")] {
            aggregator.add(
                ReportAggregator.Request(
                    tenant: "u",
                    taskKey: "t",
                    epoch: 1,
                    acceptedMilliseconds: accepted,
                    endedMilliseconds: ended,
                    outcome: outcome
                )
            )
        }
        #expect(aggregator.finish().map(\.completed) == [1])
    }

    @Test func theLatestReportOnATaskStands() throws {
        let file = TemporaryFile()
        let recorder = try Recorder(file.path)
        try recorder.request("r", task: "t")
        try recorder.task("t", "failed", kind: "application")
        recorder.time += 1
        try recorder.task("t", "completed")
        let column = try #require(try recorder.report().columns.first)
        #expect(column.completed == 1 && column.failed == 0 && column.applicationFailures == 0)
    }

    // MARK: Calls

    @Test(
        arguments: [
            ("overloaded", 1), ("worker_lost", 1), ("deadline", 1), ("brand_new_class", 1), (nil, 1), ("cancelled", 0),
            ("invalid_request", 0), ("unknown_model", 0), ("shutting_down", 0),
        ] as [(String?, Int)]
    )
    func aFailuresClassTellsWhetherItIsTheLLMs(failure: String?, count: Int) throws {
        let file = TemporaryFile()
        let recorder = try Recorder(file.path)
        try recorder.request("r", outcome: "failure", failure: failure)
        let column = try #require(try recorder.report().columns.first)
        #expect(column.llmLevelFailures == count && column.failed == 1)
    }

    @Test func aRejectedRequestIsACallOnlyOnceItIsAccepted() throws {
        let file = TemporaryFile()
        let recorder = try Recorder(file.path)
        try recorder.put(.request, ["event": "request.rejected", "tenant": "uid-1", "id": "r", "code": 429])
        var column = try #require(try recorder.report().columns.first)
        #expect(column.totalTasks == 0 && column.llmCalls == 0 && column.rejected == 1)
        #expect(column.successRateText == "-")
        try recorder.request("r")
        column = try #require(try recorder.report().columns.first)
        #expect(column.totalTasks == 1 && column.llmCalls == 1 && column.rejected == 1)
    }

    @Test func attemptsTellRetriesAndFallbacks() throws {
        let file = TemporaryFile()
        let recorder = try Recorder(file.path)
        try recorder.request("r", resolved: "b/two")
        for next in ["retry", "retry", "fallback"] { try recorder.attempt("r", next: next, failure: "timeout") }
        try recorder.attempt("r", model: "b/two")
        let column = try #require(try recorder.report().columns.first)
        #expect(column.attempts == 4 && column.retries == 2 && column.fallbacks == 1)
        let models = try recorder.report(.model).columns
        #expect(models.map(\.title) == ["b/two", "a/one"])
        #expect(models.map(\.attempts) == [1, 3] && models.map(\.fallbacks) == [0, 1])
        #expect(models.map(\.llmCalls) == [1, 0] && models.map(\.totalTasks) == [1, 0])
    }

    // MARK: Columns

    @Test func aTaskCountsOnTheDayOfItsFirstRequest() throws {
        let file = TemporaryFile()
        let recorder = try Recorder(file.path)
        try recorder.request("r1", task: "t", outcome: "failure", failure: "timeout")
        recorder.time += UTCDay.milliseconds
        try recorder.request("r2", task: "t")
        recorder.time += UTCDay.milliseconds
        try recorder.task("t", "completed")
        let columns = try recorder.report().columns
        #expect(columns.map(\.title) == ["2026-02-15", "2026-02-16"])
        #expect(columns.map(\.totalTasks) == [1, 0] && columns.map(\.completed) == [1, 0])
        #expect(columns.map(\.llmCalls) == [1, 1] && columns.map(\.llmLevelFailures) == [1, 0])
    }

    @Test func theFilterRestrictsTimeTenantAndBroker() throws {
        let file = TemporaryFile()
        do {
            let recorder = try Recorder(file.path, epoch: 1)
            try recorder.request("r1", task: "t")
            try recorder.task("t", "completed")
        }
        let recorder = try Recorder(file.path, epoch: 2)
        recorder.time += UTCDay.milliseconds
        try recorder.request("r2", task: "u", tenant: "it's")
        try recorder.task("u", "failed", kind: "application", tenant: "it's")
        let noon = Recorder.day + UTCDay.milliseconds / 2
        for (filter, title, completed): (Report.Filter, String, Int) in [
            (.init(until: noon), "2026-02-15", 1), (.init(since: noon), "2026-02-16", 0),
            (.init(tenants: ["uid-1"]), "2026-02-15", 1), (.init(tenants: ["it's"]), "2026-02-16", 0),
            (.init(epochs: [1]), "2026-02-15", 1), (.init(epochs: [2]), "2026-02-16", 0),
        ] {
            let columns = try recorder.report(.day, filter).columns
            #expect(columns.map(\.title) == [title], "\(filter)")
            #expect(columns.map(\.totalTasks) == [1] && columns.map(\.completed) == [completed], "\(filter)")
        }
        #expect(try recorder.report(.day, .init(tenants: ["uid-1", "it's"])).columns.count == 2)
        #expect(try recorder.report(.day, .init(tenants: ["nobody"])).columns == [])
    }

    @Test func brokersLivesStandSideBySide() throws {
        let file = TemporaryFile()
        for (epoch, outcome): (UInt64, String) in [(1, "failure"), (2, "reply"), (3, "reply")] {
            let recorder = try Recorder(file.path, epoch: epoch)
            try recorder.request("r", task: "t", outcome: outcome, failure: "timeout")
            try recorder.attempt("r")
            if epoch == 2 { try recorder.task("t", "completed") }
        }
        let report = try Report(
            reading: TelemetryDatabase(path: file.path),
            by: .epochs([.init(title: "without", epochs: [1]), .init(title: "with", epochs: [2])])
        )
        #expect(report.columns.map(\.title) == ["without", "with"])
        #expect(report.columns.map(\.totalTasks) == [1, 1])
        #expect(report.columns.map(\.failed) == [1, 0] && report.columns.map(\.completed) == [0, 1])
        #expect(report.columns.map(\.attempts) == [1, 1])
    }

    @Test func requestsCountUnderTheModelThatAnsweredOrThePrimary() throws {
        let file = TemporaryFile()
        let recorder = try Recorder(file.path)
        try recorder.request("r1", task: "t", outcome: "failure", failure: "timeout", model: "a/one")
        try recorder.request("r2", task: "t", model: "b/two")
        try recorder.request("r3", task: "v", outcome: nil)
        let models = try recorder.report(.model).columns
        #expect(models.map(\.title) == ["(none)", "a/one", "b/two"])
        #expect(models.map(\.totalTasks) == [1, 0, 1] && models.map(\.llmLevelFailures) == [0, 1, 0])
        let providers = try recorder.report(.provider).columns
        #expect(providers.map(\.title) == ["(none)", "a", "b"])
    }

    @Test func theNumberOfColumnsHasAnEnd() {
        var aggregator = ReportAggregator(by: .model)
        for number in 0..<Report.columnCountMax + 50 {
            aggregator.add(ReportAggregator.Sum(group: .title("m\(number)"), attempts: 1))
        }
        let columns = aggregator.finish()
        #expect(columns.count == Report.columnCountMax + 1)
        #expect(columns.first { $0.title == Report.restTitle }?.attempts == 50)
    }

    @Test func missingEventsAreReported() throws {
        let file = TemporaryFile()
        let recorder = try Recorder(file.path)
        try recorder.request("r")
        try recorder.put(.task, ["event": "task.ended", "tenant": "u", "task": "t", "outcome": "failed"], sequence: 4)
        try recorder.put(.worker, ["event": "worker.left", "worker": "w"], sequence: 9)
        let report = try recorder.report()
        #expect(report.gaps.count == 1 && report.gaps.events == 3)
        #expect(report.text().hasSuffix("\nNote: 3 events are missing (1 gap); figures may be too low.\n"))
    }
}
