import BusProtocol
import CoreTypes
import MockProvider
import ZeroMQ

/// The stage of cases against a worker: the tester plays its broker and its provider.
final class WorkerExam: Exam {
    /// Silence of the broker after which a worker should open a new session; nothing here comes near it.
    static let lease: Duration = .seconds(30)
    static let beatInterval: Duration = .milliseconds(200)

    let directory: EndpointDirectory
    /// What starts the worker, with `{directory}`, `{mock}` and `{config}` to be filled in; empty waits for one.
    let command: [String]
    let provider: MockProvider
    /// What stands before the `/` of a model's name.
    let providerName: String

    private(set) var process: Child?
    /// The broker's socket, bound anew by ``bind()``.
    private(set) var broker: Peer?
    /// The worker's connection; nil before its `READY`.
    var route: [UInt8]?
    var session = SessionToken("none")
    var capacity = 0
    /// The last `READY`.
    var heldByReady: [WorkerReady.Held] = []
    /// What was delivered and has neither been returned nor acknowledged.
    var held: Set<DeliveryKey> = []
    var sent = 0
    var granted = 0
    var creditCount = 0
    var beats: [ContinuousClock.Instant] = []
    var events: [(eventClass: String, header: [UInt8])] = []
    /// What the broker says in its own `BEAT`s; nil is silent.
    var order: String? = "run"
    var sessionCount = 0
    var epoch: Int64 = 1
    var jobCount: UInt64 = 0
    private var nextBeat = ContinuousClock.now

    init(
        context: Context,
        stop: StopFlag,
        directory: EndpointDirectory,
        command: [String],
        provider: MockProvider,
        providerName: String
    ) {
        self.directory = directory
        self.command = command
        self.provider = provider
        self.providerName = providerName
        super.init(context: context, stop: stop)
    }

    // MARK: The case

    override func begin(limit time: Duration) throws {
        try super.begin(limit: time)
        provider.resetCounts()
        order = "run"
        (heldByReady, held, beats, events) = ([], [], [], [])
        route = nil
        process = nil
        try bind()
        guard !command.isEmpty else { return }
        let config = "\(directory.path)/understudy.json"
        let words = Child.Command.filled(
            command,
            ["directory": directory.path, "mock": provider.baseURL, "config": config]
        )
        let environment = ["UNDERSTUDY_DIR": directory.path, "UNDERSTUDY_MOCK_URL": provider.baseURL]
        let child = add(try Child(Child.Command(words: words, environment: environment)))
        note("\(words[0]) begins: pid \(child.pid)")
        process = child
    }

    /// Calls that the provider has seen in this case.
    var calls: Int { provider.counts().total }

    /// Calls whose connection the worker closed before the answer.
    var aborted: Int { provider.counts().aborted }

    /// Binds the broker's socket, in place of the one before: what a worker sees of a broker that was started again.
    func bind() throws {
        if let old = broker { drop(old) }
        // Libzmq removes the file of a closed socket later, and may take the new one's away.
        let endpoint = try directory.endpoint("workers.sock")
        var options = SocketOptions.broker
        options.linger = .zero
        let socket = try Socket(context, .router, options)
        let peer = add(Peer("broker", socket, .workerToBroker))
        try wait("the broker's socket can be bound", within: .seconds(5)) {
            do throws(ZeroMQError) {
                try socket.bind(endpoint)
                return true
            } catch {
                return nil
            }
        }
        peer.onMessage = { [unowned self] heard in try self.take(heard) }
        broker = peer
        route = nil
        epoch += 1
    }

    // MARK: Time

    override func turn() throws {
        let now = ContinuousClock.now
        guard let broker, let route, let order, now >= nextBeat else { return }
        nextBeat = now.advanced(by: .milliseconds(500))
        let beat = [route, ProtocolVersion.bytes, Verb.beat.bytes, [], Array(#"{"state":"\#(order)"}"#.utf8)]
        _ = try broker.socket.send(beat.map { Bytes($0) })
    }

    override func end() {
        super.end()
        broker = nil
        route = nil
    }
}
