/// Absolute counts since the broker's start, and the sizes of the moment.
public struct Counters: Hashable, Sendable {
    /// Requests accepted.
    public var accepted: UInt64 = 0
    /// Requests not taken.
    public var rejected: UInt64 = 0
    /// Requests that ended in `REPLY`.
    public var replied: UInt64 = 0
    /// Requests that ended in `FAILURE`.
    public var failed: UInt64 = 0
    /// `JOB`s sent.
    public var deliveries: UInt64 = 0
    /// `GO`s given.
    public var goes: UInt64 = 0
    /// `NOGO`s given.
    public var noGoes: UInt64 = 0
    /// Deliveries that were lost with their worker.
    public var lostDeliveries: UInt64 = 0
    /// Terminals that came too late.
    public var lateTerminals: UInt64 = 0
    /// Requests that wait for a worker now.
    public var queued = 0
    /// Requests that a worker has now.
    public var leased = 0
    /// Requests that wait for the worker of a broker before this one.
    public var orphaned = 0
    /// Requests without a terminal now that would not survive the broker.
    public var openInMemory = 0
    /// Terminals kept for their `ACK` now.
    public var kept = 0
    /// Tenants with open requests now.
    public var tenants = 0
    /// Body bytes of open requests now.
    public var openBytes = 0

    /// All zero.
    public init() {}

    /// Requests without a terminal now.
    public var open: Int { queued + leased + orphaned }
}
