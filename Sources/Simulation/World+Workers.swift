import BusProtocol
import CoreTypes
import Dispatch
import Journal
import Resilience

/// What workers do with their sessions.
extension World {
    /// How long `READY` waits for its `WELCOME` before it is said again.
    private static var welcomeWaitMax: Duration { .seconds(5) }

    func startWorker() {
        guard workers.count < scenario.workerCount else { return }
        workerLast += 1
        let worker = Worker(number: workerLast, capacity: 1 + random.below(scenario.capacityMax), now: now)
        worker.link = connect(.worker(worker))
        workers.append(worker)
        join(worker)
        schedule.add(.workerBeats(worker), at: now.advanced(by: .seconds(1)))
    }

    /// Empties the socket and asks for a session.
    func join(_ worker: Worker) {
        worker.phase = .joining(since: now)
        worker.received = 0
        worker.granted = 0
        dropArrived(worker.connection)
        for delivery in worker.deliveries { delivery.asked = nil }
        let held = worker.deliveries.map(\.held)
        let ready = WorkerReady(name: worker.name, pid: worker.pid, capacity: worker.capacity, held: held)
        say(.ready(ready), worker)
        if isActive, scenario.crashOdds > 0, random.chance(0.05) { crash(worker) }
    }

    /// Only what has arrived can be dropped: the rest of the queue is still under way.
    private func dropArrived(_ connection: Connection) {
        if connection.downwardLast <= now { connection.downward.removeAll() }
    }

    func beat(_ worker: Worker) {
        schedule.add(.workerBeats(worker), at: now.advanced(by: worker.beatInterval))
        switch worker.phase {
        case .joining(let since):
            if now >= since.advanced(by: Self.welcomeWaitMax) { join(worker) }
        case .open:
            say(.beat(WorkerBeat(held: worker.deliveries.count)), worker)
        }
    }

    /// Says something, and perhaps dies over it.
    func say(_ message: WorkerMessage, _ worker: Worker, _ terminal: StoredTerminal? = nil) {
        guard worker.isAlive else { return }
        send(.worker(message, terminal), over: worker.connection)
        if isActive, random.chance(scenario.crashOdds) { crash(worker) }
    }

    /// Takes no new work, finishes what it has and leaves.
    func drain(_ worker: Worker) {
        trace.note(now, "\(worker.name) drains")
        worker.isDraining = true
        for delivery in worker.deliveries
        where delivery.terminal == nil && delivery.lastAttempt == 0 && delivery.asked == nil && worker.isOpen {
            worker.remove(delivery)
            say(.returned(delivery.key, reason: .draining), worker)
        }
        leaveIfDrained(worker)
    }

    func leaveIfDrained(_ worker: Worker) {
        guard worker.isAlive, worker.isDraining, worker.isOpen, worker.deliveries.isEmpty else { return }
        say(.bye, worker)
        trace.note(now, "\(worker.name) leaves")
        if worker.isAlive { end(worker, losingTail: false) }
    }

    /// Grants what its capacity leaves.
    func grant(_ worker: Worker) {
        guard worker.isOpen, !worker.isDraining else { return }
        let total = worker.received + UInt64(max(0, worker.capacity - worker.deliveries.count))
        guard total > worker.granted else { return }
        worker.granted = total
        say(.credit(grantedTotal: total), worker)
    }

    func receive(_ message: Connection.Downward, at worker: Worker) {
        switch message {
        case .job(let key, let header, let body):
            guard worker.phase == .open(header.session) else { return }
            take(key, header, body, at: worker)
        case .order(let order):
            obey(order, at: worker)
        case .answer, .terminal:
            referee.fail("workers get workers' messages", "\(worker.name) got an agent's message")
        }
    }

    private func obey(_ order: BrokerMessage, at worker: Worker) {
        switch order {
        case .welcome(let welcome):
            open(welcome, at: worker)
        case .job:
            break
        case .go(let key, let session):
            guard worker.phase == .open(session) else { return }
            answered(key, .go(attempt: key.attempt), at: worker)
        case .noGo(let key, let session, let reason, let wait):
            guard worker.phase == .open(session) else { return }
            answered(key, .nogo(attempt: key.attempt, reason: reason, wait: wait), at: worker)
        case .cancel(let key, let session):
            guard worker.phase == .open(session), let delivery = worker.delivery(key) else { return }
            step(delivery, .cancel, at: worker)
        case .acknowledge(let key):
            guard let delivery = worker.delivery(key), delivery.terminal != nil else { return }
            worker.remove(delivery)
            grant(worker)
            leaveIfDrained(worker)
        case .beat(.rejoin):
            if worker.isOpen { join(worker) }
        case .beat:
            break
        case .error(_, let error):
            referee.fail("workers are understood", "\(worker.name) got \(error)")
        }
    }

    private func open(_ welcome: WorkerWelcome, at worker: Worker) {
        worker.phase = .open(welcome.session)
        worker.beatInterval = welcome.beatInterval
        for delivery in worker.deliveries {
            let isKept = welcome.keep.contains { $0.wholeDelivery == delivery.key }
            guard isKept else {
                worker.remove(delivery)
                continue
            }
            if let terminal = delivery.terminal {
                sendTerminal(terminal, of: delivery, at: worker)
            } else if let plan = delivery.engine.currentPlan, delivery.call == nil {
                ask(plan, for: delivery, at: worker)
            }
        }
        for key in welcome.keep where worker.delivery(key) == nil {
            // The answer to an earlier READY said drop.
            say(.returned(key.wholeDelivery, reason: .noGo), worker)
        }
        grant(worker)
        leaveIfDrained(worker)
    }
}
