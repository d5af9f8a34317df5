import ArgumentParser
import Configuration
import CoreTypes

/// `understudy torture`: kills, freezes and renews a bus of its own, and counts what was lost.
struct TortureCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "torture",
        abstract: "Kill, freeze and renew a bus of its own under load, and count what was lost: it must be nothing.",
        discussion: """
            Starts a bus with a mock provider and agents in Swift and Python as processes of their own in a temporary \
            directory, and strikes at random: SIGKILL, SIGSTOP, SIGTERM of workers, renewal of everything. Agents write \
            down what was accepted and what they read; killed ones come back as new processes and ask for the rest. In \
            the end every request must have exactly one end, and the provider no call without a GO.

            Ends with 1 when something was lost, changed or called too often; the directory with all logs is kept then.

            Examples:
              understudy torture --minutes 2
              understudy torture --kill broker --seed 7 --kills 100
            """
    )

    @Option(help: ArgumentHelp("How long faults strike.", valueName: "number"))
    var minutes: Double = 1

    @Option(help: ArgumentHelp("Whom they strike, with commas: agent, worker, broker.", valueName: "roles"))
    var kill = "agent,worker,broker"

    @Option(help: ArgumentHelp("Stop after so many kills.", valueName: "number"))
    var kills: Int?

    @Option(help: ArgumentHelp("Seed of the faults (default: a random one).", valueName: "number"))
    var seed: UInt64?

    @Flag(help: "Print JSON.")
    var json = false

    func validate() throws {
        guard minutes > 0, minutes <= 24 * 60 else {
            throw ValidationError("--minutes is \(minutes); expected more than 0 and at most 1440")
        }
        if let kills, kills < 1 { throw ValidationError("--kills is \(kills); expected at least 1") }
        _ = try victims()
    }

    private func victims() throws -> [FaultPlan.Victim] {
        let names = kill.split(separator: ",").map { String($0) }
        let victims = names.compactMap { FaultPlan.Victim(rawValue: $0) }
        guard !victims.isEmpty, victims.count == names.count else {
            throw ValidationError("--kill is \"\(kill)\"; expected some of agent, worker, broker with commas")
        }
        return victims
    }

    func run() throws {
        let seed = seed ?? UInt64.random(in: 0...999_999)
        let environment = ProcessEnvironment.current()
        let directory = try DemoDirectory(parent: environment["TMPDIR"], name: "understudy-torture")
        let plan = TortureStage.Plan(
            seed: seed,
            duration: .milliseconds(Int(minutes * 60_000)),
            killsMax: kills,
            victims: try victims()
        )
        try ServiceHost.run("torture", child: .none) { loop, control in
            let stage = TortureStage(loop: loop, plan: plan, directory: directory, environment: environment)
            control.follow {
                do {
                    let outcome = try await stage.play()
                    try await show(outcome, seed: seed, directory, stage)
                } catch {
                    Console.error.line("the logs are in \(directory.path); the seed was \(seed)")
                    throw error
                }
                directory.remove()
            }
            return { urgency in
                if urgency != .quiet { stage.stop() }
            }
        }
    }

    private func show(
        _ outcome: TortureStage.Outcome,
        seed: UInt64,
        _ directory: DemoDirectory,
        _ stage: TortureStage
    ) async throws {
        if json {
            let text = outcome.verdict.json(outcome.strikes, recovery: outcome.recovery, seed: seed)
            Console.output.write(text + Array("\n".utf8))
        } else {
            if !outcome.hadPython { Console.error.line("no Python agents: /usr/bin/python3 with zmq is missing") }
            Console.output.line("Seed \(seed)")
            Console.output.line(outcome.verdict.text(outcome.strikes, recovery: outcome.recovery))
        }
        if let trouble = outcome.trouble {
            let lines = await stage.lastLines.suffix(20)
            throw CommandFailure(.failed, ([trouble] + lines).joined(separator: "\n  "))
        }
        guard outcome.verdict.isGood else {
            throw CommandFailure(.failed, "the bus broke its word: see the rows that should be 0")
        }
    }
}

/// `understudy torture-agent`: what ``TortureCommand`` starts.
struct TortureAgentCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "torture-agent",
        abstract: "An agent of understudy torture.",
        shouldDisplay: false
    )

    @OptionGroup var common: CommonOptions
    @OptionGroup var child: ChildOptions
    @Option var log: String
    @Option var seed: UInt64
    @Flag var finish = false

    func run() throws {
        let directory = try common.endpointDirectory(Settings())
        try ServiceHost.run("agent", child: child.ties) { [log, seed, finish] loop, control in
            let stop = AgentStop()
            control.follow {
                let agent = try await TortureAgent(directory: directory, log: log, seed: seed, onlyFinishes: finish)
                stop.follow(agent)
                await agent.run()
            }
            return { urgency in
                if urgency != .quiet { stop.now() }
            }
        }
    }
}
