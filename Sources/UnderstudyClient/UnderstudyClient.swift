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
        /// Most requests open at once; further ones fail with `tooMany`.
        public var openRequestsMax: Int

        /// Makes a configuration.
        public init(
            directory: EndpointDirectory,
            patience: Duration = .seconds(15),
            openRequestsMax: Int = 100_000
        ) {
            self.directory = directory
            self.patience = patience
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
    private var closing: CheckedContinuation<Void, Never>?
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

    // MARK: Life

    /// Longest wait of ``close()`` for the broker: unsent messages do not outlive the socket.
    private static let closeWaitMax: Duration = .milliseconds(500)

    /// Says goodbye to a broker that is there, and waits for a moment until it has read all that was sent.
    private func settleLast() async {
        guard failure == nil, closing == nil else { return }
        await withCheckedContinuation { waiter in
            closing = waiter
            sayBye()
            loop.schedule(at: loop.now().advanced(by: Self.closeWaitMax)) { [weak self] in
                self?.assumeIsolated { $0.endSettling() }
            }
        }
    }

    /// Messages of one connection are read in their order, so the `OK` stands for all of them.
    private func sayBye() {
        hasUnconfirmed = false
        if link?.send(AgentMessage.bye.encoded()) != true { endSettling() }
    }

    /// The broker has read all that was sent before the `BYE`. The terminal of a cancelled request may have come
    /// meanwhile, and its `ACK` be on its way.
    private func saidBye() {
        guard closing != nil else { return }
        if hasUnconfirmed { sayBye() } else { endSettling() }
    }

    private func endSettling() {
        closing?.resume()
        closing = nil
    }

    private func open() throws(ClientError) {
        do {
            link = try Link(
                directory: configuration.directory,
                loop: loop,
                onConnection: { [weak self] in self?.assumeIsolated { $0.reconnected() } },
                onFailure: { [weak self] error in self?.assumeIsolated { $0.shut(Self.error(error)) } },
                onMessage: { [weak self] inbound in self?.assumeIsolated { $0.receive(inbound) } }
            )
        } catch let error as EndpointError {
            throw Self.error(error)
        } catch {
            throw ClientError(.system, "cannot connect to \(path): \(error)")
        }
    }

    private static func error(_ error: any Error) -> ClientError {
        ClientError((error as? EndpointError).map { $0.code == .system ? .system : .badPath } ?? .system, "\(error)")
    }

    private func shut(_ error: ClientError) {
        guard failure == nil else { return }
        failure = error
        endSettling()
        link?.close()
        link = nil
        for flight in flights.values {
            if let timer = flight.timer { loop.cancel(timer) }
            flight.answer?.resume(returning: .failure(error))
        }
        flights = [:]
        for inquiry in inquiries.values.joined() {
            if let timer = inquiry.timer { loop.cancel(timer) }
            inquiry.answer.resume(returning: .failure(error))
        }
        inquiries = [:]
    }

    /// A connection is ready: what was sent on an earlier one may be lost.
    private func reconnected() {
        for id in Array(flights.keys) { step(id, .connected) }
        for (key, list) in inquiries {
            for inquiry in list { send(key, inquiry.number) }
        }
    }

    private func receive(_ inbound: AgentInbound) {
        switch inbound {
        case .terminal(let terminal):
            settleAll(.get(terminal.id), .success(inbound))
            settleAll(.cancel(terminal.id), .success(inbound))
            step(terminal.id, .terminal, terminal)
        case .chunk(let id, let header, let body):
            flights[id]?.stream?.take(header, body)
        case .answer(let answer): take(answer)
        }
    }

    private func take(_ answer: AgentReply) {
        switch answer {
        case .welcome: settle(.hello, .success(.answer(answer)))
        case .pong(let token): settle(.ping(token), .success(.answer(answer)))
        case .accepted(let id, let durability, let isDuplicate):
            flights[id]?.onAccepted?(durability, isDuplicate)
            step(id, .accepted)
        case .rejected(let id, let error): step(id, .rejected(error))
        case .state(let id, _):
            if inquiries[.get(id)] != nil {
                settle(.get(id), .success(.answer(answer)))
            } else {
                step(id, .state)
            }
        case .document(let id, _):
            if let subject = SystemSubject(id) { settle(.system(subject), .success(.answer(answer))) }
        case .ok(let bytes):
            // Only the answer to `BYE` names nothing.
            guard let id = Self.id(bytes) else { return saidBye() }
            settle(inquiries[.acknowledge(id)] == nil ? .task(id) : .acknowledge(id), .success(.answer(answer)))
        case .error(let bytes, let error):
            guard let id = Self.id(bytes) else {
                settle(bytes.isEmpty ? .hello : .ping(bytes), .failure(ClientError(.refused, error)))
                return
            }
            if let key = [.get(id), .cancel(id), .acknowledge(id)].first(where: { inquiries[$0] != nil }) {
                settle(key, .failure(ClientError(error)))
            } else if flights[id] != nil {
                step(id, .error(error))
            } else if let subject = SystemSubject(id) {
                settle(.system(subject), .failure(ClientError(.refused, error)))
            } else if error.code != .unknownRequest, error.code != .unexpected {
                // Those two answer an `ACK`, of which nobody need know: a terminal that is gone already.
                settle(.task(id), .failure(ClientError(.refused, error)))
                settle(.ping(bytes), .failure(ClientError(.refused, error)))
            }
        }
    }

    private static func id(_ bytes: [UInt8]) -> RequestID? {
        unsafe bytes.withUnsafeBytes { unsafe RequestID(bytes: $0) }
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
