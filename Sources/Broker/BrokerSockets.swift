import EventLoop
import Glibc
import ZeroMQ

/// The three sockets of a broker with their lock and monitors. On the loop's thread.
final class BrokerSockets {
    /// Frames of a message that are looked at: the protocol's most, and the routing id.
    static let frameCountMax = 32
    /// Subscriptions that are received at a time.
    private static let subscriptionsMax = 1024

    let agents: Socket
    let workers: Socket
    let events: EventPublisher
    private let telemetry: Socket
    private let directory: EndpointDirectory
    private let lock: EndpointLock
    private let agentMonitor: Monitor
    private let workerMonitor: Monitor
    private var attached: [LoopSocket] = []
    private var workerReceiver: LoopSocket?
    private var agentReceiver: LoopSocket?
    private var telemetryReceiver: LoopSocket?

    /// Binds in a directory whose lock is held.
    init(_ directory: EndpointDirectory, _ lock: EndpointLock, context: Context, epoch: Int64) throws {
        self.directory = directory
        self.lock = lock
        agents = try Socket(context, .router, .broker)
        workers = try Socket(context, .router, .broker)
        telemetry = try Socket(context, .xpub, .publisher)
        events = EventPublisher(telemetry, epoch: epoch)
        agentMonitor = try Monitor(of: agents)
        workerMonitor = try Monitor(of: workers)
        // Workers and readers first: whoever finds agents.sock finds a whole broker.
        for (socket, name) in [
            (telemetry, SocketName.telemetry), (workers, SocketName.workers), (agents, SocketName.agents),
        ] {
            try socket.bind(try directory.endpoint(name))
            try directory.restrict(name)
        }
    }

    /// Starts to receive.
    func attach(
        to loop: EventLoop,
        onAgentMessage: @escaping (Multipart) -> Void,
        onWorkerMessage: @escaping (Multipart) -> Void,
        onAgentEvent: @escaping (MonitorEvent) -> Void,
        onWorkerEvent: @escaping (MonitorEvent) -> Void,
        onSubscription: @escaping () -> Void,
        onFailure: @escaping (any Error) -> Void
    ) throws {
        let workerReceiver = try LoopSocket(
            workers,
            on: loop,
            frameCountMax: Self.frameCountMax,
            onFailure: onFailure,
            onMessage: onWorkerMessage
        )
        let agentReceiver = try LoopSocket(
            agents,
            on: loop,
            frameCountMax: Self.frameCountMax,
            onFailure: onFailure,
            onMessage: onAgentMessage
        )
        // Sends with every request and receives a message or two a day, which may wait for ``drainSubscriptions()``.
        let telemetryReceiver = try LoopSocket(
            telemetry,
            on: loop,
            asksWhenTouched: false,
            onFailure: onFailure
        ) { message in
            // The first byte of a subscription is 1, of its end 0 (zmq_socket(3), ZMQ_XPUB).
            let begins = unsafe message.withBytes(at: 0) { bytes in unsafe bytes.first == 1 }
            if begins { onSubscription() }
        }
        self.workerReceiver = workerReceiver
        self.agentReceiver = agentReceiver
        self.telemetryReceiver = telemetryReceiver
        attached = [workerReceiver, agentReceiver, telemetryReceiver]
        try agentMonitor.attach(to: loop, onFailure: onFailure, onEvent: onAgentEvent)
        try workerMonitor.attach(to: loop, onFailure: onFailure, onEvent: onWorkerEvent)
    }

    /// Receives what workers have sent so far, a turn's share at most; false when that is all.
    func drainWorkers() -> Bool { workerReceiver?.drain(limit: EventLoop.turnBudget) == EventLoop.turnBudget }

    /// Receives what agents have sent so far, a turn's share at most; false when that is all.
    func drainAgents() -> Bool { agentReceiver?.drain(limit: EventLoop.turnBudget) == EventLoop.turnBudget }

    /// Receives the subscriptions to telemetry that came so far; to be called now and then.
    func drainSubscriptions() { telemetryReceiver?.drain(limit: Self.subscriptionsMax) }

    /// Reports everything that happened to agents' connections so far. Not inside the handler of these events.
    func drainAgentEvents() { agentMonitor.drain() }

    /// Reports everything that happened to workers' connections so far. Not inside the handler of these events.
    func drainWorkerEvents() { workerMonitor.drain() }

    /// Closes the sockets and removes their files; the lock ends with the last reference to this object.
    func close() {
        agentMonitor.close()
        workerMonitor.close()
        for receiver in attached { receiver.detach() }
        attached = []
        workerReceiver = nil
        agentReceiver = nil
        telemetryReceiver = nil
        for socket in [agents, workers, telemetry] { socket.close() }
        for name in [SocketName.telemetry, SocketName.workers, SocketName.agents] {
            guard let path = try? directory.socketPath(name) else { continue }
            unsafe unlink(path)
        }
    }
}
