import ArgumentParser
import Configuration
import JSON
import ZeroMQ

/// `understudy check`: what the configuration means on this machine.
struct CheckCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "check",
        abstract: "Show what the configuration means here: chain, providers, keys by name, sockets, journal, database.",
        discussion: """
            Loads the configuration as the services do and refuses what they would refuse (exit status 2). Then looks \
            at what they need on this machine. A problem that keeps requests from being answered ends it with exit \
            status 1; a broker that is not running is only noted. Keys are looked for, never shown, never sent.

            Examples:
              understudy check
              understudy check --config config/understudy.json --json | jq .problems
            """
    )

    @OptionGroup var common: CommonOptions

    @Flag(help: "Print one JSON object.")
    var json = false

    func run() throws {
        let settings = try common.settings()
        let report = CheckReport(
            settings: settings,
            directory: try common.endpointDirectory(settings),
            environment: ProcessEnvironment.current()
        )
        let console = Console.output
        if json {
            console.line(report.json.description)
        } else {
            for line in report.text(console) { console.line(line) }
        }
        if !report.problems.isEmpty { throw CommandFailure(.failed) }
    }
}
