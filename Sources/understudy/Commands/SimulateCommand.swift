import ArgumentParser
import JSON
import Simulation

/// `understudy simulate`: seeds against the broker's decisions.
struct SimulateCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "simulate",
        abstract: "Play seeds of agents, workers, providers and faults against the broker's decisions.",
        discussion: """
            Each seed is a play in virtual time: agents that ask, cancel and vanish, workers that crash, freeze and \
            lose what they had sent, providers that fail or fall silent, a broker that stands still or dies between \
            any two effects and comes back, a journal that lags and fails, a wall clock that is set, round the real \
            dispatcher, job store and retry engine; in one play of ten with a journal round the real SQLite file too, \
            whose log is cut anywhere behind the last acknowledged commit when the broker dies. After every event a referee compares what was decided with what \
            the protocol promises: one terminal for each accepted request, over restarts too, nothing told before its \
            commit, no call without a GO, no GO after cancel, expiry or terminal, credit, attempts and paid \
            deliveries in bounds, nothing lost, nobody starved or overtaken more often than is promised.

            A seed that breaks a rule is printed with its last events and ends the command with exit status 1. The \
            same seed plays the same on every machine.

            Examples:
              understudy simulate --seeds 2000
              understudy simulate --seeds 1 --from 4711 --trace
              understudy simulate --seeds 20000 --json | jq .seeds_per_second
            """
    )

    /// Most violations that are printed before the command gives up.
    private static let violationsMax = 10

    @Option(help: ArgumentHelp("How many seeds to play.", valueName: "count"))
    var seeds: UInt64 = 1000

    @Option(help: ArgumentHelp("The first seed.", valueName: "seed"))
    var from: UInt64 = 1

    @Flag(help: "Print every event, effect and fault, not only the last ones of a seed that fails.")
    var trace = false

    @Option(help: ArgumentHelp("How many lines of a failing seed's trace to print.", valueName: "lines"))
    var tail = 60

    @Flag(help: "Print one JSON object.")
    var json = false

    func validate() throws {
        guard seeds >= 1, seeds <= 100_000_000 else {
            throw ValidationError("--seeds is \(seeds); expected 1...100000000")
        }
        guard from <= UInt64.max - seeds else { throw ValidationError("--from is \(from); expected less") }
        guard tail >= 0 else { throw ValidationError("--tail is \(tail); expected 0 or more") }
    }

    func run() throws {
        let clock = ContinuousClock()
        let start = clock.now
        var summary = SimulateSummary(from: from)
        var progressDue = start.advanced(by: .seconds(1))
        for seed in from..<from + seeds {
            let play = Simulation(seed: seed, tracing: trace && !json)
            summary.add(play)
            if trace, !json { show(play, lines: play.trace[...]) }
            if play.violation != nil {
                report(play)
                if summary.violations.count >= Self.violationsMax { break }
            }
            if !json, Console.error.isTerminal, clock.now >= progressDue {
                progressDue = clock.now.advanced(by: .seconds(1))
                summary.elapsed = start.duration(to: clock.now)
                Console.error.line("\(summary.seeds) of \(seeds) seeds, \(summary.rate) a second")
            }
        }
        summary.elapsed = start.duration(to: clock.now)
        if json {
            Console.output.line(summary.json.description)
        } else {
            for line in summary.text { Console.output.line(line) }
        }
        if !summary.violations.isEmpty { throw CommandFailure(.failed) }
    }

    /// Prints what was broken. The seed is played again for its trace: equal seeds are equal plays.
    private func report(_ play: Simulation) {
        guard !json, let violation = play.violation else { return }
        if !trace {
            let again = Simulation(seed: play.seed, tracing: true)
            show(again, lines: again.trace.suffix(tail))
            if again.hash != play.hash {
                Console.output.line("This seed did not repeat itself: a violation of its own.")
            }
        }
        Console.output.line(Console.output.styled("seed \(play.seed): \(violation.invariant)", .red))
        Console.output.line("  \(violation.message)")
        Console.output.line("  again: understudy simulate --seeds 1 --from \(play.seed) --trace")
    }

    private func show(_ play: Simulation, lines: ArraySlice<String>) {
        Console.output.line("seed \(play.seed), the last \(lines.count) lines of its trace, virtual seconds:")
        for line in lines { Console.output.line(line) }
    }
}
