import BusProtocol
import CoreTypes
import Dispatch

/// What the referee knows of an accepted request.
final class RequestRecord {
    enum State {
        case queued
        case leased(ConnectionID)
        /// Was begun under a broker before this one, and waits for the worker that has it.
        case orphaned(until: Moment)
        case ended
        /// The broker forgot it with its memory, or the journal refused it: as if it had never been.
        case gone
    }

    let number: JobNumber
    let key: RequestKey
    let header: RequestHeader
    let body: BodyFacts
    let durability: RequestHeader.Durability
    let acceptedAt: Moment
    /// The deadline; moved by a restart when the wall clock was.
    var expiresAt: Moment
    let ttl: Duration
    var cancelledWith: ConnectionID?
    /// Told when the state changes.
    var turns: TurnBook?
    var state = State.queued {
        didSet { turns?.moved(self, from: oldValue) }
    }
    var deliveries: UInt32 = 0
    /// The current delivery was given a `GO`.
    var isStarted = false
    /// Deliveries that were given a `GO`.
    var paid: [UInt32] = []
    /// Attempts that were given a `GO`, and those that were called.
    var goes: [DeliveryKey] = []
    var calls: [(key: DeliveryKey, worker: Int)] = []
    /// The last attempt that was given a `GO`, as far as the broker at work knows.
    var attemptLast: UInt32 = 0
    var deaths = 0
    var returns = 0
    /// Who waits for the terminal: attached connections once, lock-step messages each.
    var listeners: [AgentPath] = []
    var endedAt: Moment?
    var isReply = false
    var isForgotten = false

    /// The writes that its `ACCEPTED`, and its terminal rest on, and each `GO`; 0 when it rests on nothing.
    var acceptTicket: JournalTicket = 0
    var endTicket: JournalTicket = 0
    var endWrittenAt: Moment?
    var startTickets: [DeliveryKey: JournalTicket] = [:]
    /// The writes that tell how many workers died with it.
    var deathTickets: [(ticket: JournalTicket, deaths: Int)] = []
    /// How many had died when the broker at work began.
    var deathsBefore = 0
    /// An attempt that waits for its write.
    var pendingStart: (key: DeliveryKey, session: SessionToken)?
    /// Until when its worker had time to come back, if a broker found it begun.
    var orphanedUntil: Moment?
    /// An agent was told that it is kept; an agent or a worker was told how it ended.
    var isPromised = false
    var isEndTold = false

    init(
        _ number: JobNumber,
        _ key: RequestKey,
        _ header: RequestHeader,
        _ body: BodyFacts,
        durability: RequestHeader.Durability,
        path: AgentPath,
        now: Moment
    ) {
        self.number = number
        self.key = key
        self.header = header
        self.body = body
        self.durability = durability
        acceptedAt = now
        expiresAt = now.advanced(by: header.deadline)
        ttl =
            header.ttl
            ?? (durability == .disk && !path.isLockStep ? Limits.ttlDefaultDisk : Limits.ttlDefaultMemory)
        cancelledWith = header.cancelOnDisconnect ? path.connection : nil
    }

    var isOpen: Bool {
        switch state {
        case .queued, .leased, .orphaned: true
        case .ended, .gone: false
        }
    }

    var holder: ConnectionID? {
        if case .leased(let connection) = state { connection } else { nil }
    }

    var isGone: Bool {
        if case .gone = state { true } else { false }
    }

    /// Deliveries that may be given a `GO`.
    var paidMax: Int { header.onLoss == .fail ? 1 : 2 }
}

/// What the referee knows of a worker's connection, as far as the dispatcher was told.
final class Seat {
    let connection: ConnectionID
    /// Nil before `READY` and after the worker was given up.
    var session: SessionToken?
    var name = ""
    var capacity = 0
    var granted: UInt64 = 0
    var sent: UInt64 = 0
    /// Deliveries that take a place in its capacity.
    var held: [DeliveryKey] = []
    var readyAt = Moment.zero
    var leaseUntil = Moment.zero
    var isQuiet = false
    var isDisconnected = false
    var isGone = false
    var isDrainAsked = false
    /// It gave something back for want of room, and gets nothing until it grants anew or the next beat.
    var isFull = false
    /// It was told to send `READY`: what it has is being taken from it.
    var isDismissed = false

    init(_ connection: ConnectionID) { self.connection = connection }

    var isReachable: Bool { !isDisconnected && !isGone }

    var credit: Int {
        guard session != nil, isReachable, !isQuiet else { return 0 }
        return Int(min(granted - sent, UInt64(max(0, capacity - held.count))))
    }

    func release(_ key: DeliveryKey) { held.removeAll { $0 == key.wholeDelivery } }
}
