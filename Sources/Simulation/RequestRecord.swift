import BusProtocol
import CoreTypes
import Dispatch

/// What the referee knows of an accepted request.
final class RequestRecord {
    enum State {
        case queued
        case leased(ConnectionID)
        case ended
    }

    let number: JobNumber
    let key: RequestKey
    let header: RequestHeader
    let body: BodyFacts
    let acceptedAt: Moment
    let expiresAt: Moment
    let ttl: Duration
    let cancelledWith: ConnectionID?
    var state = State.queued
    var deliveries: UInt32 = 0
    /// The current delivery was given a `GO`.
    var isStarted = false
    /// Deliveries that were given a `GO`.
    var paid: [UInt32] = []
    /// Attempts that were given a `GO`, and those that were called.
    var goes: [UInt32] = []
    var calls: [UInt32] = []
    var deaths = 0
    var returns = 0
    /// Who waits for the terminal: attached connections once, lock-step messages each.
    var listeners: [AgentPath] = []
    var endedAt: Moment?
    var isForgotten = false

    init(
        _ number: JobNumber,
        _ key: RequestKey,
        _ header: RequestHeader,
        _ body: BodyFacts,
        path: AgentPath,
        now: Moment
    ) {
        self.number = number
        self.key = key
        self.header = header
        self.body = body
        acceptedAt = now
        expiresAt = now.advanced(by: header.deadline)
        ttl = header.ttl ?? Limits.ttlDefaultMemory
        cancelledWith = header.cancelOnDisconnect ? path.connection : nil
    }

    var isOpen: Bool {
        if case .ended = state { false } else { true }
    }

    var holder: ConnectionID? {
        if case .leased(let connection) = state { connection } else { nil }
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
