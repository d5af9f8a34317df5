import ArgumentParser
import Configuration
import Conformance
import EventLoop
import Synchronization
import ZeroMQ

/// `understudy conform`: whether a broker, a worker or an agent keeps the protocol.
struct ConformCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "conform",
        abstract: "Examine a broker, a worker or an agent of your own against the protocol.",
        discussion: """
            Plays the other side of the bus against one peer, case by case, and says for each numbered rule of \
            protocol/conformance.md whether the peer keeps it. A broken rule is shown with what was expected, what was \
            found, and the messages of the exchange. Rules that are advised only do not count.

            Ends with 0 when no rule is broken, 1 when one is.
            """,
        subcommands: [
            ConformBrokerCommand.self, ConformWorkerCommand.self, ConformAgentCommand.self, PlayWorkerCommand.self,
        ]
    )
}

/// `understudy conform broker`.
struct ConformBrokerCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "broker",
        abstract: "Examine a broker: the tester plays its agents, workers and subscribers.",
        discussion: """
            Starts COMMAND, with these words filled in, also within its arguments:
              {directory}  the directory of the sockets; UNDERSTUDY_DIR says the same
              {config}     an understudy.json with the orphan_ms of --orphan, for Understudy's own broker
            It is stopped by SIGTERM, killed, and started again on what it left. Without COMMAND the broker must run in \
            --directory already, and the cases that stop it are skipped.

            The broker must have no workers: the tester plays them. Its requests are cancelled and acknowledged when it \
            is done.

            Examples:
              understudy conform broker -- understudy broker --config {config} --directory {directory}
              understudy broker --directory /tmp/bus & understudy conform broker --directory /tmp/bus
              understudy conform broker --only B23 --only B24
            """
    )

    @OptionGroup var common: CommonOptions
    @OptionGroup var options: ConformOptions

    @Option(
        help: ArgumentHelp(
            "More malformed messages: a vectors.json of the protocol.",
            discussion: "Default: ./protocol/vectors.json if there is one.",
            valueName: "file"
        ),
        completion: .file(extensions: ["json"]),
        transform: PathOption.readAbsolute
    )
    var vectors: String?

    @Option(
        help: ArgumentHelp("How long COMMAND waits for workers after a restart (orphan_ms).", valueName: "milliseconds")
    )
    var orphan = 10_000

    @Argument(parsing: .postTerminator, help: ArgumentHelp("What starts the broker.", valueName: "command"))
    var command: [String] = []

    func validate() throws {
        guard (100...600_000).contains(orphan) else {
            throw ValidationError("--orphan is \(orphan); expected 100...600000")
        }
    }

    func run() throws {
        if options.list { return options.printList(of: .broker) }
        let program = ["/proc/self/exe", "conform", PlayWorkerCommand.configuration.commandName ?? ""]
        try options.run(.broker(try host(), workerProgram: program, vectors: try vectorText()))
    }

    private func host() throws(CommandFailure) -> Examination.BrokerHost {
        let settings = try common.settings()
        guard !command.isEmpty else { return .running(try common.endpointDirectory(settings)) }
        let directory = common.directory == nil ? nil : try common.endpointDirectory(settings)
        return .started(command: command, directory: directory, orphan: .milliseconds(orphan))
    }

    private func vectorText() throws(CommandFailure) -> [UInt8]? {
        let path = vectors ?? FilePath.absolute("protocol/vectors.json", in: FilePath.workingDirectory())
        do {
            return try SmallFile.read(path, bytesMax: 16 << 20)
        } catch {
            if vectors == nil { return nil }
            throw CommandFailure(error)
        }
    }
}

/// `understudy conform worker`.
struct ConformWorkerCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "worker",
        abstract: "Examine a worker: the tester plays its broker and its provider.",
        discussion: """
            Starts COMMAND for each case, with these words filled in, also within its arguments:
              {directory}  the directory of the sockets; UNDERSTUDY_DIR says the same
              {mock}       base URL of a mock provider with OpenAI's interface; UNDERSTUDY_MOCK_URL says the same
              {config}     an understudy.json that names this provider, for Understudy's own worker
            The worker must call the mock provider for models named mock/..., without a key. It gets SIGTERM in one \
            case. A capacity of 3 to 200 lets all cases be played. Without COMMAND the tester waits in --directory for \
            a worker that connects, and connects again.

            Example:
              understudy conform worker -- understudy worker --capacity 4 --config {config} --directory {directory}
            """
    )

    @OptionGroup var options: ConformOptions

    @Option(
        help: ArgumentHelp("Directory for the sockets (default: a new one).", valueName: "directory"),
        completion: .directory,
        transform: PathOption.readAbsolute
    )
    var directory: String?

    @Option(help: ArgumentHelp("Name of the provider, before the model's /.", valueName: "name"))
    var provider = "mock"

    @Argument(parsing: .postTerminator, help: ArgumentHelp("What starts the worker.", valueName: "command"))
    var command: [String] = []

    func validate() throws {
        guard options.list || !command.isEmpty || directory != nil else {
            throw ValidationError("there is no worker to examine; give -- and its command, or --directory to wait in")
        }
    }

    func run() throws {
        if options.list { return options.printList(of: .worker) }
        do {
            let place = try directory.map { path throws(EndpointError) in
                try EndpointDirectory(path: path)
            }
            try options.run(.worker(command: command, directory: place, provider: provider))
        } catch {
            throw CommandFailure(error)
        }
    }
}

/// `understudy conform agent`.
struct ConformAgentCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "agent",
        abstract: "Examine an agent: the tester plays its broker.",
        discussion: """
            Starts COMMAND submit, with UNDERSTUDY_DIR set, once or more in each case. The program reads the body of a \
            request from standard input, puts it on the bus as a request of its own, waits for what comes of it, and \
            prints: a line with the verb, a blank and the header as JSON (REPLY {"meta":...}); then the body of a REPLY. It \
            may say ERROR for REJECTED. \
            It ends with 0 after a REPLY and with another status after anything else; when it gives up without an \
            answer it prints what it likes. How often it sends, acknowledges and tries again is its own affair: that is \
            what is examined.

            Examples:
              understudy conform agent -- /usr/bin/python3 my_agent.py
              understudy conform agent --full --patience 40 -- ./my-agent
            """
    )

    @OptionGroup var options: ConformOptions

    @Flag(help: "Examine as a full agent (DEALER): cases F instead of L.")
    var full = false

    @Option(help: ArgumentHelp("Longest time that the program waits before it acts by itself.", valueName: "seconds"))
    var patience = 30

    @Argument(parsing: .postTerminator, help: ArgumentHelp("What starts the agent.", valueName: "command"))
    var command: [String] = []

    func validate() throws {
        guard options.list || !command.isEmpty else {
            throw ValidationError("there is no agent to examine; give -- and its command")
        }
        guard (1...3600).contains(patience) else {
            throw ValidationError("--patience is \(patience); expected 1...3600")
        }
    }

    func run() throws {
        if options.list { return options.printList(of: full ? .fullAgent : .lockStepAgent) }
        try options.run(.agent(command: command, isFull: full, patience: .seconds(patience)))
    }
}

/// The worker that a broker's examination kills. Nobody else needs it.
struct PlayWorkerCommand: ParsableCommand {
    static let configuration = CommandConfiguration(commandName: "play-worker", shouldDisplay: false)

    @Option var directory: String
    @Option var until: String

    func run() throws {
        do {
            try VictimWorker.play(directory: try EndpointDirectory(path: directory), until: until) {
                Console.output.line($0)
            }
        } catch {
            throw CommandFailure(error)
        }
    }
}
