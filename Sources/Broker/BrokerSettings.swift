public import Dispatch
public import Journal
public import ZeroMQ

/// What a broker needs to know.
public struct BrokerSettings: Sendable {
    /// Where its sockets are.
    public var directory: EndpointDirectory
    /// Limits and times of the dispatcher; epoch and seed are set by the broker at its start.
    public var dispatch: DispatchConfiguration
    /// How long open requests may still end after a stop, before they end in `FAILURE shutting_down`.
    public var drain: Duration = .seconds(4)
    /// How long a broker that stops leaves its sockets open for agents to read what was sent last. libzmq throws away what
    /// a peer with `ZMQ_IMMEDIATE` 1 has received and not read when the connection ends (`socket_base_t::hiccuped`).
    public var leave: Duration = .milliseconds(250)
    /// Most bytes that wait for one connection whose pipe is full; more is dropped, and fetched again by `GET`.
    public var unsentBytesMax = 16 << 20
    /// The journal's file; nil for a broker that keeps everything in memory.
    public var journalPath: String?
    /// How the journal is kept.
    public var journal = JournalSettings()
    /// Interval of the absolute counters in telemetry.
    public var snapshotInterval: Duration = .seconds(5)

    /// Makes settings with the design's defaults.
    public init(directory: EndpointDirectory, dispatch: DispatchConfiguration = DispatchConfiguration()) {
        self.directory = directory
        self.dispatch = dispatch
    }
}

/// Names of the sockets in the bus directory.
public enum SocketName {
    /// ROUTER for agents.
    public static let agents = "agents.sock"
    /// ROUTER for workers.
    public static let workers = "workers.sock"
    /// XPUB of telemetry.
    public static let telemetry = "telemetry.sock"
    /// All of them.
    public static let all = [telemetry, workers, agents]
}
