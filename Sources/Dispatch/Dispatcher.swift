public import BusProtocol
public import CoreTypes

/// The broker's brain: a pure reducer from events to effects.
///
/// It owns every decision: who gets which request, who may call, what ends a request, what is remembered. It does no I/O,
/// reads no clock and never sees a body. The shell feeds ``DispatchEvent``s in the order in which things happened and
/// performs the ``DispatchEffect``s in the order in which they were given, before the next event. Not thread-safe.
public struct Dispatcher: ~Copyable {
    let configuration: DispatchConfiguration
    var jobs: [JobNumber: Job] = [:]
    var numbers: [RequestKey: JobNumber] = [:]
    var tombstones: Tombstones
    var queue = ReadyQueue()
    var tenants: TenantLedger
    var timers = TimerHeap()
    /// Workers with a session, and the same in the order of dispatch ties.
    var workers: [ConnectionID: WorkerRecord] = [:]
    var workerOrder: [WorkerRecord] = []
    var rotation = 0
    /// Deliveries by which a worker is filled before the next is begun; see ``chooseWorker(for:now:)``.
    var step = 1
    /// Requests that had ended at the last beat.
    var endedAtBeat: UInt64 = 0
    /// Jobs that each agent connection waits for or would cancel by leaving.
    var agents: [ConnectionID: Set<JobNumber>] = [:]
    var random: SeededGenerator
    var jobLast: UInt64 = 0
    /// The number below the first one of the broker before; above all numbers until it is known.
    var numberBaseBefore = UInt64.max
    var waitTicketLast: UInt64 = 0
    /// The latest numbers, oldest first: at least so many as one read looks at.
    var recent: [JobNumber] = []
    var isStopping = false
    var gate = CommitGate()
    /// Rejected requests by reason.
    var rejections: [ErrorCode: UInt64] = [:]
    let startedAt: Moment
    var warmUpIsPending = false

    /// Counts for telemetry and tests.
    public internal(set) var counters = Counters()

    /// Bytes of the terminals that the job store keeps now. The dispatcher never sees a terminal: the shell keeps this true
    /// after each event's effects.
    public var keptBytes = 0

    /// Why the journal takes no new requests now; nil when it does. The shell keeps this true.
    public var journalRefusal: BusError?

    /// Starts with nothing accepted and no worker; `now` starts the beat.
    public init(configuration: DispatchConfiguration, now: Moment) {
        self.configuration = configuration
        startedAt = now
        tenants = TenantLedger(configuration)
        random = SeededGenerator(seed: configuration.seed)
        tombstones = Tombstones(seed: random.next())
        jobLast = Self.numberBase(epoch: configuration.epoch)
        timers.add(.beat, due: now.advanced(by: configuration.beatInterval))
    }

    /// The number below the first one of a broker.
    ///
    /// Numbers go on from 4096 per millisecond of broker time, so that a worker that outlived a broker cannot mistake a new
    /// job for one it had; they stay below 2^53, which every reader of JSON keeps exactly.
    static func numberBase(epoch: Int64) -> UInt64 { (UInt64(clamping: epoch) & (1 << 41 - 1)) << 12 }

    /// When to send ``DispatchEvent/wake`` at the latest; nil when nothing waits for time.
    public var nextWake: Moment? { timers.nextDue }

    /// Workers with a session.
    public var workerCount: Int { workers.count }

    /// Whether a worker has a session on this connection.
    public func hasSession(_ connection: ConnectionID) -> Bool { workers[connection] != nil }

    /// Processes one event, appending to `effects` what is to be done.
    ///
    /// - Returns: ``nextWake``, because to ask for it by itself copies the dispatcher's parts (Swift 6.3).
    @discardableResult
    public mutating func handle(_ event: DispatchEvent, now: Moment, into effects: inout [DispatchEffect]) -> Moment? {
        switch event {
        case .agent(let path, let tenant, let message, let body):
            handle(message, from: path, tenant: tenant, body: body, now: now, into: &effects)
        case .agentDisconnected(let connection):
            agentLeft(connection, now: now, into: &effects)
        case .worker(let connection, let message, let pid):
            handle(message, from: connection, pid: pid, now: now, into: &effects)
        case .workerDisconnected(let connection):
            workers[connection]?.isDisconnected = true
            drainIfDead(connection, into: &effects)
        case .workerProcessGone(let connection):
            workers[connection]?.isProcessGone = true
            drainIfDead(connection, into: &effects)
        case .workerDrained(let connection):
            if let worker = workers[connection], worker.isDraining {
                lose([worker], reason: .died, now: now, into: &effects)
            }
        case .stalled(let gap):
            stalled(for: gap)
        case .committed(let ticket):
            gate.commit(through: ticket)
            while let held = gate.popOpen() { release(held, now: now, into: &effects) }
        case .acceptancesLost(let numbers, let error):
            acceptancesLost(numbers, error, now: now, into: &effects)
        case .wake:
            runTimers(now: now, into: &effects)
        case .stop:
            isStopping = true
        case .endAll:
            endAll(now: now, into: &effects)
        }
        return timers.nextDue
    }

    // MARK: - Shared by the parts

    mutating func count(_ change: (inout Counters) -> Void) { change(&counters) }

    /// Gives `job` its terminal: stores it, tells everyone who waits, starts the time for its `ACK`.
    ///
    /// `brokerClass` nil means that the terminal is the message in hand.
    mutating func end(
        _ job: Job,
        isReply: Bool,
        brokerClass: FailureClass?,
        message: String = "",
        now: Moment,
        into effects: inout [DispatchEffect]
    ) {
        switch job.phase {
        case .queued:
            queue.remove(job)
            counters.queued -= 1
        case .leased:
            counters.leased -= 1
        case .orphaned:
            counters.orphaned -= 1
            retireTimer()
        case .ended:
            preconditionFailure("job \(job.number) got a second terminal")
        }
        job.phase = .ended(isReply: isReply, brokerClass)
        counters.openBytes -= job.body.byteCount
        if job.durability == .memory { counters.openInMemory -= 1 }
        tenants.release(job.key.tenant, bytes: job.body.byteCount)
        counters.tenants = tenants.activeCount
        counters.kept += 1
        if isReply { counters.replied += 1 } else { counters.failed += 1 }

        let duration = job.acceptedAt.duration(to: now)
        let waited = job.waited(now: now)
        if let brokerClass {
            effects.append(
                .composeTerminal(
                    job.number,
                    BrokerFailure(
                        reason: brokerClass,
                        message: message,
                        deliveries: job.deliveries,
                        attempts: job.attempts,
                        waited: waited,
                        duration: duration,
                        lost: job.lost
                    )
                )
            )
        } else {
            effects.append(.keepTerminal(job.number))
        }
        if job.durability == .disk { job.endTicket = write(.ended(job.number, brokerClass), into: &effects) }
        let listeners = job.listeners
        job.listeners.removeAll()
        for listener in listeners {
            sendTerminal(of: job, to: listener.path, into: &effects)
            detach(listener.path.connection, from: job)
            if listener.waitTicket != 0 { retireTimer() }
        }
        if let connection = job.cancelledWith { detach(connection, from: job) }
        effects.append(
            .publish(
                .requestEnded(
                    BusEvent.Ending(
                        key: job.key,
                        job: job.number,
                        task: job.header.task,
                        isReply: isReply,
                        brokerClass: brokerClass,
                        deliveries: job.deliveries,
                        paidDeliveries: job.paidDeliveries,
                        waited: waited,
                        duration: duration
                    )
                )
            )
        )
        retireTimer()
        timers.add(.ttl(job.number), due: now.advanced(by: job.ttl))
    }

    /// Forgets the terminal of `job`; its id stays known for the dedup time.
    mutating func forget(_ job: Job, now: Moment, into effects: inout [DispatchEffect]) {
        jobs[job.number] = nil
        numbers[job.key] = nil
        counters.kept -= 1
        tombstones.add(job.key, body: job.body.hash, until: now.advanced(by: configuration.dedup))
        effects.append(.forget(job.number))
        if job.durability == .disk {
            _ = write(.forgotten(job.number, remember: configuration.dedup), into: &effects)
        }
        retireTimer()
    }

    mutating func detach(_ connection: ConnectionID, from job: Job) {
        agents[connection]?.remove(job.number)
        if agents[connection]?.isEmpty == true { agents[connection] = nil }
    }

    mutating func retireTimer() {
        let jobs = jobs
        timers.retire { purpose in
            switch purpose {
            case .deadline(let number): jobs[number]?.isOpen ?? false
            case .ttl(let number): jobs[number].map { !$0.isOpen } ?? false
            case .wait(let number, let ticket):
                jobs[number]?.listeners.contains { $0.waitTicket == ticket } ?? false
            case .orphan(let number):
                if case .orphaned = jobs[number]?.phase { true } else { false }
            case .beat, .warmUp: true
            }
        }
    }

    private mutating func endAll(now: Moment, into effects: inout [DispatchEffect]) {
        isStopping = true
        let lost = jobs.values.filter { $0.isOpen && $0.durability == .memory }
        for job in lost.sorted(by: { $0.number < $1.number }) {
            tellHolderToCancel(job, into: &effects)
            end(
                job,
                isReply: false,
                brokerClass: .shuttingDown,
                message: "the broker stopped while it held this request in memory",
                now: now,
                into: &effects
            )
        }
    }
}
