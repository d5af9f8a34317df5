import ArgumentParser
import Benchmarks
import EventLoop
import JSON

/// `understudy bench`: measures the bus on this machine.
struct BenchCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "bench",
        abstract: "Measure the bus on this machine: rates, times, processor time, memory.",
        discussion: """
            Starts what it measures as processes of their own in a temporary directory, and leaves nothing behind. \
            Figures are medians, with the least and the greatest behind them. Times of the clock depend on what else \
            the machine does, which is why its load is printed too; processor time and ratios of one run depend on it \
            far less.
            """,
        subcommands: [
            BrokerBenchCommand.self, PathBenchCommand.self, WorkersBenchCommand.self, CollectorBenchCommand.self,
            JournalBenchCommand.self,
        ]
    )
}

/// What every benchmark takes.
struct BenchOptions: ParsableArguments {
    @Option(help: ArgumentHelp("How often to measure everything (default: 5; with --quick 1).", valueName: "count"))
    var repetitions: Int?

    @Flag(help: "Only look whether it works: few requests, figures that mean little.")
    var quick = false

    @Flag(help: "Print one JSON object.")
    var json = false

    /// How often to measure.
    var count: Int { repetitions ?? (quick ? 1 : 5) }

    func validate() throws {
        guard (1...1000).contains(count) else {
            throw ValidationError("--repetitions is \(count); expected 1 to 1000")
        }
    }

    /// Runs a benchmark as a service, so that signals end it and its processes, and prints what it found.
    func run(
        _ measure: @escaping @Sendable (BenchStage, BenchProgress) async throws -> BenchReport
    ) throws(CommandFailure) {
        let isJSON = json
        try ServiceHost.run("bench", child: .none) { loop, control in
            let stage = try BenchStage(loop: loop)
            control.follow {
                let progress = BenchProgress()
                do {
                    let report = try await measure(stage, progress)
                    await stage.close()
                    progress.end()
                    Self.print(report, asJSON: isJSON)
                } catch {
                    await stage.close()
                    progress.end()
                    throw error
                }
            }
            return { urgency in
                guard urgency != .quiet else { return }
                Task {
                    await stage.close()
                    control.end(CommandFailure(.failed, "stopped before the end; nothing was left behind"))
                }
            }
        }
    }

    private static func print(_ report: BenchReport, asJSON: Bool) {
        if asJSON { return Console.output.line(report.json.description) }
        for table in report.tables {
            for line in Console.table(table) { Console.output.line(line) }
            Console.output.line()
        }
        Console.output.line(report.loadLine)
    }
}

/// Tells people at a terminal what is being measured.
struct BenchProgress: Sendable {
    private let console = Console.error

    /// Shows what is being done now.
    func show(_ text: String) {
        if console.isTerminal { console.write(Array("\r\u{1B}[K\(text)".utf8)) }
    }

    /// Leaves the line.
    func end() {
        if console.isTerminal { console.write(Array("\r\u{1B}[K".utf8)) }
    }
}

/// `understudy bench broker`.
struct BrokerBenchCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "broker",
        abstract: "Measure the broker alone, between agents and workers that do next to nothing.",
        discussion: """
            Every request goes through all verbs: REQUEST, ACCEPTED, JOB, START, GO, an EVENT, REPLY, the worker's ACK, \
            CREDIT, REPLY, the agent's ACK, OK; durability memory, and somebody reads all telemetry. Windowed: 256 \
            requests open over 8 connections; lock-step: one at a time. Processor time is that of the broker's process, \
            divided by the requests and by the messages that it received or sent, telemetry included.

            \(Rival.help)

            Examples:
              understudy bench broker
              understudy bench broker --against ../shared/bench/zmq-limit --repetitions 7
            """
    )

    @OptionGroup var options: BenchOptions

    @Option(
        help: ArgumentHelp("Measure another program too, in turns, and print ratios (see above).", valueName: "command")
    )
    var against: String?

    func run() throws {
        let bench = BrokerBench(repetitions: options.count, isQuick: options.quick, against: against)
        try options.run { try await bench.run($0, $1) }
    }
}

/// `understudy bench path`.
struct PathBenchCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "path",
        abstract: "Measure the whole path: agents, broker, two workers, mock provider and back, with a collector.",
        discussion: """
            At fixed rates, whatever becomes of the requests before: the times from the moment a request was due. With \
            many requests in flight, always at the same rate, because the provider takes longer: processor time of \
            each, and the memory that the broker and the workers have grown by.
            """
    )

    @OptionGroup var options: BenchOptions

    @Option(
        name: .customLong("rate"),
        help: ArgumentHelp("Requests a second; may be given several times.", valueName: "count")
    )
    var rates: [Double] = []

    @Option(help: ArgumentHelp("Requests a second while many are in flight.", valueName: "count"))
    var flightRate: Double = 1000

    func validate() throws {
        for rate in rates + [flightRate] where !(1...100_000).contains(rate) {
            throw ValidationError("a rate is \(rate); expected 1 to 100000")
        }
    }

    func run() throws {
        let bench = PathBench(
            repetitions: options.count,
            isQuick: options.quick,
            flightRate: flightRate,
            rates: rates.isEmpty ? (options.quick ? [100] : [100, 500, 1000]) : rates
        )
        try options.run { try await bench.run($0, $1) }
    }
}

/// `understudy bench workers`.
struct WorkersBenchCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "workers",
        abstract: "Measure the same load on 1, 2, 4, 8 and 16 worker processes.",
        discussion: "256 requests open at a time; the mock provider answers each after 20 ms."
    )

    @OptionGroup var options: BenchOptions

    func run() throws {
        let bench = WorkersBench(repetitions: options.count, isQuick: options.quick)
        try options.run { try await bench.run($0, $1) }
    }
}

/// `understudy bench collector`.
struct CollectorBenchCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "collector",
        abstract: "Measure whether the collector keeps up with many events.",
        discussion: "Publishes made-up events in the broker's place for ten seconds and counts what is in the database."
    )

    @OptionGroup var options: BenchOptions

    @Option(help: ArgumentHelp("Events a second.", valueName: "count"))
    var rate: Double = 20_000

    func validate() throws {
        guard (1...1_000_000).contains(rate) else { throw ValidationError("--rate is \(rate); expected 1 to 1000000") }
    }

    func run() throws {
        let bench = CollectorBench(repetitions: options.count, isQuick: options.quick, rate: rate)
        try options.run { try await bench.run($0, $1) }
    }
}
