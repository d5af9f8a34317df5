import BusProtocol
import CoreTypes
import Dialects
import Resilience

/// Everything a worker decides: its session with the broker, its credit, its deliveries. Pure: no socket, no clock, no
/// dice but a seeded one. The shell gives inputs and carries out the effects in their order.
///
/// A delivery is kept until the broker has its terminal, through lost connections and brokers that start again.
struct WorkerSession {
    /// Where the session stands.
    enum Phase: Sendable, Hashable {
        /// No connection; next `rejoining`.
        case offline
        /// A `READY` is due as soon as the socket is emptied; what still comes belongs to the past. Next `joining`.
        case rejoining
        /// `READY` was sent; next `open`, or `rejoining` when no answer comes.
        case joining(since: Moment)
        /// Work goes on; next `rejoining`.
        case open(SessionToken)
        /// The worker has left.
        case ended
    }

    /// How long `READY` waits for its `WELCOME` before it is said again.
    static let welcomeWaitMax: Duration = .seconds(5)
    /// Shortest interval of `BEAT`, so that strange numbers in a `WELCOME` make no busy loop.
    private static let beatMin: Duration = .milliseconds(10)

    /// The worker's name for people.
    let name: String
    /// Its process id.
    let pid: Int32
    /// What configuration decides.
    let rules: CallRules
    /// Where the session stands.
    private(set) var phase = Phase.offline
    /// What is held, by key without attempt.
    var deliveries: [DeliveryKey: Delivery] = [:]
    /// True once no new work is wanted any more.
    private(set) var isDraining = false
    var random: SeededGenerator
    /// What the operator was told of providers.
    var troubles = ProviderTroubles()

    var account: CreditAccount
    private var isQuiet = false
    private var beatInterval: Duration = .seconds(1)
    private var lease: Duration
    private var beatAt = Moment.distantFuture
    private var heardAt = Moment.zero
    private var drainUntil = Moment.distantFuture
    private var hasNotedError = false

    /// Begins offline, with nothing held.
    ///
    /// - Parameters:
    ///   - capacity: Most deliveries at once, in `1...Limits.workerCapacityMax`.
    ///   - seed: For the jitter of waits; different in each worker.
    init(name: String, pid: Int32, capacity: Int, rules: CallRules, lease: Duration, seed: UInt64) {
        self.name = name
        self.pid = pid
        self.rules = rules
        self.lease = lease
        account = CreditAccount(capacity: capacity)
        random = SeededGenerator(seed: seed)
    }

    /// Most deliveries at once.
    var capacity: Int { account.capacity }

    /// True while messages can be sent to the broker.
    var isOpen: Bool {
        if case .open = phase { true } else { false }
    }

    /// True when ``ready(now:)`` is due.
    var needsReady: Bool { phase == .rejoining }

    // MARK: The connection

    /// The connection stands.
    mutating func connected() {
        if phase == .offline { phase = .rejoining }
    }

    /// The connection is gone.
    mutating func disconnected(_ time: WorkerTime, into effects: inout [WorkerEffect]) {
        guard phase != .ended else { return }
        phase = .offline
        settleDrain(into: &effects)
    }

    /// The `READY` that opens a session. Everything that came before must have been received: empty the socket first.
    mutating func ready(now: Moment) -> OutgoingMessage {
        phase = .joining(since: now)
        account.reset()
        isQuiet = false
        for key in deliveries.keys { deliveries[key]?.asked = nil }
        let ready = WorkerReady(name: name, pid: pid, capacity: capacity, held: deliveries.values.map(\.held))
        return WorkerMessage.ready(ready).encoded()
    }

    /// The `READY` could not be sent: there is no connection after all.
    mutating func readyFailed() {
        if case .joining = phase { phase = .offline }
    }

    /// When ``tick(_:into:)`` is due; nil for never.
    var nextTick: Moment? {
        let own: Moment? =
            switch phase {
            case .offline, .rejoining, .ended: nil
            case .joining(let since): since.advanced(by: Self.welcomeWaitMax)
            case .open: min(beatAt, heardAt.advanced(by: lease))
            }
        guard isDraining, phase != .ended, drainUntil < .distantFuture else { return own }
        return min(own ?? drainUntil, drainUntil)
    }

    /// Time has passed: says `BEAT`, notices a broker that fell silent, ends a drain.
    ///
    /// To be called after everything that has arrived was received, so that a process that was frozen blames nobody.
    mutating func tick(_ time: WorkerTime, into effects: inout [WorkerEffect]) {
        if isDraining, time.now >= drainUntil {
            stop(into: &effects)
            return
        }
        switch phase {
        case .offline, .rejoining, .ended:
            return
        case .joining(let since):
            if time.now >= since.advanced(by: Self.welcomeWaitMax) { phase = .rejoining }
        case .open:
            if time.now >= heardAt.advanced(by: lease) {
                effects.append(.note("the broker has said nothing for \(lease); asking for a new session"))
                phase = .rejoining
            } else if time.now >= beatAt {
                beatAt = time.now.advanced(by: beatInterval)
                effects.append(.beat(held: deliveries.count))
            }
        }
    }

    /// The `CREDIT` that is due; nil when there is none. To be asked once in each turn, after all messages of it.
    mutating func takeCredit() -> OutgoingMessage? {
        guard isOpen, !isDraining, !isQuiet, let total = account.nextTotal(held: deliveries.count) else { return nil }
        return WorkerMessage.credit(grantedTotal: total).encoded()
    }

    // MARK: Messages

    /// Takes a message of the broker.
    ///
    /// - Parameter body: F4.. of a `JOB`, one after another; else empty.
    mutating func receive(
        _ message: BrokerMessage,
        body: Bytes,
        _ time: WorkerTime,
        into effects: inout [WorkerEffect]
    ) {
        switch phase {
        case .offline, .rejoining, .ended: return
        case .joining, .open: heardAt = time.now
        }
        switch message {
        case .welcome(let welcome):
            open(welcome, time, into: &effects)
        case .job(let key, let header):
            guard phase == .open(header.session) else { return }
            account.jobReceived()
            take(key, header, body, time, into: &effects)
        case .go(let key, let session):
            guard phase == .open(session) else { return }
            answered(key, .go(attempt: key.attempt), time, into: &effects)
        case .noGo(let key, let session, let reason, let wait):
            guard phase == .open(session) else { return }
            answered(key, .nogo(attempt: key.attempt, reason: reason, wait: wait), time, into: &effects)
        case .cancel(let key, let session):
            guard phase == .open(session) else { return }
            step(key.wholeDelivery, .cancel, time, into: &effects)
        case .acknowledge(let key):
            acknowledged(key.wholeDelivery)
        case .beat(.run):
            isQuiet = false
        case .beat(.quiet):
            isQuiet = true
        case .beat(.rejoin):
            // While joining it answers something from before the READY.
            if isOpen { phase = .rejoining }
        case .error(let id, let error):
            refused(id, error, into: &effects)
        }
        settleDrain(into: &effects)
    }

    /// A `JOB` could not be read: it goes back, for nobody else will find it here.
    mutating func receivedUnreadable(_ key: DeliveryKey?, _ error: BusError, into effects: inout [WorkerEffect]) {
        noteOnce("a message of the broker cannot be read: \(error)", into: &effects)
        guard isOpen, let key else { return }
        account.jobReceived()
        giveBack(key.wholeDelivery, .full, into: &effects)
    }

    private mutating func open(_ welcome: WorkerWelcome, _ time: WorkerTime, into effects: inout [WorkerEffect]) {
        phase = .open(welcome.session)
        beatInterval = max(welcome.beatInterval, Self.beatMin)
        lease = max(welcome.lease, beatInterval * 2)
        beatAt = time.now.advanced(by: beatInterval)
        effects.append(.joined)
        let kept = Set(welcome.keep.map(\.wholeDelivery))
        for key in welcome.keep where deliveries[key.wholeDelivery] == nil {
            // An answer to an older READY; the broker would wait for what nobody has.
            effects.append(.send(WorkerMessage.returned(key.wholeDelivery, reason: .noGo).encoded()))
        }
        for key in deliveries.keys.sorted(by: { ($0.job, $0.delivery) < ($1.job, $1.delivery) }) {
            guard kept.contains(key), let delivery = deliveries[key] else {
                forget(key, into: &effects)
                continue
            }
            if let terminal = delivery.terminal {
                effects.append(.send(terminal))
            } else if let plan = delivery.engine?.currentPlan, plan.attempt > delivery.lastAttempt {
                ask(plan, for: delivery, into: &effects)
            }
        }
    }

    private mutating func refused(_ id: [UInt8], _ error: BusError, into effects: inout [WorkerEffect]) {
        noteOnce("the broker refused a message: \(error)", into: &effects)
        guard let key = unsafe id.withUnsafeBytes({ unsafe DeliveryKey(bytes: $0) })?.wholeDelivery else { return }
        // A terminal that the broker does not take would be kept for ever.
        acknowledged(key)
    }

    private mutating func noteOnce(_ text: String, into effects: inout [WorkerEffect]) {
        guard !hasNotedError else { return }
        hasNotedError = true
        effects.append(.note(text))
    }

    // MARK: The end

    /// Takes no new work, gives back what was not begun, finishes the rest until `until`, and leaves then. The earliest of
    /// several moments counts.
    mutating func drain(until: Moment, into effects: inout [WorkerEffect]) {
        drainUntil = min(drainUntil, until)
        guard !isDraining, phase != .ended else { return }
        isDraining = true
        settleDrain(into: &effects)
    }

    /// Leaves at once: calls are closed, what is held goes back to the broker with the `BYE`.
    mutating func stop(into effects: inout [WorkerEffect]) {
        guard phase != .ended else { return }
        for key in Array(deliveries.keys) { forget(key, into: &effects) }
        leave(into: &effects)
    }

    /// During a drain: gives back what can be given back, and leaves when nothing is left.
    mutating func settleDrain(into effects: inout [WorkerEffect]) {
        guard isDraining, phase != .ended else { return }
        switch phase {
        case .joining, .rejoining:
            // The next WELCOME says what is still ours.
            break
        case .open, .offline, .ended:
            for (key, delivery) in deliveries where delivery.isReturnable {
                // Without a broker nobody waits for it; the broker sees that this process is gone.
                giveBack(key, .draining, into: &effects)
            }
        }
        if deliveries.isEmpty { leave(into: &effects) }
    }

    private mutating func leave(into effects: inout [WorkerEffect]) {
        if isOpen { effects.append(.send(WorkerMessage.bye.encoded())) }
        phase = .ended
        effects.append(.left)
    }
}
