import ArgumentParser
import Configuration
import CoreTypes
import EventLoop
import ZeroMQ

/// `understudy up`: a whole bus in the foreground.
struct UpCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "up",
        abstract: "Run a whole bus: a broker, a collector, workers, and with --mock a provider.",
        discussion: """
            Starts each as a process of its own, tells when agents can connect, starts again what dies, and passes on \
            what they print, with the name of the process in front. Only workers are given the variables that hold \
            keys. Ctrl-C or SIGTERM ends it: workers finish what they have, then broker and collector follow; a second \
            one kills. If this process dies, its children die with it.

            SIGHUP (kill -HUP) replaces the processes one after another by new ones of the program as it is on disk \
            then, while the others work on: a worker finishes what it has beside its successor, however long that \
            takes, and the broker's journal keeps what is open. The end of the terminal is no such wish: it ends the \
            bus.

            With --mock every provider of the configuration is answered by a mock provider on this machine, so that \
            the configured chain works without keys; see "understudy mock --help" for model names that fail.

            Examples:
              understudy up --mock
              ANTHROPIC_API_KEY=… OPENAI_API_KEY=… understudy up --workers 4
            """
    )

    @OptionGroup var common: CommonOptions
    @OptionGroup var log: LogOptions

    @Option(help: ArgumentHelp("Worker processes (default: \"bus\".\"workers\", which is 2).", valueName: "number"))
    var workers: Int?

    @Flag(help: "Answer every provider by a mock provider: no keys needed.")
    var mock = false

    @Option(
        help: ArgumentHelp("Script file of the mock provider, with --mock.", valueName: "file"),
        completion: .file(extensions: ["json"]),
        transform: PathOption.readAbsolute
    )
    var script: String?

    func validate() throws {
        if let workers, !BusSettings.workersRange.contains(workers) {
            let range = BusSettings.workersRange
            throw ValidationError("--workers is \(workers); expected \(range.lowerBound)...\(range.upperBound)")
        }
        if script != nil, !mock { throw ValidationError("--script is for the mock provider: add --mock") }
    }

    func run() throws {
        let configuration = try busConfiguration()
        try ServiceHost.run("up", child: .none, canRenew: true, staysUp: true, log: log) { loop, control in
            let agents = try configuration.directory.endpoint("agents.sock")
            try configuration.directory.prepare(for: CheckReport.sockets)
            let bus = Bus(loop: loop, configuration: configuration) { report in
                Self.show(report, agents: agents, control)
            }
            if !configuration.isMocked {
                let report = CheckReport(settings: configuration.settings, environment: configuration.environment)
                for text in report.findings(.error) {
                    Self.show(.line(source: "up", text: text), agents: agents, control)
                }
            }
            // Before a new version can take its place.
            _ = ProgramFile.path
            bus.start()
            return { urgency in
                switch urgency {
                case .quiet: break
                case .renew: bus.renew()
                case .graceful, .now: bus.stop()
                }
            }
        }
    }

    private func busConfiguration() throws(CommandFailure) -> Bus.Configuration {
        let settings = try common.settings()
        return Bus.Configuration(
            settings: settings,
            directory: try common.endpointDirectory(settings),
            workers: workers ?? settings.bus.workers,
            isMocked: mock,
            script: script ?? settings.mock.script,
            environment: ProcessEnvironment.current()
        )
    }

    private static func show(_ report: Bus.Report, agents: String, _ control: ServiceControl) {
        switch report {
        case .ready:
            control.say("ready: agents connect to \(agents)")
        case .line(let source, let text):
            let padding = String(repeating: " ", count: max(0, "collector".count - source.count))
            control.log(Console.error.styled(source + padding + " |", .cyan) + " " + text)
        case .finished(let status):
            control.end(status == .ok ? nil : CommandFailure(status))
        }
    }
}
