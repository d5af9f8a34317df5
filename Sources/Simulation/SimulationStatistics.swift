/// What was played, added up.
public struct SimulationStatistics: Sendable {
    /// Requests that were accepted.
    public var requests = 0
    /// Calls at providers.
    public var calls = 0
    /// Events that the dispatcher was given.
    public var events = 0
    /// Workers that were killed.
    public var workerCrashes = 0
    /// Agents that were killed.
    public var agentCrashes = 0
    /// Workers that were frozen.
    public var freezes = 0
    /// Times that the broker stood still.
    public var stalls = 0
    /// Brokers that were killed.
    public var brokerCrashes = 0
    /// Commits of the journal, and those that failed.
    public var commits = 0
    public var commitFailures = 0
    /// Plays whose journal was the real store's file, and deaths of brokers at which its log lost something.
    public var diskPlays = 0
    public var logCuts = 0
    /// Connections that a living worker lost.
    public var reconnects = 0
    /// Deliveries while another tenant, or another connection of the same tenant and priority, waited.
    public var contestedTurns = 0
    /// Time that passed in the plays.
    public var virtualTime: Duration = .zero
    /// Terminals by kind, in the order of first sight within a seed and of names when added up.
    public private(set) var terminals: [(kind: String, count: Int)] = []

    /// Nothing.
    public init() {}

    mutating func count(_ kind: String, by count: Int = 1) {
        if let index = terminals.firstIndex(where: { $0.kind == kind }) {
            terminals[index].count += count
        } else {
            terminals.append((kind, count))
            terminals.sort { $0.kind < $1.kind }
        }
    }

    /// Adds those of another seed.
    public mutating func add(_ other: SimulationStatistics) {
        requests += other.requests
        calls += other.calls
        events += other.events
        workerCrashes += other.workerCrashes
        agentCrashes += other.agentCrashes
        freezes += other.freezes
        stalls += other.stalls
        reconnects += other.reconnects
        brokerCrashes += other.brokerCrashes
        commits += other.commits
        diskPlays += other.diskPlays
        logCuts += other.logCuts
        commitFailures += other.commitFailures
        contestedTurns += other.contestedTurns
        virtualTime += other.virtualTime
        for (kind, number) in other.terminals { count(kind, by: number) }
    }
}
