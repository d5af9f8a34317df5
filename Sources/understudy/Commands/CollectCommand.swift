import ArgumentParser
import Configuration
import EventLoop
import Telemetry
import ZeroMQ

/// `understudy collect`: keeps the broker's events in a database.
struct CollectCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "collect",
        abstract: "Keep the broker's events in a SQLite database, for \"understudy report\".",
        discussion: """
            Subscribes to telemetry.sock and writes what comes, until it is stopped; then it takes what is still on its \
            way and commits. May be started before the broker, and goes on when the broker is started again. What it \
            missed it marks as a gap. One database has one collector.

            Example:
              understudy collect --database /var/lib/understudy/telemetry.sqlite
            """
    )

    @OptionGroup var common: CommonOptions
    @OptionGroup var location: DatabaseOption
    @OptionGroup var log: LogOptions
    @OptionGroup var child: ChildOptions

    func run() throws {
        let settings = try common.settings()
        let directory = try common.endpointDirectory(settings)
        let database = location.path(settings, directory)
        try ServiceHost.run("collect", child: child.ties, staysUp: true, log: log) { loop, control in
            // The database may lie there, and the broker may come later.
            try directory.prepare(for: ["telemetry.sock"])
            let collector = Collector(
                Collector.Settings(
                    endpoint: try directory.endpoint("telemetry.sock"),
                    databasePath: database,
                    retention: Retention(
                        days: settings.telemetry.retentionDays,
                        rowCountMax: settings.telemetry.rowsMax
                    )
                ),
                context: try Context(),
                on: loop
            )
            control.follow {
                let counts = try await collector.run {
                    control.ready()
                    if !control.isChild { control.say("ready: events of \(directory.path) go to \(database)") }
                }
                if !control.isChild { control.log("\(counts)") }
            }
            return { urgency in
                switch urgency {
                case .quiet, .renew: break
                case .graceful: collector.stop()
                case .now: control.end()
                }
            }
        }
    }
}

/// `--database`.
struct DatabaseOption: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            "The SQLite file.",
            discussion: "Default: \"telemetry\".\"database\" of the configuration, else telemetry.sqlite in the "
                + "directory of the sockets.",
            valueName: "file"
        ),
        completion: .file(),
        transform: PathOption.readAbsolute
    )
    var database: String?

    /// The file's absolute path.
    func path(_ settings: Settings, _ directory: EndpointDirectory) -> String {
        database ?? settings.telemetry.databasePath(inDirectory: directory.path)
    }
}
