import ArgumentParser
import Configuration
import Telemetry

/// `understudy report`: the table of tasks and calls.
struct ReportCommand: ParsableCommand {
    /// What the columns stand for.
    enum Columns: String, CaseIterable, ExpressibleByArgument {
        case day, model, provider
    }

    static let configuration = CommandConfiguration(
        commandName: "report",
        abstract: "Print the table of tasks and calls from the collector's database.",
        discussion: """
            A task completed or failed as its agent said by TASK, else as its last request ended. LLM-level failures \
            are requests that no model of the chain could answer. A retry is another attempt at the same model, a \
            fallback the step to the next one. Days are UTC.

            Examples:
              understudy report
              understudy report --by model --since 2026-02-15
              understudy report --json | jq '.columns[].success_rate'
            """
    )

    @OptionGroup var common: CommonOptions
    @OptionGroup var location: DatabaseOption

    @Option(help: "What the columns stand for.")
    var by = Columns.day

    @Option(help: ArgumentHelp("First day, UTC.", valueName: "yyyy-mm-dd"))
    var since: String?

    @Option(help: ArgumentHelp("Last day, UTC.", valueName: "yyyy-mm-dd"))
    var until: String?

    @Flag(help: "Print one JSON object.")
    var json = false

    func run() throws {
        let settings = try common.settings()
        let directory = try common.endpointDirectory(settings)
        var filter = Report.Filter()
        filter.since = try since.map { try Self.day($0, "--since") }
        filter.until = try until.map { try Self.day($0, "--until") + UTCDay.milliseconds }
        let columns: Report.Columns =
            switch by {
            case .day: .day
            case .model: .model
            case .provider: .provider
            }
        let report: Report
        do {
            let database = try TelemetryDatabase(path: location.path(settings, directory))
            report = try Report(reading: database, by: columns, filter: filter)
        } catch {
            throw CommandFailure(error)
        }
        if json {
            Console.output.write(report.json() + [UInt8(ascii: "\n")])
        } else {
            Console.output.write(Array(report.text(width: Console.output.width).utf8))
        }
    }

    /// The start of the day that `text` names, in Unix milliseconds.
    private static func day(_ text: String, _ option: String) throws(CommandFailure) -> Int64 {
        guard let day = UTCDay(text) else {
            throw CommandFailure(.usage, "\(option) is \"\(text)\"; expected a day such as 2026-02-15")
        }
        return day.startMilliseconds
    }
}
