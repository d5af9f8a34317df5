import ArgumentParser
import Broker
import Configuration
import Dispatch
import EventLoop
import Journal
import ZeroMQ

/// `understudy broker`: takes requests from agents and hands them to workers.
struct BrokerCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "broker",
        abstract: "Take requests from agents and hand them to workers.",
        discussion: """
            Binds agents.sock, workers.sock and telemetry.sock in the directory of the bus, which belongs to one broker \
            at a time. Workers and agents may come before or after it. It never calls a model and needs no key.

            Requests are kept in a journal, journal.sqlite in the directory of the bus: what a broker had accepted when \
            it stopped or was killed, the next one goes on with. Requests that ask for durability memory, and all of a \
            broker without a journal, are kept in memory: what of these is open when it stops ends in FAILURE \
            shutting_down, after a few seconds in which it may still end by itself. A second SIGTERM or Ctrl-C ends at \
            once.

            Example:
              understudy broker --directory /run/user/1000/understudy
            """
    )

    @OptionGroup var common: CommonOptions
    @OptionGroup var log: LogOptions
    @OptionGroup var child: ChildOptions

    @Option(
        help: ArgumentHelp(
            "File of the journal.",
            discussion: "Default: \"bus\".\"journal\" of the configuration, else journal.sqlite in the directory.",
            valueName: "file"
        ),
        completion: .file(),
        transform: PathOption.readAbsolute
    )
    var journal: String?

    @Flag(help: "Keep everything in memory.")
    var noJournal = false

    func validate() throws {
        if journal != nil, noJournal { throw ValidationError("--journal and --no-journal exclude each other") }
    }

    func run() throws {
        let settings = try common.settings()
        let directory = try common.endpointDirectory(settings)
        var brokerSettings = BrokerSettings(directory: directory, dispatch: DispatchConfiguration(settings.bus))
        brokerSettings.journalPath = journal ?? settings.bus.journalPath(inDirectory: directory.path)
        if noJournal { brokerSettings.journalPath = nil }
        brokerSettings.journal.byteCountMax = settings.bus.journalBytesMax
        try ServiceHost.run("broker", child: child.ties, staysUp: true, log: log) { [brokerSettings] loop, control in
            let broker = BrokerService(
                brokerSettings,
                context: try Context(),
                on: loop
            ) { control.log(HumanText.clean($0)) }
            control.follow {
                try await broker.run {
                    control.ready()
                    if !control.isChild {
                        control.say("ready: agents connect to ipc://\(directory.path)/agents.sock")
                    }
                }
            }
            return { urgency in
                switch urgency {
                case .renew: break
                case .quiet: broker.quiesce()
                case .graceful: broker.stop()
                case .now: broker.stopNow()
                }
            }
        }
    }
}

extension DispatchConfiguration {
    /// The dispatcher's part of a configuration file.
    init(_ bus: BusSettings) {
        self.init()
        openRequestsMax = bus.openRequestsMax
        openBytesMax = bus.openBytesMax
        tenantLimits = TenantLimits(bus.tenantLimits)
        tenantOverrides = bus.tenants.mapValues { TenantLimits($0) }
        keptTerminalsMax = bus.keptTerminalsMax
        dedup = bus.dedup
        lease = bus.lease
        beatInterval = bus.beat
        paidDeliveriesMax = UInt32(bus.paidDeliveriesMax)
        deathsMax = bus.deathsMax
        orphanWait = bus.orphan
    }
}

extension TenantLimits {
    /// The limits as a configuration file has them.
    init(_ settings: TenantSettings) {
        self.init(
            openRequestsMax: settings.openRequestsMax,
            openBytesMax: settings.openBytesMax,
            rate: settings.rate.map { Rate(requestsPerSecond: $0.requestsPerSecond, burst: $0.burst) }
        )
    }
}
