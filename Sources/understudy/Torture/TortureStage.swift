import Configuration
import CoreTypes
import EventLoop
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

    struct Agent {
        let log: String
        let isPython: Bool
        var process: ChildProcess?
        var seed: UInt64
    }

    /// How long agents may take to end when nothing strikes any more: their longest deadline and the graces.
    static let endPatience: Duration = .seconds(180)
    /// Leases shorter than the longest freeze, so that some of the frozen are taken for dead.
    private static let settings = """
        {"policy": {"backoff_base": "5ms", "backoff_cap": "20ms"},
         "bus": {"lease": "2s", "beat": "200ms", "orphan": "3s", "drain": "10s"}}
        """

    nonisolated let loop: EventLoop
    let plan: Plan
    let directory: DemoDirectory
    let environment: [String: String]
    var faults: FaultPlan
    private(set) var bus: Bus?
    var agents: [Agent] = []
    var strikes = TortureVerdict.Strikes()
    private(set) var isEnding = false
    private(set) var isInterrupted = false
    /// Agents that end are not followed by others any more.
    var isGivenUp = false
    var trouble: String?
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

    func keep(_ line: String) {
        lines.append(line)
        if lines.count > 200 { lines.removeFirst(100) }
    }

    private func failure(_ text: String) -> CommandFailure {
        CommandFailure(.failed, ([text] + lines.suffix(20)).joined(separator: "\n  "))
    }
}
