public import BusProtocol

/// How the broker, the workers and the sockets between them are set up.
public struct BusSettings: Sendable, Hashable {
    /// Directory of the sockets, an absolute path; nil for `$UNDERSTUDY_DIR`, `$XDG_RUNTIME_DIR/understudy` or
    /// `/tmp/understudy-<uid>`.
    public var directory: String?
    /// Worker processes that `understudy up` starts. 1...64, default 2.
    public var workers = 2
    /// Requests that one worker holds at a time; also its ceiling of connections to one host. Default 1000.
    public var workerCapacity = 1000
    /// How long a worker that was told to stop may finish what it has. At most 1 h, default 30 s.
    public var drain: Duration = .seconds(30)
    /// Most requests without a terminal; further ones are rejected. Default 100,000.
    public var openRequestsMax = 100_000
    /// Most body bytes of requests without a terminal. Default 1 GiB.
    public var openBytesMax = 1 << 30
    /// What one tenant may have, unless it has an entry in ``tenants``. Default: no limit but those of the broker.
    public var tenantLimits = TenantSettings()
    /// What single tenants may have instead of ``tenantLimits``. Default: none. At most 1000.
    public var tenants: [Tenant: TenantSettings] = [:]
    /// Most terminals kept for their `ACK`. Default 1,000,000.
    public var keptTerminalsMax = 1_000_000
    /// How long an id stays known after its terminal went. 1 h...30 d, default 1 h.
    public var dedup: Duration = .seconds(3600)
    /// Silence after which a worker is taken for lost. 300 ms...10 min, default 15 s.
    public var lease: Duration = .seconds(15)
    /// Time between two signs of life. 100 ms to 60 s and at most a third of the lease, default 1 s.
    public var beat: Duration = .seconds(1)
    /// Paid deliveries of one request with `on_loss` `retry`. 1...10, default 2.
    public var paidDeliveriesMax = 2
    /// Deaths of workers holding the same request that end it as `poison`. 1...10, default 3.
    public var deathsMax = 3

    /// Range of ``workers``, for other places that take the number.
    public static let workersRange = 1...64
    /// Range of ``workerCapacity``, for other places that take the number.
    public static let workerCapacityRange = 1...Limits.workerCapacityMax

    /// Whether the broker keeps a journal, so that requests outlive it. Default true.
    public var isJournalled = true
    /// The journal's file, an absolute path; nil for `journal.sqlite` in the directory of the sockets.
    public var journal: String?
    /// Size of the journal from which on new requests are rejected. Default 4 GiB.
    public var journalBytesMax = 4 << 30
    /// How long a request that was begun waits, after a restart of the broker, for the worker that has it. 100 ms...10 min,
    /// default 10 s.
    public var orphan: Duration = .seconds(10)

    /// The journal's path when the sockets are in `directory`; nil for a broker without a journal.
    public func journalPath(inDirectory directory: String) -> String? {
        isJournalled ? journal ?? "\(directory)/journal.sqlite" : nil
    }

    static let journalBytesRange = (64 << 20)...(1 << 44)
    static let orphanRange: ClosedRange<Duration> = .milliseconds(100) ... .seconds(600)
    static let drainRange: ClosedRange<Duration> = .zero ... .seconds(3600)
    static let openRequestsRange = 1...10_000_000
    static let openBytesRange = (16 << 20)...(1 << 40)
    static let tenantCountMax = 1000
    static let keptTerminalsRange = 1...100_000_000
    static let dedupRange: ClosedRange<Duration> = .seconds(3600) ... .seconds(30 * 86_400)
    static let leaseRange: ClosedRange<Duration> = .milliseconds(300) ... .seconds(600)
    static let beatRange: ClosedRange<Duration> = .milliseconds(100) ... .seconds(60)
    static let deliveriesRange = 1...10

    /// The defaults.
    public init() {}
}
