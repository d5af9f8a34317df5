import BusProtocol
import CoreTypes

/// An accepted request, from `ACCEPTED` until its terminal is forgotten. A class so that the dispatcher changes it in
/// place; it never leaves the dispatcher.
final class Job {
    /// Where it stands.
    enum Phase {
        /// Waits in the queue under a ticket. To `leased` or `ended`.
        case queued(ticket: UInt64)
        /// A worker has the current delivery; `started` once it got a `GO`. To `queued` or `ended`.
        case leased(WorkerRecord, started: Bool, since: Moment)
        /// Was begun under a broker before this one, and waits for the worker that has it. To `leased`, `queued` or `ended`.
        case orphaned(until: Moment)
        /// Has its terminal. Final.
        case ended(isReply: Bool, FailureClass?)
    }

    /// Which broker accepted it. A delivery that was not begun leaves no mark, and the next broker gives its number again,
    /// to another worker perhaps: numbers of deliveries name one worker for sure only under the broker that accepted.
    enum Origin {
        case thisBroker
        /// The one before this one.
        case lastBroker
        case earlier
    }

    /// A connection that waits for the terminal.
    struct Listener {
        var path: AgentPath
        /// Names the timer of a `GET` with `wait_ms`; 0 for a listener that waits without limit.
        var waitTicket: UInt64
    }

    let number: JobNumber
    let key: RequestKey
    let header: RequestHeader
    /// What `ACCEPTED` promises.
    let durability: RequestHeader.Durability
    let body: BodyFacts
    let acceptedAt: Moment
    let expiresAt: Moment
    /// How long the terminal waits for its `ACK`.
    let ttl: Duration
    /// The connection that sent `REQUEST`; fairness is between these. Nil after a restart.
    let connection: ConnectionID?
    /// The same, when its end means cancel.
    let cancelledWith: ConnectionID?

    /// Set when it is restored.
    var origin = Origin.thisBroker
    var phase: Phase
    var listeners: [Listener] = []
    var deliveries: UInt32 = 0
    /// The deliveries that got a `GO`, oldest first.
    var paid: [UInt32] = []
    var attempts: UInt32 = 0
    var lastAttempt: UInt32 = 0
    var deaths = 0
    var returns = 0
    var firstDeliveredAt: Moment?
    var lost: [LostDelivery] = []
    /// The writes that its `ACCEPTED` and its terminal rest on; 0 in memory.
    var acceptTicket: JournalTicket = 0
    var endTicket: JournalTicket = 0
    /// The attempt that waits for its write before it gets its `GO`.
    var pendingStart: DeliveryKey?

    init(
        number: JobNumber,
        key: RequestKey,
        header: RequestHeader,
        body: BodyFacts,
        durability: RequestHeader.Durability,
        acceptedAt: Moment,
        expiresAt: Moment,
        ttl: Duration,
        connection: ConnectionID?
    ) {
        self.number = number
        self.key = key
        self.header = header
        self.body = body
        self.durability = durability
        self.acceptedAt = acceptedAt
        self.expiresAt = expiresAt
        self.ttl = ttl
        self.connection = connection
        cancelledWith = header.cancelOnDisconnect ? connection : nil
        phase = .queued(ticket: 0)
    }

    var paidDeliveries: UInt32 { UInt32(paid.count) }

    var isOpen: Bool {
        if case .ended = phase { return false }
        return true
    }

    /// Time from acceptance to the first delivery, or to `now` if there was none.
    func waited(now: Moment) -> Duration { acceptedAt.duration(to: firstDeliveredAt ?? now) }
}
