import BusProtocol
import CoreTypes
import Dispatch
import Journal
import Resilience

/// A worker process: its side of the session, as the protocol says, round the real engine.
final class Worker {
    /// Where its session stands.
    enum Phase: Equatable {
        /// `READY` was sent.
        case joining(since: Moment)
        case open(SessionToken)
    }

    let number: Int
    let pid: Int32
    let capacity: Int
    /// Its connection now, from the start on; cut when the play is over, so that nothing holds itself in memory.
    var link: Connection?
    var phase: Phase
    var isAlive = true
    var isDraining = false
    /// Stopped: what happens to it waits in `backlog`.
    var isFrozen = false
    var backlog: [Occurrence] = []
    var received: UInt64 = 0
    var granted: UInt64 = 0
    var beatInterval: Duration = .seconds(1)
    /// What it holds, in the order in which it came.
    var deliveries: [Delivery] = []
    var callLast = 0

    init(number: Int, capacity: Int, now: Moment) {
        self.number = number
        pid = Int32(100 + number)
        self.capacity = capacity
        phase = .joining(since: now)
    }

    var connection: Connection {
        guard let link else { preconditionFailure("\(name) has no connection yet") }
        return link
    }

    var name: String { "w\(number)" }

    var isOpen: Bool {
        if case .open = phase { true } else { false }
    }

    func delivery(_ key: DeliveryKey) -> Delivery? {
        deliveries.first { $0.key == key.wholeDelivery }
    }

    func remove(_ delivery: Delivery) {
        deliveries.removeAll { $0 === delivery }
    }
}

/// A delivery in a worker's hands.
final class Delivery {
    let key: DeliveryKey
    let body: BodyFacts
    var engine: CallEngine
    var watch: CallWatch
    /// Attempt that was asked for and not answered.
    var asked: UInt32?
    /// Last attempt that was begun.
    var lastAttempt: UInt32 = 0
    /// Number of the open call.
    var call: Int?
    /// How the open call will end.
    var callResult: CallInput = .timerFired
    var timerAt: Moment?
    /// Kept until the broker's `ACK`.
    var terminal: StoredTerminal?

    init(key: DeliveryKey, body: BodyFacts, engine: CallEngine) {
        self.key = key
        self.body = body
        self.engine = engine
        watch = CallWatch(engine)
    }

    var held: WorkerReady.Held {
        WorkerReady.Held(
            key: DeliveryKey(job: key.job, delivery: key.delivery, attempt: lastAttempt),
            bodyHash: body.hash,
            state: terminal != nil ? .finished : lastAttempt > 0 ? .calling : .waiting
        )
    }
}
