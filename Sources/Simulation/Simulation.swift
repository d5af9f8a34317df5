/// One play of the bus in virtual time: agents, workers and providers round the real dispatcher, job store and engine,
/// with crashes, losses and delays, all from one seed. The same seed is the same play on every machine.
public struct Simulation: Sendable {
    /// A broken rule.
    public struct Violation: Sendable, Hashable {
        /// The rule.
        public var invariant: String
        /// What was seen.
        public var message: String
    }

    /// The seed.
    public let seed: UInt64
    /// The first rule that was broken; nil when all held to the end.
    public let violation: Violation?
    /// Hash over every event and effect; equal for equal plays.
    public let hash: UInt64
    /// What was played.
    public let statistics: SimulationStatistics
    /// A line for each event, effect and fault; empty unless asked for.
    public let trace: [String]

    /// Plays `seed` to its end or to the first broken rule.
    ///
    /// - Parameter tracing: Whether ``trace`` is wanted; it changes nothing else.
    public init(seed: UInt64, tracing: Bool = false) {
        let world = World(seed: seed, tracing: tracing)
        world.play()
        self.seed = seed
        violation = world.referee.violation
        hash = world.trace.hash
        statistics = world.statistics
        trace = world.trace.lines
        world.takeApart()
    }
}
