import ArgumentParser
import BusProtocol
import EventLoop
import Telemetry
import ZeroMQ

/// `understudy tail`: what happens on the bus, as it happens.
struct TailCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "tail",
        abstract: "Show what happens on the bus, as it happens.",
        discussion: """
            Prints the broker's events: requests, attempts, workers, tasks; with the prefix snapshot also the counters \
            that come every 5 s. A prefix is the beginning of an event's name or of a topic; several show more. What \
            was missed is shown as a gap, and a broker that was started again as a restart. Waits for a broker that is \
            not there, and connects again when one has gone; says so on standard error.

            With --json each line is one object: {"topic", "epoch", "seq", "event"}, or {"gap": class, "epoch", \
            "first", "last", "missed"}, or {"restart": true, "epoch", "epoch_before"}. Without a prefix it has the \
            snapshots too. Ends with 0 on Ctrl-C, and when its reader has gone.

            Examples:
              understudy tail
              understudy tail request.ended worker delivery
              understudy tail --json attempt | jq -r '.event["error.type"] // "ok"'
            """
    )

    @OptionGroup var common: CommonOptions

    @Argument(
        help: ArgumentHelp("Beginning of an event's name or topic (default: all events).", valueName: "prefix"),
        completion: .list(EventClass.allCases.map(\.rawValue) + TailFilter.names.map(\.name))
    )
    var prefixes: [String] = []

    @Flag(help: "Print one JSON object a line.")
    var json = false

    func validate() throws {
        for prefix in prefixes where TailFilter([prefix], isForPeople: !json) == nil {
            throw ValidationError("the prefix \"\(prefix)\" fits no event; expected \(TailFilter.expectation)")
        }
    }

    func run() throws {
        let settings = try common.settings()
        let directory = try common.endpointDirectory(settings)
        guard let filter = TailFilter(prefixes, isForPeople: !json) else {
            throw CommandFailure(.usage, "a prefix fits no event; expected \(TailFilter.expectation)")
        }
        let path: String
        do {
            path = try directory.socketPath("telemetry.sock")
        } catch {
            throw CommandFailure(error)
        }
        let asJSON = json
        try ServiceHost.run("tail", child: .none) { loop, control in
            let tail = Tail(path: path, filter: filter, asJSON: asJSON, on: loop) { control.end($0) }
            let feed = try EventFeed(directory: directory, topics: filter.topics, context: try Context(), on: loop) {
                tail.take($0)
            }
            return { urgency in
                if urgency != .quiet { withExtendedLifetime(feed) { control.end() } }
            }
        }
    }
}
