import BusProtocol
import CoreTypes
public import EventLoop
import Glibc
import HTTPTransport
import Resilience
public import ZeroMQ

/// Calls models for the broker: a thin shell round ``WorkerSession``, with its socket and its HTTP calls on one event
/// loop, so that a request crosses no thread.
///
/// May be started before the broker, and follows it through restarts.
public actor Worker {
    /// What the worker tells people.
    public enum Report: Sendable, Hashable {
        /// A broker said `WELCOME`; also after each interruption.
        case joined
        /// A line for the operator.
        case note(String)
    }

    /// How long a broker may be away before the operator is told what to do.
    static let patience: Duration = .seconds(1)
    /// Wait before a call that found no room in our own pool is begun again, and before an unsent `READY` is.
    static let pause: Duration = .milliseconds(50)
    /// How long nothing more is said of missing descriptors.
    static let descriptorsSilence: Duration = .seconds(60)
    /// Messages that are dropped at most when the socket is emptied: more than credit lets a broker send.
    static let staleMessagesMax = 4 * Limits.workerCapacityMax

    /// Messages for which room is kept from turn to turn.
    static let unsentKept = 1024

    nonisolated let loop: EventLoop
    let options: WorkerOptions
    private let context: Context
    let report: @Sendable (Report) -> Void
    var session: WorkerSession
    /// The frames of the message that is being decoded.
    let inPlace = BorrowedFrames(capacity: Limits.frameCountMax)
    var socket: LoopSocket?
    var monitor: Monitor?
    var connector: BrokerConnector?
    var transport: HTTPTransport?
    var calls: [DeliveryKey: HTTPCall] = [:]
    /// What goes to the broker at the end of the turn, in this order.
    var unsent: [OutgoingMessage] = []
    private var wakers: [DeliveryKey: TimerID] = [:]
    private var turn: TurnID?
    private var ticker: (timer: TimerID, at: Moment)?
    var patienceTimer: TimerID?
    var hasToldOfAbsence = false
    var toldOfDescriptorsAt: Moment?
    private var lagMax: Duration = .zero
    private var waiter: CheckedContinuation<Result<Void, WorkerError>, Never>?
    var result: Result<Void, WorkerError>?

    /// Runs on the loop's thread.
    public nonisolated var unownedExecutor: UnownedSerialExecutor { unsafe loop.asUnownedSerialExecutor() }

    /// Makes a worker; it opens nothing before ``run()``.
    ///
    /// - Parameter report: Called on the loop's thread.
    public init(
        _ options: WorkerOptions,
        context: Context,
        on loop: EventLoop,
        report: @escaping @Sendable (Report) -> Void = { _ in }
    ) {
        self.options = options
        self.context = context
        self.loop = loop
        self.report = report
        var random = SystemRandomNumberGenerator()
        session = WorkerSession(
            name: options.name,
            pid: getpid(),
            capacity: options.capacity,
            rules: options.rules,
            lease: options.lease,
            seed: random.next()
        )
    }

    /// Works until ``drain()`` has come to its end, or ``stop()``. To be called once.
    ///
    /// - Throws: ``WorkerError``. Cancelling the task does nothing.
    public func run() async throws(WorkerError) {
        precondition(socket == nil && waiter == nil, "a worker runs once")
        if result == nil { try start() }
        let ending = await withCheckedContinuation { continuation in
            if let result { continuation.resume(returning: result) } else { waiter = continuation }
        }
        return try ending.get()
    }

    /// Takes no new work, gives back what was not begun, finishes the rest within the time for it, and ends ``run()``.
    /// May be called from any thread, more than once.
    public nonisolated func drain() { drain(within: options.drain) }

    /// The same, however long the rest takes; ``drain()`` may still set a limit.
    public nonisolated func retire() { drain(within: nil) }

    private nonisolated func drain(within limit: Duration?) {
        loop.execute {
            self.assumeIsolated { worker in
                let until = limit.map { worker.loop.now().advanced(by: $0) } ?? .distantFuture
                worker.decide { $0.drain(until: until, into: &$1) }
            }
        }
    }

    /// Ends ``run()`` now: calls are closed, the broker gives what was held to others. May be called from any thread.
    public nonisolated func stop() {
        loop.execute { self.assumeIsolated { $0.decide { $0.stop(into: &$1) } } }
    }

    // MARK: Life

    private func start() throws(WorkerError) {
        do {
            transport = try HTTPTransport(
                loop: loop,
                configuration: HTTPTransport.Configuration(
                    connectionsPerHostMax: options.capacity,
                    connectionsMax: options.capacity,
                    waitingMax: options.capacity,
                    caFile: options.caFile
                )
            )
            var socketOptions = SocketOptions.worker
            // What is under way is bounded by what the worker holds; a full queue can only mean that nobody is there.
            socketOptions.sendQueueMax = 0
            // For the last BYE.
            socketOptions.linger = .seconds(1)
            let socket = try Socket(context, .dealer, socketOptions)
            let monitor = try Monitor(of: socket)
            self.monitor = monitor
            try monitor.attach(to: loop) { self.connectionChanged($0) }
            self.socket = try LoopSocket(
                socket,
                on: loop,
                frameCountMax: Limits.frameCountMax,
                onFailure: { self.end(.failure(WorkerError(.socket, "the socket to the broker failed: \($0)"))) },
                onMessage: { self.receive($0) }
            )
            // After the socket's own turn, so that one CREDIT answers all messages of a turn.
            turn = loop.addTurn { _ in self.finishTurn() }
            connector = try BrokerConnector(socket, to: "workers.sock", in: options.directory, on: loop) { error in
                self.end(.failure(Self.error(error)))
            }
            awaitBroker()
        } catch {
            close()
            throw Self.error(error)
        }
    }

    static func error(_ error: any Error) -> WorkerError {
        switch error {
        case let error as EndpointError: WorkerError(.directory, "\(error)")
        case let error as TransportError: WorkerError(.transport, "\(error)")
        default: WorkerError(.socket, "cannot open a socket to the broker: \(error)")
        }
    }

    func end(_ result: Result<Void, WorkerError>) {
        guard self.result == nil else { return }
        self.result = result
        // Not here: this may be inside a message's handler or a call's.
        loop.execute { self.assumeIsolated { $0.close() } }
    }

    private func close() {
        if let turn { loop.removeTurn(turn) }
        turn = nil
        for timer in wakers.values { loop.cancel(timer) }
        wakers.removeAll()
        if let ticker { loop.cancel(ticker.timer) }
        ticker = nil
        if let patienceTimer { loop.cancel(patienceTimer) }
        patienceTimer = nil
        transport?.shutDown()
        transport = nil
        calls.removeAll()
        connector?.cancel()
        connector = nil
        monitor?.close()
        monitor = nil
        sendUnsent()
        socket?.detach()
        socket?.socket.close()
        socket = nil
        if let result, let waiter {
            self.waiter = nil
            waiter.resume(returning: result)
        }
    }

    // MARK: The core

    /// Lets the core decide and carries out what it says.
    func decide(_ input: (inout WorkerSession, inout [WorkerEffect]) -> Void) {
        var effects: [WorkerEffect] = []
        input(&session, &effects)
        for effect in effects { perform(effect) }
        setTicker()
    }

    var time: WorkerTime { WorkerTime(now: loop.now(), wall: ProcessFigures.unixMilliseconds()) }

    private func perform(_ effect: WorkerEffect) {
        switch effect {
        case .send(let message):
            send(message)
        case .beat(let held):
            let beat = WorkerBeat(held: held, lag: lagMax, residentKiB: ProcessFigures.residentKiB())
            lagMax = .zero
            send(WorkerMessage.beat(beat).encoded())
        case .call(let key, let plan):
            call(key, plan)
        case .abort(let key):
            if let call = calls.removeValue(forKey: key) { transport?.cancel(call) }
        case .wake(let key, let moment):
            setWaker(key, at: moment)
        case .joined:
            joined()
        case .note(let text):
            report(.note(text))
        case .left:
            end(.success(()))
        }
    }

    private func setWaker(_ key: DeliveryKey, at moment: Moment?) {
        if let timer = wakers.removeValue(forKey: key) { loop.cancel(timer) }
        guard let moment else { return }
        wakers[key] = loop.schedule(at: moment) {
            self.wakers[key] = nil
            let time = self.time
            self.decide { $0.woken(key, time, into: &$1) }
        }
    }

    func setTicker() {
        let next = session.nextTick
        guard next != ticker?.at else { return }
        if let ticker { loop.cancel(ticker.timer) }
        ticker = next.map { moment in
            let timer = loop.schedule(at: moment) {
                self.ticker = nil
                let time = self.time
                self.lagMax = max(self.lagMax, moment.duration(to: time.now))
                self.decide { $0.tick(time, into: &$1) }
            }
            return (timer, moment)
        }
    }
}
