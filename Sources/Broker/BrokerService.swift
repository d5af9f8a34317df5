import BusProtocol
import CoreTypes
import Dispatch
public import EventLoop
import Glibc
import Journal
public import ZeroMQ

/// The broker: sockets, clock and job store round the ``Dispatcher``.
///
/// Everything runs on the loop's thread: a message is received, decoded in place, decided upon; what follows
/// from the messages of a turn of the loop is sent at its end, in the order of the decisions for each connection.
public actor BrokerService {
    nonisolated let loop: EventLoop
    let context: Context
    let settings: BrokerSettings
    let log: @Sendable (String) -> Void

    var dispatcher: Dispatcher
    var store = MemoryJobStore()
    var journal: JournalWriter?
    /// Tells the time of what is written to the journal.
    var journalClock: JournalClock?
    /// Bytes of the journal on disk.
    var journalByteCount = 0
    var lastAdmission = JournalAdmission.open
    var journalTrouble: JournalTrouble?
    var effects: [DispatchEffect] = []
    let digest = BodyDigest()
    /// The frames of the message that is being decoded.
    let inPlace = BorrowedFrames(capacity: BrokerSockets.frameCountMax)
    var agents = Connections()
    var workers = Connections()
    var sockets: BrokerSockets?
    var processes: ProcessWatch?

    var wakeTimer: TimerID?
    var wakeDue = Moment.distantFuture
    var flushTimer: TimerID?
    /// For what can wait; see ``sendUnsent()``.
    var lazyTimer: TimerID?
    /// What goes out at the end of the turn, in this order.
    var unsentToAgents: [UnsentMessage] = []
    var unsentToWorkers: [UnsentMessage] = []
    /// Whether there is more than `ACK`s among them.
    var hasUnsentOrder = false
    /// What goes to the journal after that.
    var unwritten: [JournalWriter.Item] = []
    private var sendingTurn: TurnID?
    private var snapshotTimer: TimerID?
    /// When the operator is told again that connections are refused.
    var refusalToldAgainAt = Moment.zero
    var lastTick: Moment
    var snapshotDue: Moment
    /// Connections with something in their outbox.
    var parkedAgents: Set<ConnectionID> = []
    var parkedWorkers: Set<ConnectionID> = []

    private var waiter: CheckedContinuation<Void, any Error>?
    private var ending: Result<Void, any Error>?
    private var drainEnd: Moment?
    private var isTakingLeave = false

    /// Runs on the loop's thread.
    public nonisolated var unownedExecutor: UnownedSerialExecutor { unsafe loop.asUnownedSerialExecutor() }

    /// Makes a broker; it opens nothing before ``run(onReady:)``.
    ///
    /// - Parameter log: Gets a line of text, without its end, for the operator. Called on the loop's thread.
    public init(
        _ settings: BrokerSettings,
        context: Context,
        on loop: EventLoop,
        log: @escaping @Sendable (String) -> Void
    ) {
        self.loop = loop
        self.context = context
        self.settings = settings
        self.log = log
        let now = loop.now()
        // Takes the place of nothing: the real one comes with the epoch, which the journal knows.
        dispatcher = Dispatcher(configuration: settings.dispatch, now: now)
        lastTick = now
        snapshotDue = now
    }

    /// Serves until ``stop()`` or ``stopNow()``. To be called once.
    ///
    /// - Parameter onReady: Called once the sockets are bound.
    /// - Throws: `EndpointError` when the directory cannot be used or another broker has it, `ZeroMQError` or
    ///   `SystemError` when a socket fails.
    public func run(onReady: @Sendable () -> Void = {}) async throws {
        try open()
        onReady()
        defer { close() }
        if let ending { return try ending.get() }
        try await withCheckedThrowingContinuation { waiter = $0 }
    }

    /// Takes no new requests, and goes on with the open ones until ``stop()``. From any thread.
    public nonisolated func quiesce() {
        loop.execute { self.assumeIsolated { $0.process(.stop) } }
    }

    /// Takes no new requests, lets the open ones end for a while, then ends ``run(onReady:)``. From any thread.
    public nonisolated func stop() {
        loop.execute { self.assumeIsolated { $0.beginStop() } }
    }

    /// Ends the open requests in `FAILURE shutting_down`, and ``run(onReady:)`` as soon as that can have been read. From
    /// any thread.
    public nonisolated func stopNow() {
        loop.execute {
            self.assumeIsolated { broker in
                broker.process(.endAll)
                broker.takeLeave()
            }
        }
    }

    // MARK: - Life

    private func open() throws {
        try settings.directory.prepare(for: SocketName.all)
        let lock = try EndpointLock(settings.directory)
        let epoch = try startDispatcher()
        let sockets = try BrokerSockets(settings.directory, lock, context: context, epoch: epoch)
        self.sockets = sockets
        processes = ProcessWatch(loop: loop) { self.process(.workerProcessGone($0)) }
        try sockets.attach(
            to: loop,
            onAgentMessage: { self.receive(agentMessage: $0) },
            onWorkerMessage: { self.receive(workerMessage: $0) },
            onAgentEvent: { self.agentConnection($0) },
            onWorkerEvent: { self.workerConnection($0) },
            onSubscription: { self.publishSnapshotSoon() },
            onFailure: { self.finish(.failure($0)) }
        )
        // Behind those that receive.
        sendingTurn = loop.addTurn { _ in
            let hasSent = self.sendUnsent()
            self.writeUnwritten()
            return hasSent
        }
        tick()
    }

    /// Drains, then goes on until nothing is open, nobody is left to do it, or the time for it is over.
    private func beginStop() {
        guard drainEnd == nil else { return }
        drainEnd = loop.now().advanced(by: settings.drain)
        process(.stop)
        finishIfDrained()
    }

    private func finishIfDrained() {
        guard let drainEnd, !isTakingLeave else { return }
        let isLate = loop.now() >= drainEnd
        if dispatcher.counters.openInMemory > 0, dispatcher.workerCount == 0 || isLate { process(.endAll) }
        // What is in the journal stays there for the next broker.
        guard dispatcher.counters.openInMemory == 0,
            isLate || (parkedAgents.isEmpty && !dispatcher.isWaitingForJournal)
        else { return }
        takeLeave()
    }

    /// Ends ``run(onReady:)`` when agents have had the time to read what was sent to them last.
    private func takeLeave() {
        guard !isTakingLeave else { return }
        isTakingLeave = true
        publishSnapshot()
        guard !agents.entries.isEmpty else { return finish(.success(())) }
        loop.schedule(at: loop.now().advanced(by: settings.leave)) { self.finish(.success(())) }
    }

    /// Nobody is left to read anything.
    func endLeaveIfAlone() {
        if isTakingLeave, agents.entries.isEmpty { finish(.success(())) }
    }

    func finish(_ result: Result<Void, any Error>) {
        guard ending == nil else { return }
        ending = result
        waiter?.resume(with: result)
        waiter = nil
    }

    private func close() {
        for timer in [wakeTimer, flushTimer, snapshotTimer, lazyTimer] {
            if let timer { loop.cancel(timer) }
        }
        processes?.stop()
        if let sendingTurn { loop.removeTurn(sendingTurn) }
        sendAll()
        writeUnwritten()
        sockets?.close()
        sockets = nil
        if let error = journal?.close() { log("the journal was not closed in order: \(error)") }
        journal = nil
    }

    // MARK: - Time

    /// Every quarter of a beat: notices when the broker itself stood still, and does what is due now and then.
    private func tick() {
        guard sockets != nil, ending == nil else { return }
        let now = loop.now()
        noticeStall(now)
        askJournal()
        sockets?.drainSubscriptions()
        if now >= snapshotDue { publishSnapshot() }
        forgetLostWorkers()
        finishIfDrained()
        loop.schedule(at: now.advanced(by: settings.dispatch.beatInterval / 4)) { self.tick() }
    }

    /// A closed connection is remembered until the dispatcher has settled what its worker had.
    private func forgetLostWorkers() {
        for (connection, entry) in workers.entries
        where entry.descriptor == nil && !dispatcher.hasSession(connection) {
            workers.remove(connection)
            parkedWorkers.remove(connection)
            if let pid = entry.pid { processes?.forget(connection, pid: pid) }
        }
    }

    /// A gap longer than a beat is the broker's own fault: its leases must not run out because it did not listen.
    private func noticeStall(_ now: Moment) {
        let gap = lastTick.duration(to: now)
        lastTick = now
        if gap > settings.dispatch.beatInterval { process(.stalled(gap)) }
    }

    /// Sees to it that the loop wakes when the dispatcher wants it.
    func scheduleWake(at due: Moment?) {
        guard let due, due < wakeDue else { return }
        if let wakeTimer { loop.cancel(wakeTimer) }
        wakeDue = due
        wakeTimer = loop.schedule(at: due) { self.wake() }
    }

    private func wake() {
        wakeTimer = nil
        wakeDue = .distantFuture
        noticeStall(loop.now())
        process(.wake)
    }

    /// For subscribers that came now; many often come at once.
    private func publishSnapshotSoon() {
        guard snapshotTimer == nil else { return }
        snapshotTimer = loop.schedule(at: loop.now().advanced(by: .milliseconds(20))) {
            self.snapshotTimer = nil
            self.publishSnapshot()
        }
    }

    func publishSnapshot() {
        guard let sockets else { return }
        snapshotDue = loop.now().advanced(by: settings.snapshotInterval)
        sockets.events.publishSnapshot(
            dispatcher.counters,
            workers: dispatcher.workerCount,
            journalBytes: keptByteCount,
            time: UnixClock.milliseconds()
        )
    }

    /// Performs a call on a socket; one that fails for another reason than the peer ends the broker.
    func attempt(_ call: () throws(ZeroMQError) -> Void) {
        do throws(ZeroMQError) {
            try call()
        } catch {
            finish(.failure(error))
        }
    }
}

/// Wall-clock time, for what people and other processes read.
enum UnixClock {
    /// Milliseconds since 1970.
    static func milliseconds() -> Int64 {
        var time = timespec()
        unsafe clock_gettime(CLOCK_REALTIME, &time)
        return Int64(time.tv_sec) * 1000 + Int64(time.tv_nsec) / 1_000_000
    }
}
