public import BusProtocol

/// What the dispatcher's decisions depend on.
public struct DispatchConfiguration: Sendable {
    /// Start of the broker in Unix milliseconds.
    public var epoch: Int64 = 0
    /// Seed of session tokens and tie-breaks.
    public var seed: UInt64 = 0
    /// Whether `disk` is offered, and is the default.
    public var hasJournal = false
    /// How long a request that was begun under a broker before this one waits for its worker.
    public var orphanWait: Duration = .seconds(10)
    /// Most requests without a terminal.
    public var openRequestsMax = 100_000
    /// Most body bytes of requests without a terminal.
    public var openBytesMax = 1 << 30
    /// What one tenant may have, unless it has an entry in ``tenantOverrides``.
    public var tenantLimits = TenantLimits()
    /// What single tenants may have instead.
    public var tenantOverrides: [Tenant: TenantLimits] = [:]
    /// Most terminals kept for their `ACK`.
    public var keptTerminalsMax = 1_000_000
    /// Most bytes of terminals kept for their `ACK`.
    public var keptBytesMax = 1 << 30
    /// Most ids remembered after their terminal went; about 70 bytes each.
    public var tombstonesMax = 16_000_000
    /// Most connections that wait for one request.
    public var listenersPerRequestMax = 64
    /// How long an id is remembered after its terminal went: at least an hour, by the protocol.
    public var dedup: Duration = .seconds(3600)
    /// Silence after which a worker is taken for lost.
    public var lease: Duration = .seconds(15)
    /// Interval of `BEAT` in both directions, and of the lease check.
    public var beatInterval: Duration = .seconds(1)
    /// How long after the deadline a worker may still deliver its own account before the broker ends the request.
    public var deadlineGrace: Duration = .seconds(1)
    /// Deliveries of one request that may get a `GO` under `on_loss: retry`.
    public var paidDeliveriesMax: UInt32 = 2
    /// Deaths of workers holding the same request that end it.
    public var deathsMax = 3
    /// Unstarted returns of one request that end it: workers that refuse it for ever must not keep it for ever.
    public var returnsMax = 100
    /// Attempts of one request that may get a `GO`.
    public var attemptsMax: UInt32 = 1000
    /// Share of its capacity that a new worker is given at once, and per second, while others are at full speed.
    public var slowStartShare = 0.1
    /// Wait told with `REJECTED busy`.
    public var busyRetryAfter: Duration = .milliseconds(500)
    /// Wait told with `REJECTED stopping`.
    public var stoppingRetryAfter: Duration = .seconds(2)

    /// The protocol's and the design's defaults.
    public init() {}
}
