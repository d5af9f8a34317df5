import JSON
import Testing

@testable import Telemetry

struct ReportOutputTests {
    private func column(_ title: String) -> Report.Column {
        var column = Report.Column(title: title)
        column.totalTasks = 169
        column.completed = 156
        column.failed = 13
        column.llmCalls = 180
        column.llmLevelFailures = 12
        column.attempts = 181
        column.retries = 1
        column.applicationFailures = 1
        return column
    }

    @Test func peopleGetATable() {
        let report = Report(
            by: .epochs([]),
            columns: [column("without"), column("with fallback")],
            gaps: Report.Gaps()
        )
        #expect(
            report.text() == """
                Run                   without  with fallback
                Total Tasks               169            169
                Completed                 156            156
                Failed                     13             13
                Success Rate           92.3 %         92.3 %
                LLM Calls                 180            180
                LLM-Level Failures         12             12

                Attempts                  181            181
                Retries                     1              1
                Fallbacks                   0              0
                Application Failures        1              1

                """
        )
    }

    @Test func openAndRejectedAreShownWhenThereAreAny() {
        var one = column("2026-02-15")
        one.totalTasks = 171
        one.rejected = 4
        let text = Report(by: .day, columns: [one], gaps: Report.Gaps()).text()
        #expect(text.contains("\nOpen                           2\n"))
        #expect(text.contains("\nRejected                       4\n"))
    }

    @Test func manyColumnsWrapOverBlocks() {
        let columns = (0..<23).map { column(UTCDay(number: 20_000 + $0).description) }
        let report = Report(by: .day, columns: columns, gaps: Report.Gaps())
        for width in [80, 120, 10] {
            let lines = report.text(width: width).split(separator: "\n", omittingEmptySubsequences: false)
            let limit = max(width, "Application Failures".count + 2 + 10)
            #expect(lines.allSatisfy { $0.count <= limit && $0.last != " " })
            let heads = lines.filter { $0.hasPrefix("Day (UTC)") }
            let titles = heads.flatMap { $0.split(separator: " ").dropFirst(2).map(String.init) }
            #expect(titles == columns.map(\.title), "width \(width)")
        }
    }

    @Test func strangeTitlesCannotSpoilTheTable() {
        let long = String(repeating: "x", count: 200)
        let report = Report(
            by: .model,
            columns: [column(long), column("a\u{1B}[2Jb\nc")],
            gaps: Report.Gaps()
        )
        let lines = report.text().split(separator: "\n")
        #expect(lines.allSatisfy { $0.count <= 80 })
        #expect(lines.first?.contains("xxx...xxx") == true && lines.first?.hasSuffix("a?[2Jb?c") == true)
    }

    @Test func withoutColumnsTheTextSaysSo() {
        #expect(Report(by: .day, columns: [], gaps: Report.Gaps()).text() == "No tasks yet.\n")
    }

    @Test func programsGetStableKeys() throws {
        let report = Report(
            by: .day,
            columns: [column("2026-02-15"), Report.Column(title: "a\"b")],
            gaps: Report.Gaps()
        )
        let text = String(decoding: report.json(), as: UTF8.self)
        let first =
            #"{"title":"2026-02-15","total_tasks":169,"completed":156,"failed":13,"open":0,"success_rate":92.3,"#
            + #""llm_calls":180,"llm_level_failures":12,"attempts":181,"retries":1,"fallbacks":0,"#
            + #""application_failures":1,"rejected":0}"#
        #expect(text.hasPrefix(#"{"by":"day","columns":["# + first + ","))
        #expect(text.hasSuffix(#""gaps":{"count":0,"events":0}}"#))
        let second = try JSONValue(parsing: text)["columns"]?[1]
        #expect(second?["title"]?.stringValue == "a\"b")
        #expect(second?["success_rate"] == .null)
    }

    @Test(
        arguments: [(0, 0, "-"), (1, 3, "33.3 %"), (2, 3, "66.7 %"), (169, 169, "100.0 %"), (168, 169, "99.4 %")]
            as [(Int, Int, String)]
    )
    func theRateHasOneDecimal(completed: Int, total: Int, text: String) {
        var column = Report.Column(title: "t")
        column.totalTasks = total
        column.completed = completed
        #expect(column.successRateText == text)
    }
}
