/// A message from a worker to the broker. Headers of terminals, bodies and records stay outside: they are forwarded unread.
public enum WorkerMessage: Hashable, Sendable {
    /// Opens a session, or opens it anew; answered `WELCOME`.
    case ready(WorkerReady)
    /// How many `JOB`s the worker takes in this session, counted from its `READY`.
    case credit(grantedTotal: UInt64)
    /// The worker wants to begin this attempt; answered `GO` or `NOGO`. The lane is kept as the header's raw JSON.
    case start(DeliveryKey)
    /// A piece of a stream.
    case chunk(DeliveryKey)
    /// The delivery's `REPLY` (F3 header, F4 record, F5.. body).
    case reply(DeliveryKey)
    /// The delivery's `FAILURE` (F3 header, F4 record).
    case failure(DeliveryKey)
    /// The worker gives the delivery back without having begun a call.
    case returned(DeliveryKey, reason: ReturnReason)
    /// Still alive.
    case beat(WorkerBeat)
    /// Telemetry of the worker: F2 is the event class, F3 the JSON to publish.
    case event(EventClass)
    /// The worker leaves; it holds nothing any more.
    case bye
}

/// Why a delivery comes back unstarted.
public enum ReturnReason: String, Sendable, Hashable, CaseIterable {
    /// The worker takes no new work.
    case draining
    /// The worker has no room after all.
    case full
    /// The answer to its `START` was `NOGO`.
    case noGo = "nogo"
}

/// The header of `READY`.
public struct WorkerReady: Hashable, Sendable {
    /// A delivery that the worker still has from before.
    public struct Held: Hashable, Sendable {
        /// How far it is.
        public enum State: String, Sendable, Hashable, CaseIterable {
            /// No call has begun.
            case waiting
            /// A call has begun.
            case calling
            /// The terminal is ready and not yet acknowledged.
            case finished
        }

        /// The delivery; its attempt is the last one begun.
        public var key: DeliveryKey
        /// Hash of the request's body.
        public var bodyHash: BodyHash
        /// How far it is.
        public var state: State

        /// Makes an entry.
        public init(key: DeliveryKey, bodyHash: BodyHash, state: State) {
            self.key = key
            self.bodyHash = bodyHash
            self.state = state
        }
    }

    /// The worker's name for people; at most 128 bytes.
    public var name: String
    /// The worker's process id, for people; the broker trusts only the socket's.
    public var pid: Int32
    /// Most requests at once, 1 to 100,000.
    public var capacity: Int
    /// What it still has from before.
    public var held: [Held]

    /// Makes a READY.
    public init(name: String, pid: Int32, capacity: Int, held: [Held] = []) {
        self.name = name
        self.pid = pid
        self.capacity = capacity
        self.held = held
    }
}

/// The header of a worker's `BEAT`.
public struct WorkerBeat: Hashable, Sendable {
    /// Deliveries the worker has.
    public var held: Int
    /// How late the worker's loop ran at worst since the last beat.
    public var lag: Duration
    /// Resident memory in KiB.
    public var residentKiB: Int

    /// Makes a beat.
    public init(held: Int, lag: Duration = .zero, residentKiB: Int = 0) {
        self.held = held
        self.lag = lag
        self.residentKiB = residentKiB
    }
}

/// Second part of a telemetry topic, `evt.<class>.`; sequence numbers count per class.
public enum EventClass: String, Sendable, Hashable, CaseIterable {
    /// A request was accepted, rejected, ended.
    case request
    /// An attempt began or ended.
    case attempt
    /// A worker came, left, was lost; a delivery was lost.
    case worker
    /// An agent's report on a task.
    case task
    /// Absolute counters, every 5 s.
    case snapshot
}
