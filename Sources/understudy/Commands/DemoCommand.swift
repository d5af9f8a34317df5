import ArgumentParser
import Configuration
import Telemetry

/// `understudy demo`: a day of agents and failing models, without keys or network.
struct DemoCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "demo",
        abstract: "Play a day of 169 agent tasks through failing models, twice: no key, no network.",
        discussion: """
            Starts a mock provider, a broker, a collector and two workers as processes of their own in a temporary \
            directory, and lets agents work through a day in which models fail: first with one attempt and no fallback, \
            then with three attempts a model and two models to fall back to. The figures come from the collector's \
            database. Takes less than a minute and leaves nothing behind.

            Ends with 1 when the figures are not those of the article that Understudy began with.
            """
    )

    func run() throws {
        try ServiceHost.run("demo", child: .none) { loop, control in
            let stage = DemoStage(loop: loop, environment: ProcessEnvironment.current())
            Console.output.line("169 agent tasks, 12 of them with failing models, played twice over the bus:")
            control.follow {
                let phases = DemoPhase.all
                let report = try await stage.play(phases)
                Console.output.line()
                Console.output.write(Array(report.text(width: Console.output.width).utf8))
                Console.output.line()
                try Self.compare(report, phases)
                Self.pointOn()
            }
            return { urgency in
                if urgency != .quiet { stage.stop() }
            }
        }
    }

    /// Says whether the figures are the article's.
    private static func compare(_ report: Report, _ phases: [DemoPhase]) throws(CommandFailure) {
        for (column, phase) in zip(report.columns, phases) {
            let found = DemoPhase.Figures(column)
            guard found == phase.expected, column.open == 0 else {
                throw CommandFailure(
                    .failed,
                    "the figures of \"\(phase.title)\" are not the article's: expected \(phase.expected), found \(found)"
                )
            }
        }
        Console.output.line(
            """
            These are the article's figures. With one attempt 12 tasks fail for want of a model; with retries and \
            fallbacks none does.
            The one task that fails both times has an error of its own, which no bus can mend.
            """
        )
    }

    private static func pointOn() {
        Console.output.line()
        Console.output.line("Next: a bus of your own, without keys,")
        Console.output.line("  " + Console.output.styled("understudy up --mock", .bold))
        Console.output.line("and in another terminal")
        Console.output.line("  " + Console.output.styled("understudy ask \"What is a message bus?\"", .bold))
        Console.output.line("The README shows the same from Python, and with real models.")
    }
}
