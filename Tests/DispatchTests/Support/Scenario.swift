import BusProtocol
import CoreTypes
import Dispatch
import Testing

/// A broker in virtual time: agents and workers speak, and read what came back. Every effect goes through the ``Ledger``.
final class Scenario {
    var dispatcher: Dispatcher
    private(set) var now = Moment.zero
    private(set) var ledger = Ledger()
    /// The effects of the last event.
    private(set) var effects: [DispatchEffect] = []
    /// Telemetry so far.
    private(set) var events: [BusEvent] = []
    private(set) var drains: [ConnectionID] = []
    private var connectionLast: UInt32 = 0
    private var mail: [AgentPath: [Agent.Received]] = [:]
    private var workers: [ConnectionID: Worker] = [:]
    let configuration: DispatchConfiguration
    /// The writes that are not committed yet, oldest first.
    private(set) var writes: [(ticket: JournalTicket, mark: JournalMark)] = []
    /// What a broker that starts now would find.
    private var journal = JournalModel()
    private var restored = 0

    init(_ configure: (inout DispatchConfiguration) -> Void = { _ in }) {
        var configuration = DispatchConfiguration()
        configuration.seed = 7
        configure(&configuration)
        self.configuration = configuration
        dispatcher = Dispatcher(configuration: configuration, now: .zero)
    }

    var counters: Counters { dispatcher.counters }

    // MARK: - Who takes part

    /// An agent without an envelope.
    func attached(_ user: UInt32 = 1000) -> Agent {
        Agent(self, AgentPath(connection: nextConnection()), .user(user))
    }

    /// A REQ socket.
    func lockStep(_ user: UInt32 = 1000) -> Agent {
        Agent(self, AgentPath(connection: nextConnection(), envelope: .delimiter), .user(user))
    }

    /// A worker that has not said anything yet.
    func worker(_ name: String = "w", pid: Int32? = nil, hasPid: Bool = true) -> Worker {
        let connection = nextConnection()
        let worker = Worker(self, connection, name, hasPid ? pid ?? Int32(connection.value) + 10_000 : nil)
        workers[connection] = worker
        return worker
    }

    /// A worker with a session and credit for its whole capacity.
    func readyWorker(_ name: String = "w", capacity: Int = 10) -> Worker {
        let worker = worker(name)
        worker.ready(capacity: capacity)
        worker.credit(UInt64(capacity))
        _ = worker.take()
        return worker
    }

    func nextConnection() -> ConnectionID {
        connectionLast += 1
        return ConnectionID(connectionLast)
    }

    // MARK: - The journal

    /// Commits the first `count` writes that wait, or all.
    func commit(_ count: Int? = nil) {
        let batch = writes.prefix(count ?? writes.count)
        guard let last = batch.last else { return }
        writes.removeFirst(batch.count)
        for write in batch { journal.book(write.mark, now: now) }
        feed(.committed(through: last.ticket))
    }

    /// The journal could not take these acceptances.
    func loseAcceptances(_ jobs: [JobNumber]) {
        for job in jobs { ledger.lose(job) }
        writes.removeAll { jobs.contains($0.mark.job) }
        feed(.acceptancesLost(jobs, BusError(.storeFull, "the disk is full")))
    }

    /// A new broker on the journal of this one; everybody else starts anew too. The clock goes on.
    func restarted(after pause: Duration = .zero) -> Scenario {
        let successor = Scenario {
            $0 = self.configuration
            $0.epoch += 1
        }
        successor.connectionLast = connectionLast + 100
        successor.now = now.advanced(by: pause)
        successor.dispatcher = Dispatcher(configuration: successor.configuration, now: successor.now)
        if let last = journal.requests.keys.max() {
            successor.dispatcher.restore(numberLast: last, epochLast: configuration.epoch)
        }
        successor.journal = journal
        for (key, hash, due) in journal.forgotten {
            successor.dispatcher.restoreForgotten(key, body: hash, until: due)
        }
        for request in journal.requests.values.sorted(by: { $0.number < $1.number }) {
            successor.dispatcher.restore(request, now: successor.now)
            successor.ledger.restore(request)
            if request.ending == nil { successor.restored += 1 }
        }
        return successor
    }

    // MARK: - What happens

    /// The journal cannot give back the body of a request that was restored.
    func endDamaged(_ job: JobNumber) {
        effects = []
        dispatcher.endDamaged(job, why: "the body has changed", now: now, into: &effects)
        book(isReply: false)
    }

    /// Feeds one event and hands out what follows.
    func feed(_ event: DispatchEvent) {
        effects = []
        dispatcher.handle(event, now: now, into: &effects)
        var isReply = false
        if case .worker(_, .reply, _) = event { isReply = true }
        book(isReply: isReply)
    }

    private func book(isReply: Bool) {
        for effect in effects {
            ledger.book(effect, isReplyInHand: isReply)
            switch effect {
            case .answer(let path, let reply):
                mail[path, default: []].append(Agent.Received(reply))
            case .answerSystem(let path, let snapshot):
                mail[path, default: []].append(.document(snapshot))
            case .sendTerminal(let path, let job, let id):
                let standing = ledger.entries[job]?.standing
                mail[path, default: []].append(standing == .replied ? .reply(id.text) : .failure(id.text, standing))
            case .order(let connection, let message):
                workers[connection]?.receive(message)
            case .deliver(let connection, let key, let header):
                guard let worker = workers[connection] else {
                    Issue.record("\(key) is delivered to \(connection), which is no worker")
                    continue
                }
                worker.receive(key, header)
            case .drain(let connection):
                drains.append(connection)
            case .publish(let event):
                events.append(event)
            case .write(let ticket, let mark):
                writes.append((ticket, mark))
            case .keepRequest, .keepTerminal, .composeTerminal, .forget:
                break
            }
        }
        checkCounters()
    }

    /// Lets time pass, with every wake on the way at its time. `beating` workers send their BEAT each half second.
    func pass(_ duration: Duration, beating: [Worker] = []) {
        let end = now.advanced(by: duration)
        var nextBeat = now
        while true {
            var step = end
            if let wake = dispatcher.nextWake { step = min(step, max(now, wake)) }
            if !beating.isEmpty { step = min(step, nextBeat) }
            now = step
            if !beating.isEmpty, now >= nextBeat {
                for worker in beating { worker.beat() }
                nextBeat = now.advanced(by: .milliseconds(500))
            }
            if let wake = dispatcher.nextWake, wake <= now { feed(.wake) }
            if now >= end { return }
        }
    }

    /// Moves the clock without a wake, as when a socket is read before the timers.
    func jump(_ duration: Duration) { now = now.advanced(by: duration) }

    /// The number of the request with this id, of the user that agents have by themselves.
    func number(of id: String) -> JobNumber {
        guard let id = RequestID(id), let number = ledger.number(of: RequestKey(tenant: .user(1000), id: id)) else {
            preconditionFailure("no request \(id)")
        }
        return number
    }

    /// The failure that the last event composed for `job`.
    func failure(of job: JobNumber) -> BrokerFailure? {
        for case .composeTerminal(job, let failure) in effects { return failure }
        return nil
    }

    func takeMail(of path: AgentPath) -> [Agent.Received] { mail.removeValue(forKey: path) ?? [] }

    // MARK: - What is checked throughout

    private func checkCounters() {
        let counters = dispatcher.counters
        let open = ledger.entries.values.count { $0.standing == .open }
        let areConsistent =
            counters.open == open && counters.kept == ledger.entries.count - open
            && counters.queued >= 0 && counters.leased >= 0 && counters.orphaned >= 0 && counters.openBytes >= 0
            && counters.accepted == UInt64(ledger.accepted)
            && counters.accepted + UInt64(restored) == counters.replied + counters.failed + UInt64(open)
        if !areConsistent { Issue.record("\(counters) beside \(ledger.entries)") }
    }
}
