import ArgumentParser
import Broker
import Configuration
import Dispatch
import EventLoop
import ZeroMQ

/// `understudy broker`: takes requests from agents and hands them to workers.
struct BrokerCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "broker",
        abstract: "Take requests from agents and hand them to workers.",
        discussion: """
            Binds agents.sock, workers.sock and telemetry.sock in the directory of the bus, which belongs to one broker \
            at a time. Workers and agents may come before or after it. It never calls a model and needs no key.

            The first SIGTERM or Ctrl-C lets open requests end for a few seconds, and rejects new ones; the second ends \
            at once. Requests are kept in memory: what is open when it stops ends in FAILURE shutting_down.

            Example:
              understudy broker --directory /run/user/1000/understudy
            """
    )

    @OptionGroup var common: CommonOptions
    @OptionGroup var child: ChildOptions

    func run() throws {
        let settings = try common.settings()
        let directory = try common.endpointDirectory(settings)
        try ServiceHost.run("broker", child: child.ties) { loop, control in
            let broker = BrokerService(
                BrokerSettings(directory: directory, dispatch: DispatchConfiguration(settings.bus)),
                context: try Context(),
                on: loop
            ) { Console.error.line($0) }
            control.follow {
                try await broker.run {
                    control.ready()
                    if !control.isChild {
                        Console.output.line("ready: agents connect to ipc://\(directory.path)/agents.sock")
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
        keptTerminalsMax = bus.keptTerminalsMax
        dedup = bus.dedup
        lease = bus.lease
        beatInterval = bus.beat
        paidDeliveriesMax = UInt32(bus.paidDeliveriesMax)
        deathsMax = bus.deathsMax
    }
}
