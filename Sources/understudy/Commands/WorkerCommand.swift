import ArgumentParser
import BusProtocol
import Configuration
import EventLoop
import Glibc
import HTTPTransport
import Worker
import ZeroMQ

/// `understudy worker`: calls models for the broker.
struct WorkerCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "worker",
        abstract: "Call models for the broker: retry, fall back, answer.",
        discussion: """
            Takes requests from the broker in the same directory, as many at a time as \
            "bus"."worker_capacity" says. May be started before the broker, and follows it through restarts. Keys come \
            from the environment or from files, as the configuration says; "understudy check" shows which are found.

            The first SIGTERM or Ctrl-C lets it finish what it has ("bus"."drain"), the second ends it at once; the \
            broker gives what it had to another worker. kill -HUP sets no limit: it takes nothing new and ends when its \
            last call has.

            Example:
              OPENAI_API_KEY=... understudy worker --name night-shift
            """
    )

    @OptionGroup var common: CommonOptions
    @OptionGroup var log: LogOptions
    @OptionGroup var child: ChildOptions

    @Option(help: ArgumentHelp("The worker's name in events (default: worker-<pid>).", valueName: "name"))
    var name: String?

    @Option(help: ArgumentHelp("Requests at a time (default: \"bus\".\"worker_capacity\").", valueName: "count"))
    var capacity: Int?

    func validate() throws {
        if let name, !(1...Limits.peerNameBytesMax).contains(name.utf8.count) {
            throw ValidationError("--name has \(name.utf8.count) bytes; expected 1 to \(Limits.peerNameBytesMax)")
        }
        if let capacity, !BusSettings.workerCapacityRange.contains(capacity) {
            let range = BusSettings.workerCapacityRange
            throw ValidationError("--capacity is \(capacity); expected \(range.lowerBound) to \(range.upperBound)")
        }
    }

    func run() throws {
        HTTPTransport.initializeLibrary()
        var settings = try common.settings()
        if let capacity { settings.bus.workerCapacity = capacity }
        let directory = try common.endpointDirectory(settings)
        let environment = ProcessEnvironment.current()
        var options = WorkerOptions(
            name: name ?? "worker-\(getpid())",
            directory: directory,
            settings: settings,
            keys: KeyRing(of: settings, environment: environment)
        )
        // What is more waits at the broker, where another worker may take it.
        options.capacity = min(options.capacity, CheckReport.workerCapacityMax(fileLimit: highestFileLimit()))
        options.caFile = try Self.caFile(environment)
        let findings = CheckReport(settings: settings, environment: environment).findings(.error)
        try ServiceHost.run("worker", child: child.ties, canRenew: true, staysUp: true, log: log) {
            [options] loop, control in
            // A supervisor has said it once for all workers.
            if !control.isChild { findings.forEach(control.log) }
            let worker = Worker(options, context: try Context(), on: loop) { report in
                switch report {
                case .joined:
                    control.ready()
                    if !control.isChild { control.say("ready: \(options.name) works for \(directory.path)") }
                case .note(let text):
                    control.log(HumanText.clean(text))
                }
            }
            control.follow { try await worker.run() }
            return { urgency in
                switch urgency {
                case .quiet: break
                case .renew: worker.retire()
                case .graceful: worker.drain()
                case .now: worker.stop()
                }
            }
        }
    }

    /// The certificates that `SSL_CERT_FILE` names; nil for the system's. libcurl itself does not look there.
    static func caFile(_ environment: [String: String]) throws(CommandFailure) -> String? {
        guard let path = environment["SSL_CERT_FILE"], !path.isEmpty else { return nil }
        let file = FilePath.absolute(path, in: FilePath.workingDirectory())
        let descriptor = unsafe open(file, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
        defer { close(descriptor) }
        var byte: UInt8 = 0
        // Read, because a directory can be opened, too.
        let count = descriptor < 0 ? -1 : unsafe read(descriptor, &byte, 1)
        guard count > 0 else {
            let reason = count < 0 ? SystemError.last("read").reason : "it is empty"
            throw CommandFailure(
                .usage,
                "SSL_CERT_FILE is \(path), which cannot be read (\(reason)): name a file of PEM certificates, or unset it"
            )
        }
        return file
    }
}
