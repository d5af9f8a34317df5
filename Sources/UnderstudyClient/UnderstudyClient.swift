public import BusProtocol
public import CoreTypes
import EventLoop
public import ZeroMQ

/// An agent's connection to the bus: any number of requests at once over one socket.
///
/// ```swift
/// let client = try await UnderstudyClient.connect(to: .resolve())
/// let outcome = try await client.submit(body, header: RequestHeader(deadline: .seconds(60)))
/// await client.close()
/// ```
///
/// Connects in the background and again after each loss; requests survive that, and with the broker's help the death of
/// workers. Lives on the thread of an event loop of its own. Must be closed.
public actor UnderstudyClient {
    /// How a client behaves.
    public struct Configuration: Sendable {
        /// Where the broker's sockets are.
        public var directory: EndpointDirectory
        /// How long a call goes on while no broker is there; long enough for its restart.
        public var patience: Duration
        /// How long the answer of a broker that is there is waited for, but for the outcome of a request, which has its
        /// deadline.
        public var answerPatience: Duration
        /// Most requests open at once; further ones fail with `tooMany`.
        public var openRequestsMax: Int

        /// Makes a configuration.
        public init(
            directory: EndpointDirectory,
            patience: Duration = .seconds(15),
            answerPatience: Duration = .seconds(30),
            openRequestsMax: Int = 100_000
        ) {
            self.directory = directory
            self.patience = patience
            self.answerPatience = answerPatience
            self.openRequestsMax = openRequestsMax
        }
    }

    /// Who lets the broker forget a terminal.
    public enum Acknowledgement: Sendable, Hashable {
        /// The client, as soon as the terminal is in this process.
        case automatic
        /// The caller, with ``UnderstudyClient/acknowledge(_:)`` once the result is safe. Until then, or until its ttl,
        /// the broker keeps it and any process of the user can attach to it.
        case explicit
    }

    /// Told that the broker keeps a request from here on, how safely, and whether it knew the request before.
    public typealias AcceptanceHandler = @Sendable (_ durability: RequestHeader.Durability, _ isDuplicate: Bool) -> Void

    /// A request on its way.
    struct Flight {
        var exchange: RequestExchange
        let header: RequestHeader
        let body: Bytes
        var stream: ChunkOrder?
        var onAccepted: AcceptanceHandler?
        var timer: TimerID?
        var answer: CheckedContinuation<Result<Outcome, ClientError>, Never>?
    }

    nonisolated let loop: EventLoop
    let configuration: Configuration
    let path: String
    var link: Link?
    var failure: ClientError?
    var flights: [RequestID: Flight] = [:]
    var inquiries: [Inquiry.Key: [Inquiry]] = [:]
    var inquiriesMade: UInt64 = 0
    /// Waits in ``close()``.
    var closing: CheckedContinuation<Void, Never>?
    /// An `ACK` or `CANCEL` was sent that nobody waits for the answer of.
    var hasUnconfirmed = false
    /// When and how the broker's socket was looked at last.
    private var look: (at: Moment, result: Reachability)?

    /// Runs on the loop's thread.
    public nonisolated var unownedExecutor: UnownedSerialExecutor { unsafe loop.asUnownedSerialExecutor() }

    private init(_ configuration: Configuration, path: String, on loop: EventLoop) {
        self.configuration = configuration
        self.path = path
        self.loop = loop
    }

    deinit { loop.shutDown() }

    /// Makes a client, which connects as soon as there is a broker; does not wait for one.
    ///
    /// In a directory that is the fallback in `/tmp` it connects only if nobody but this user can have made it. When such a
    /// one comes later, or takes its place, the client ends: its calls fail with `badPath`.
    ///
    /// - Throws: `badPath` or `system`.
    public static func connect(_ configuration: Configuration) async throws(ClientError) -> UnderstudyClient {
        let path: String
        let loop: EventLoop
        do {
            path = try configuration.directory.socketPath("agents.sock")
            loop = try EventLoop(name: "client")
        } catch {
            throw ClientError(error is EndpointError ? .badPath : .system, "\(error)")
        }
        let client = UnderstudyClient(configuration, path: path, on: loop)
        try await client.open()
        return client
    }

    /// Makes a client of the broker whose sockets are in `directory`, with the defaults for all else.
    public static func connect(to directory: EndpointDirectory) async throws(ClientError) -> UnderstudyClient {
        try await connect(Configuration(directory: directory))
    }

    /// Ends the client: calls that wait fail with `closed`. The broker goes on with what it accepted.
    ///
    /// Says goodbye to a broker that is there, and waits a moment for its answer: acknowledgements and cancellations that
    /// were sent have arrived by then.
    public nonisolated func close() async {
        await settleLast()
        await shut(ClientError(.closed, "the client was closed"))
        loop.shutDown()
        await loop.ended()
    }

    // MARK: Calls

    /// Sends a request and waits for its end.
    ///
    /// Cancelling the task cancels the request at the broker too.
    ///
    /// - Parameters:
    ///   - body: An OpenAI Chat Completions request as JSON, at most 8 MiB.
    ///   - header: Deadline, priority, task and so on.
    ///   - id: A name of the caller's own, under which the request can be asked for again; nil for a random one. The
    ///     same id is the same request: it is not run twice.
    ///   - acknowledgement: Who lets the broker forget the terminal.
    ///   - onChunk: Gets the pieces of a streamed answer, in their order, on the client's thread: it must be quick. With
    ///     it the request asks for a stream. The reply is complete all the same.
    ///   - onAccepted: Called at each `ACCEPTED`, on the client's thread: it must be quick.
    /// - Throws: ``ClientError`` when the bus gave no answer.
    public func submit(
        _ body: Bytes,
        header: RequestHeader = RequestHeader(),
        id: RequestID? = nil,
        acknowledgement: Acknowledgement = .automatic,
        onChunk: (@Sendable (StreamChunk) -> Void)? = nil,
        onAccepted: AcceptanceHandler? = nil
    ) async throws(ClientError) -> Outcome {
        var header = header
        if onChunk != nil { header.stream = true }
        let stream = onChunk.map { ChunkOrder(deliver: $0) }
        return try await follow(id ?? .random(), body, header, .own, acknowledgement, onAccepted, stream)
    }

    /// Waits for the end of a request that another client, process or program has sent.
    ///
    /// - Parameters:
    ///   - id: The request's.
    ///   - patience: How long to wait at most; then `noAnswer`.
    ///   - acknowledgement: Who lets the broker forget the terminal.
    ///   - cancels: Whether cancelling the task cancels the request; if not, it only stops waiting.
    /// - Throws: ``ClientError``: `unknown` or `gone` when there is no such request, or its terminal is gone.
    public func attach(
        to id: RequestID,
        patience: Duration = Limits.deadline.upperBound,
        acknowledgement: Acknowledgement = .automatic,
        cancels: Bool = false
    ) async throws(ClientError) -> Outcome {
        let header = RequestHeader(deadline: patience)
        return try await follow(id, .empty, header, .attached(cancels: cancels), acknowledgement)
    }

    /// How far a request is, whoever sent it.
    ///
    /// - Throws: ``ClientError``: `unknown` or `gone` when there is no such request, or its terminal is gone.
    public func standing(of id: RequestID) async throws(ClientError) -> Standing {
        switch try await ask(.get(id), .get(id, wait: .zero)) {
        case .terminal(let terminal): return .ended(try Outcome(terminal))
        case .answer(.state(_, let state)): return .open(state)
        default: throw ClientError(.badAnswer, "the broker answered GET with neither a state nor a terminal")
        }
    }

    /// Cancels a request, whoever sent it, and gives what it ended in: `cancelled`, unless it was over before.
    ///
    /// - Throws: ``ClientError``: `unknown` or `gone` when there is no such request, or its terminal is gone.
    public func cancel(_ id: RequestID) async throws(ClientError) -> Outcome {
        guard case .terminal(let terminal) = try await ask(.cancel(id), .cancel(id)) else {
            throw ClientError(.badAnswer, "the broker answered CANCEL with another message than a terminal")
        }
        return try Outcome(terminal)
    }

    /// Lets the broker forget the terminal of a request, and waits until it has. A second time does no harm.
    ///
    /// - Throws: ``ClientError``: `refused` while there is no terminal, `unknown` when there is no such request.
    public func acknowledge(_ id: RequestID) async throws(ClientError) {
        _ = try await ask(.acknowledge(id), .acknowledge(id))
    }

    /// Reports how an agent's task ended, and waits until the broker has it.
    public func reportTask(_ report: TaskReport) async throws(ClientError) {
        _ = try await ask(.task(report.task), .task(report))
    }

    /// Greets the broker.
    ///
    /// - Parameter name: What the client calls itself; at most 128 bytes.
    public func hello(name: String? = nil) async throws(ClientError) -> AgentWelcome {
        let answer = try await ask(.hello, .hello(AgentHello(client: name)))
        guard case .answer(.welcome(let welcome)) = answer else {
            throw ClientError(.badAnswer, "the broker answered HELLO with another message than WELCOME")
        }
        return welcome
    }

    /// Asks the broker for a sign of life and says how long it took.
    @discardableResult
    public func ping() async throws(ClientError) -> Duration {
        inquiriesMade += 1
        let token = Array("ping-\(inquiriesMade)".utf8)
        let begun = loop.now()
        _ = try await ask(.ping(token), .ping(token: token))
        return begun.duration(to: loop.now())
    }

    /// What the broker tells about itself: one JSON document, see `protocol/README.md`.
    public func read(_ subject: SystemSubject) async throws(ClientError) -> Bytes {
        let answer = try await ask(.system(subject), .get(subject.id, wait: .zero))
        guard case .answer(.document(_, let document)) = answer else {
            throw ClientError(.badAnswer, "the broker answered GET \(subject.id) with another message than a document")
        }
        return document
    }

    /// How the broker's socket looks; looked at once for all that ask at the same time.
    func reachability() -> Reachability {
        let now = loop.now()
        if let look, look.at.duration(to: now) < .milliseconds(100) { return look.result }
        let result = Reachability.check(path: path)
        look = (now, result)
        return result
    }
}
