import Configuration
import CoreTypes
import EventLoop
import Glibc
import HTTPTransport
import JSON
import ZeroMQ

/// Tortures a bus of real processes with agents of real processes. Lives on the loop of its host, as the bus does.
actor TortureStage {
    /// What is to be done.
    struct Plan: Sendable {
        var seed: UInt64
        var duration: Duration
        /// Kills after which it is enough; nil for time alone.
        var killsMax: Int?
        var victims: [FaultPlan.Victim]
        var workers = 4
        var swiftAgents = 3
        /// Python agents, when there is an interpreter with pyzmq.
        var pythonAgents = 2
    }

    /// What came of it.
    struct Outcome {
        var verdict: TortureVerdict
        var strikes: TortureVerdict.Strikes
        var recovery: RecoveryTimes
        /// Whether Python agents took part.
        var hadPython: Bool
        /// Set when something else than the verdict went wrong.
        var trouble: String?
    }

    private struct Agent {
        let log: String
        let isPython: Bool
        var process: ChildProcess?
        var seed: UInt64
    }

    /// How long agents may take to end when nothing strikes any more: their longest deadline and the graces.
    private static let endPatience: Duration = .seconds(180)
    /// Leases shorter than the longest freeze, so that some of the frozen are taken for dead.
    private static let settings = """
        {"policy": {"backoff_base": "5ms", "backoff_cap": "20ms"},
         "bus": {"lease": "2s", "beat": "200ms", "orphan": "3s", "drain": "10s"}}
        """

    private nonisolated let loop: EventLoop
    private let plan: Plan
    private let directory: DemoDirectory
    private let environment: [String: String]
    private var faults: FaultPlan
    private var bus: Bus?
    private var agents: [Agent] = []
    private var strikes = TortureVerdict.Strikes()
    private var isEnding = false
    private var isInterrupted = false
    /// Agents that end are not followed by others any more.
    private var isGivenUp = false
    private var trouble: String?
    private var lines: [String] = []

    /// Runs on the loop's thread.
    nonisolated var unownedExecutor: UnownedSerialExecutor { unsafe loop.asUnownedSerialExecutor() }

    init(loop: EventLoop, plan: Plan, directory: DemoDirectory, environment: [String: String]) {
        self.loop = loop
        self.plan = plan
        self.directory = directory
        self.environment = environment.filter { !$0.key.hasPrefix("UNDERSTUDY_") }
        faults = FaultPlan(seed: plan.seed, victims: plan.victims)
    }

    /// Ends the torture early, with its verdict.
    nonisolated func stop() {
        loop.execute { self.assumeIsolated { $0.isInterrupted = true } }
    }

    /// Plays it all.
    func play() async throws -> Outcome {
        let file = try directory.write(Array(Self.settings.utf8), to: "understudy.json")
        let (reports, reporter) = AsyncStream.makeStream(of: Bus.Report.self)
        var life = reports.makeAsyncIterator()
        let bus = Bus(
            loop: loop,
            configuration: Bus.Configuration(
                settings: try SettingsLoader().load(path: file),
                directory: directory.endpoints,
                workers: plan.workers,
                isMocked: true,
                script: nil,
                environment: environment,
                executable: "/proc/self/exe",
                backoffCap: .milliseconds(200)
            )
        ) { report in
            switch report {
            case .line(let source, let text): self.keep("\(source) | \(text)")
            case .ready: reporter.yield(report)
            case .finished:
                reporter.yield(report)
                reporter.finish()
            }
        }
        self.bus = bus
        bus.start()
        guard case .ready = await life.next() else { throw failure("the bus did not start") }
        let context = try Context()
        let watch = try await BusWatch(loop: loop, directory: directory.endpoints, context: context)
        let hadPython = plan.pythonAgents > 0 && Self.hasPython()
        let script = try directory.write(Array(PythonAgent.source.utf8), to: "agent.py")
        for number in 1...(plan.swiftAgents + (hadPython ? plan.pythonAgents : 0)) {
            agents.append(
                Agent(
                    log: "\(directory.path)/agent-\(number).log",
                    isPython: number > plan.swiftAgents,
                    seed: plan.seed &+ UInt64(number)
                )
            )
            startAgent(agents.count - 1, script: script)
        }

        await strike(watch, script: script)
        isEnding = true
        let isOver = await endAgents()
        let calls = try await mockCounts(port: bus.mockPort)
        let records = agents.flatMap { AgentLog.records(AgentLog.read($0.log)) }
        if !isOver { trouble = "agents had no end of their requests within \(Self.endPatience)" }
        await watch.close()
        bus.stop()
        while await life.next() != nil {}
        self.bus = nil
        return Outcome(
            verdict: TortureVerdict(records, calls: calls),
            strikes: strikes,
            recovery: watch.times,
            hadPython: hadPython,
            trouble: trouble
        )
    }

    /// The last lines that the bus printed.
    var lastLines: [String] { lines }

    // MARK: Faults

    private func strike(_ watch: BusWatch, script: String) async {
        let end = loop.now().advanced(by: plan.duration)
        var shown = Moment.zero
        while loop.now() < end, !isInterrupted, trouble == nil, strikes.killCount < plan.killsMax ?? .max {
            let next = faults.next()
            try? await Task.sleep(for: next.pause)
            perform(next, watch)
            if Console.error.isTerminal, shown.duration(to: loop.now()) > .milliseconds(500) {
                shown = loop.now()
                let left = max(0, loop.now().duration(to: end).wholeMilliseconds / 1000)
                Console.error.write(
                    Array("\r\u{1B}[K\(strikes.killCount) kills, \(strikes.freezes) freezes, \(left) s left".utf8)
                )
            }
        }
        if Console.error.isTerminal { Console.error.write(Array("\r\u{1B}[K".utf8)) }
    }

    private func perform(_ strike: FaultPlan.Strike, _ watch: BusWatch) {
        if case .renewal = strike.fault {
            strikes.renewals += 1
            bus?.renew()
            return
        }
        guard let (pid, name) = target(strike) else { return }
        switch strike.fault {
        case .kill:
            strikes.kills[strike.victim.rawValue, default: 0] += 1
            if strike.victim == .worker { watch.workerKilled(pid) }
            if strike.victim == .broker { watch.brokerKilled(self) }
            kill(pid, SIGKILL)
        case .freeze(let time):
            strikes.freezes += 1
            kill(pid, SIGSTOP)
            loop.schedule(at: loop.now().advanced(by: time)) {
                // The process id may have been given to nobody else: the child is reaped here only.
                // A worker may be an old one by now.
                if self.currentPid(name) == pid || self.currentPid("old \(name)") == pid { kill(pid, SIGCONT) }
            }
        case .drain:
            strikes.drains += 1
            kill(pid, SIGTERM)
        case .renewal:
            break
        }
    }

    private func target(_ strike: FaultPlan.Strike) -> (pid_t, String)? {
        let names: [String] =
            switch strike.victim {
            case .agent: agents.indices.map { "agent.\($0)" }
            case .worker: (1...plan.workers).map { "worker.\($0)" }
            case .broker: ["broker"]
            }
        let alive = names.compactMap { name in currentPid(name).map { ($0, name) } }
        return alive.isEmpty ? nil : alive[Int(strike.lot % UInt64(alive.count))]
    }

    private func currentPid(_ name: String) -> pid_t? {
        if name.hasPrefix("agent."), let index = Int(name.dropFirst(6)) { return agents[index].process?.pid }
        return bus?.processes[name]
    }

    // MARK: Agents

    private func startAgent(_ index: Int, script: String) {
        let agent = agents[index]
        let arguments =
            agent.isPython
            ? ["python3", "-B", script, directory.path, agent.log, "\(agent.seed)"] + (isEnding ? ["finish"] : [])
            : [
                "understudy", "torture-agent", "--directory", directory.path, "--log", agent.log, "--seed",
                "\(agent.seed)", "--parent", "\(getpid())",
            ] + (isEnding ? ["--finish"] : [])
        let command = ChildProcess.Command(
            executable: agent.isPython ? Self.python : "/proc/self/exe",
            arguments: arguments,
            environment: environment
        )
        do {
            agents[index].process = try ChildProcess(loop: loop, command: command) { report in
                switch report {
                case .line(let bytes): self.keep("agent.\(index + 1) | \(String(decoding: bytes, as: UTF8.self))")
                case .ready: break
                case .ended(let ending): self.agentEnded(index, ending, script: script)
                }
            }
        } catch {
            trouble = "an agent could not be started: \(error)"
        }
    }

    private func agentEnded(_ index: Int, _ ending: Supervisor.Ending, script: String) {
        agents[index].process = nil
        if isGivenUp || (ending == .status(0) && isEnding) { return }
        // One that had not begun to listen dies of the wish to stop; its successor does what it left.
        guard ending == .signal(SIGKILL) || (isEnding && ending == .signal(SIGTERM)) else {
            trouble = "agent.\(index + 1) \(ending)"
            return
        }
        agents[index].seed &+= 1000
        startAgent(index, script: script)
    }

    /// Tells the agents to begin nothing new and waits until they know the end of all they began.
    private func endAgents() async -> Bool {
        for agent in agents {
            // Frozen ones too must hear it.
            agent.process?.signal(SIGCONT)
            agent.process?.signal(SIGTERM)
        }
        let until = loop.now().advanced(by: Self.endPatience)
        while agents.contains(where: { $0.process != nil }) {
            guard loop.now() < until, trouble == nil else {
                isGivenUp = true
                for agent in agents { agent.process?.signal(SIGKILL) }
                return trouble != nil
            }
            try? await Task.sleep(for: .milliseconds(20))
        }
        return true
    }

    // MARK: The provider

    private func mockCounts(port: UInt16) async throws -> [String: Int] {
        let client = try HTTPClient(loop: loop)
        var request = HTTPRequest(method: .get, url: "http://127.0.0.1:\(port)/_mock/counts", headers: [], body: .empty)
        request.responseBodyBytesMax = 1 << 30
        let response = try await client.send(request)
        await client.shutDown()
        let limits = JSONLimits(byteCountMax: 1 << 30, memberCountMax: 10_000_000, valueCountMax: 100_000_000)
        let counts = try JSONValue(parsing: response.body, limits: limits)
        var calls: [String: Int] = [:]
        for (key, value) in counts["requests"]?.objectValue ?? JSONObject() {
            // The tenant stands in front of the id.
            let id = key.split(separator: "/").last.map(String.init) ?? key
            calls[id, default: 0] += value.intValue ?? 0
        }
        return calls
    }

    // MARK: Trouble

    private func keep(_ line: String) {
        lines.append(line)
        if lines.count > 200 { lines.removeFirst(100) }
    }

    private func failure(_ text: String) -> CommandFailure {
        CommandFailure(.failed, ([text] + lines.suffix(20)).joined(separator: "\n  "))
    }

    private static let python = "/usr/bin/python3"

    private static func hasPython() -> Bool {
        var pid: pid_t = 0
        let arguments = CStrings(["python3", "-c", "import zmq"])
        guard unsafe posix_spawn(&pid, python, nil, nil, arguments.pointers, environ) == 0 else { return false }
        var status: CInt = 0
        unsafe waitpid(pid, &status, 0)
        return status == 0
    }
}
