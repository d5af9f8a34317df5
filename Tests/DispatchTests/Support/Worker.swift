import BusProtocol
import CoreTypes
import Dispatch
import Testing

/// A worker of a scenario: says what the test makes it say, and checks that it never gets more than it granted.
final class Worker {
    /// What a worker can read from its socket.
    enum Received: Equatable {
        case welcome(keep: [DeliveryKey], drop: [DeliveryKey])
        case job(DeliveryKey)
        case go(DeliveryKey)
        case noGo(DeliveryKey, NoGoReason)
        case cancel(DeliveryKey)
        case acknowledge(DeliveryKey)
        case error(ErrorCode)
        case rejoin
    }

    let scenario: Scenario
    let connection: ConnectionID
    let name: String
    let pid: Int32?
    private(set) var session: SessionToken?
    /// Headers of the `JOB`s, newest last.
    private(set) var headers: [JobHeader] = []
    private(set) var beats: [BeatOrder] = []
    private var inbox: [Received] = []
    /// Largest total of the session.
    private(set) var granted: UInt64 = 0
    private var sent: UInt64 = 0
    private var capacity = 0
    /// What it holds by its own account.
    private(set) var held: Set<DeliveryKey> = []
    private var isGone = false

    init(_ scenario: Scenario, _ connection: ConnectionID, _ name: String, _ pid: Int32?) {
        self.scenario = scenario
        self.connection = connection
        self.name = name
        self.pid = pid
    }

    // MARK: - From the broker

    func receive(_ message: BrokerMessage) {
        switch message {
        case .welcome(let welcome):
            session = welcome.session
            inbox.append(.welcome(keep: welcome.keep, drop: welcome.drop))
            held = held.intersection(welcome.keep.map(\.wholeDelivery))
        case .job(let key, _): inbox.append(.job(key))
        case .go(let key, let session):
            #expect(session == self.session)
            inbox.append(.go(key))
        case .noGo(let key, let session, let reason, _):
            #expect(session == self.session)
            inbox.append(.noGo(key, reason))
        case .cancel(let key, let session):
            #expect(session == self.session)
            inbox.append(.cancel(key))
        case .acknowledge(let key): inbox.append(.acknowledge(key))
        case .beat(let order):
            beats.append(order)
            if order == .rejoin { inbox.append(.rejoin) }
        case .error(_, let error): inbox.append(.error(error.code))
        }
    }

    func receive(_ key: DeliveryKey, _ header: JobHeader) {
        #expect(header.session == session)
        sent += 1
        held.insert(key)
        #expect(sent <= granted, "\(name) got more JOBs than it granted")
        #expect(held.count <= capacity, "\(name) holds more than its capacity")
        #expect(!isGone, "\(name) is gone and gets a JOB")
        headers.append(header)
        inbox.append(.job(key))
    }

    /// What came since the last look, beats left out.
    func take() -> [Received] {
        defer { inbox = [] }
        return inbox
    }

    /// The `JOB`s among what came since the last look, which is used up.
    func takeJobs() -> [DeliveryKey] {
        take().compactMap { message in
            if case .job(let key) = message { return key }
            return nil
        }
    }

    // MARK: - To the broker

    @discardableResult
    func ready(capacity: Int = 10, held: [WorkerReady.Held] = []) -> [Received] {
        granted = 0
        sent = 0
        self.capacity = capacity
        let finished = held.filter { $0.state == .finished }.map(\.key.wholeDelivery)
        defer { self.held.subtract(finished) }
        return say(.ready(WorkerReady(name: name, pid: pid ?? 0, capacity: capacity, held: held)))
    }

    @discardableResult
    func credit(_ total: UInt64) -> [Received] {
        granted = max(granted, total)
        return say(.credit(grantedTotal: total))
    }

    @discardableResult
    func start(_ key: DeliveryKey, attempt: UInt32) -> [Received] {
        say(.start(DeliveryKey(job: key.job, delivery: key.delivery, attempt: attempt)))
    }

    @discardableResult
    func reply(_ key: DeliveryKey) -> [Received] {
        held.remove(key.wholeDelivery)
        return say(.reply(key))
    }

    @discardableResult
    func fail(_ key: DeliveryKey) -> [Received] {
        held.remove(key.wholeDelivery)
        return say(.failure(key))
    }

    @discardableResult
    func giveBack(_ key: DeliveryKey, _ reason: ReturnReason) -> [Received] {
        held.remove(key.wholeDelivery)
        return say(.returned(key, reason: reason))
    }

    func beat() { _ = say(.beat(WorkerBeat(held: held.count)), taking: false) }

    @discardableResult
    func bye() -> [Received] { say(.bye) }

    func disconnect() {
        isGone = true
        scenario.feed(.workerDisconnected(connection))
    }

    func processGone() { scenario.feed(.workerProcessGone(connection)) }

    func drained() { scenario.feed(.workerDrained(connection)) }

    /// Killed, seen, drained.
    func die() {
        processGone()
        disconnect()
        drained()
    }

    @discardableResult
    func say(_ message: WorkerMessage, taking: Bool = true) -> [Received] {
        scenario.feed(.worker(connection, message, pid: pid))
        return taking ? take() : []
    }
}

extension DeliveryKey {
    /// The same delivery with `attempt`.
    func attempt(_ attempt: UInt32) -> DeliveryKey { DeliveryKey(job: job, delivery: delivery, attempt: attempt) }
}
