import ArgumentParser
import CoreTypes
import EventLoop
import UnderstudyClient
import ZeroMQ

/// `understudy status`: how the broker is.
struct StatusCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "status",
        abstract: "Show how the broker is: queues, workers, what is in flight, what was rejected.",
        discussion: """
            Asks the broker itself, so it tells how things are now; "understudy report" tells how they were. With \
            --watch it goes on: at a terminal over the last picture, elsewhere below it; while there is no broker it \
            says so and waits. Ends with 3 when no broker answers, with 0 on Ctrl-C.

            Examples:
              understudy status
              understudy status --watch 1
              understudy status --json | jq '.workers[] | [.name, .held, .capacity]'
            """
    )

    /// Longest wait for an answer.
    static let patience: Duration = .seconds(5)
    static let intervals: ClosedRange<Double> = 0.1...3600

    @OptionGroup var common: CommonOptions

    @Flag(help: "Also list this user's requests, the newest first; those that ended until their ACK.")
    var requests = false

    @Option(
        name: .long,
        defaultAsFlag: 2,
        help: ArgumentHelp("Ask again every so many seconds.", valueName: "seconds")
    )
    var watch: Double?

    @Flag(help: "Print one JSON object, with --watch one a line.")
    var json = false

    func validate() throws {
        if let watch, !Self.intervals.contains(watch) {
            throw ValidationError("--watch is \(watch); expected seconds, from 0.1 to 3600")
        }
    }

    func run() throws {
        let settings = try common.settings()
        let directory = try common.endpointDirectory(settings)
        let source = StatusSource(directory: directory, withRequests: requests)
        let view = StatusView(source: source, asJSON: json)
        let interval = watch.map { Duration.milliseconds(Int64($0 * 1000)) }
        try ServiceHost.run("status", child: .none) { loop, control in
            control.follow {
                if let interval { try await view.watch(every: interval) } else { try await view.showOnce() }
            }
            if interval == nil {
                loop.schedule(at: loop.now().advanced(by: Self.patience)) {
                    control.end(CommandFailure(.unreachable, StatusView.silence(directory)))
                }
            }
            return { urgency in
                if urgency != .quiet { control.end() }
            }
        }
    }
}
