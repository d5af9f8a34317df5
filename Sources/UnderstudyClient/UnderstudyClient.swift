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

    /// A request on its way.
    private struct Flight {
        var exchange: RequestExchange
        let header: RequestHeader
        let body: Bytes
        var timer: TimerID?
        var answer: CheckedContinuation<Result<Outcome, ClientError>, Never>?
    }

    private nonisolated let loop: EventLoop
    private let configuration: Configuration
    private let path: String
    private var link: Link?
    private var failure: ClientError?
    private var flights: [RequestID: Flight] = [:]
    private var inquiries: [Inquiry.Key: [Inquiry]] = [:]
    private var inquiriesMade: UInt64 = 0
    /// Waits in ``close()``.
    private var closing: CheckedContinuation<Void, Never>?
    /// An `ACK` or `CANCEL` was sent that nobody waits for the answer of.
    private var hasUnconfirmed = false
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
    /// Waits a moment until acknowledgements and cancellations that were sent have arrived.
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
    /// - Throws: ``ClientError`` when the bus gave no answer.
    public func submit(
        _ body: Bytes,
        header: RequestHeader = RequestHeader(),
        id: RequestID? = nil
    ) async throws(ClientError) -> Outcome {
        let id = id ?? .random()
        try check(body, id)
        let result = await withTaskCancellationHandler {
            await withCheckedContinuation { answer in
                begin(id, body, header, answer)
            }
        } onCancel: {
            // Queued, so that it comes after the beginning.
            loop.execute { [weak self] in self?.assumeIsolated { $0.step(id, .cancel) } }
        }
        return try result.get()
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
        guard case .welcome(let welcome) = answer else {
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

    private func ask(_ key: Inquiry.Key, _ message: AgentMessage) async throws(ClientError) -> AgentReply {
        if let failure { throw failure }
        let result = await withCheckedContinuation { answer in
            inquiriesMade += 1
            let inquiry = Inquiry(
                number: inquiriesMade,
                message: message.encoded(),
                giveUpAt: loop.now().advanced(by: Inquiry.waitMax),
                watch: ReachabilityWatch(patience: configuration.patience, path: path),
                answer: answer
            )
            inquiries[key, default: []].append(inquiry)
            send(key, inquiry.number)
        }
        return try result.get()
    }

    private func check(_ body: Bytes, _ id: RequestID) throws(ClientError) {
        if let failure { throw failure }
        guard body.count <= Limits.bodyBytesMax else {
            throw ClientError(
                .tooLarge,
                "the body has \(body.count) bytes; a request may have \(Limits.bodyBytesMax)"
            )
        }
        guard flights.count < configuration.openRequestsMax else {
            throw ClientError(.tooMany, "\(flights.count) requests are open, the most this client may have")
        }
        guard flights[id] == nil else { throw ClientError(.tooMany, "a request with the id \(id) is open already") }
    }

    // MARK: Life

    /// Longest wait of ``close()`` for what was sent: unsent messages do not outlive the socket.
    private static let closeWaitMax: Duration = .milliseconds(500)
    private static let closeToken = Array("close".utf8)

    /// Waits until the broker has read what was sent, or for a moment.
    private func settleLast() async {
        guard hasUnconfirmed, failure == nil, closing == nil else { return }
        await withCheckedContinuation { waiter in
            closing = waiter
            confirm()
            loop.schedule(at: loop.now().advanced(by: Self.closeWaitMax)) { [weak self] in
                self?.assumeIsolated { $0.endSettling() }
            }
        }
    }

    /// Asks for a `PONG`: messages of one connection are read in their order.
    private func confirm() {
        hasUnconfirmed = false
        if link?.send(AgentMessage.ping(token: Self.closeToken).encoded()) != true { endSettling() }
    }

    /// The broker has read all that was sent before the `PING`. The terminal of a cancelled request may have come
    /// meanwhile, and its `ACK` be on its way.
    private func confirmed() {
        guard closing != nil else { return }
        if hasUnconfirmed { confirm() } else { endSettling() }
    }

    private func endSettling() {
        closing?.resume()
        closing = nil
    }

    private func open() throws(ClientError) {
        do {
            link = try Link(
                endpoint: "ipc://\(path)",
                loop: loop,
                onConnection: { [weak self] in self?.assumeIsolated { $0.reconnected() } },
                onFailure: { [weak self] error in self?.assumeIsolated { $0.shut(ClientError(.system, "\(error)")) } },
                onMessage: { [weak self] inbound in self?.assumeIsolated { $0.receive(inbound) } }
            )
        } catch {
            throw ClientError(.system, "cannot connect to \(path): \(error)")
        }
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
        case .terminal(let terminal): step(terminal.id, .terminal, terminal)
        case .chunk: break
        case .answer(let answer): take(answer)
        }
    }

    private func take(_ answer: AgentReply) {
        switch answer {
        case .welcome: settle(.hello, .success(answer))
        case .pong(Self.closeToken): confirmed()
        case .pong(let token): settle(.ping(token), .success(answer))
        case .accepted(let id, _, _): step(id, .accepted)
        case .rejected(let id, let error): step(id, .rejected(error))
        case .state(let id, _): step(id, .state)
        case .ok(let bytes):
            if let id = Self.id(bytes) { settle(.task(id), .success(answer)) }
        case .error(let bytes, let error):
            guard let id = Self.id(bytes) else {
                settle(bytes.isEmpty ? .hello : .ping(bytes), .failure(ClientError(.refused, error)))
                return
            }
            if flights[id] != nil {
                step(id, .error(error))
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
    private func reachability() -> Reachability {
        let now = loop.now()
        if let look, look.at.duration(to: now) < .milliseconds(100) { return look.result }
        let result = Reachability.check(path: path)
        look = (now, result)
        return result
    }

    // MARK: Requests

    private func begin(
        _ id: RequestID,
        _ body: Bytes,
        _ header: RequestHeader,
        _ answer: CheckedContinuation<Result<Outcome, ClientError>, Never>
    ) {
        let now = loop.now()
        let watch = ReachabilityWatch(patience: configuration.patience, path: path)
        var exchange = RequestExchange(header: header, watch: watch, now: now)
        let effects = exchange.begin(now: now)
        flights[id] = Flight(exchange: exchange, header: header, body: body, answer: answer)
        perform(effects, id, nil)
        setTimer(id)
    }

    private func step(_ id: RequestID, _ input: RequestExchange.Input, _ terminal: Terminal? = nil) {
        guard let effects = flights[id]?.exchange.handle(input, now: loop.now()) else { return }
        perform(effects, id, terminal)
        setTimer(id)
    }

    private func perform(_ effects: [RequestExchange.Effect], _ id: RequestID, _ terminal: Terminal?) {
        for effect in effects {
            switch effect {
            case .offer(let deadline):
                guard let flight = flights[id] else { continue }
                var header = flight.header
                header.deadline = deadline
                sendOrBlock(.request(id, header), [flight.body], id)
            case .get: sendOrBlock(.get(id, wait: .zero), [], id)
            case .cancel:
                hasUnconfirmed = true
                sendOrBlock(.cancel(id), [], id)
            case .acknowledge:
                // One that is lost is no harm: the broker forgets the terminal after its ttl.
                hasUnconfirmed = true
                _ = link?.send(AgentMessage.acknowledge(id).encoded())
            case .end(let ending):
                let answer = flights[id]?.answer
                flights[id]?.answer = nil
                answer?.resume(returning: Self.result(ending, terminal))
            case .forget:
                if let timer = flights.removeValue(forKey: id)?.timer { loop.cancel(timer) }
            }
        }
    }

    private static func result(
        _ ending: RequestExchange.Ending,
        _ terminal: Terminal?
    ) -> Result<Outcome, ClientError> {
        switch ending {
        case .failed(let error):
            return .failure(error)
        case .terminal:
            guard let terminal else { preconditionFailure("an exchange ended in a terminal that nobody put in") }
            return Result { () throws(ClientError) in try Outcome(terminal) }
        }
    }

    private func sendOrBlock(_ message: AgentMessage, _ body: [Bytes], _ id: RequestID) {
        guard link?.send(message.encoded(body: body)) != true else { return }
        // Gives no effects: it only moves the timer.
        _ = flights[id]?.exchange.handle(.blocked, now: loop.now())
    }

    private func setTimer(_ id: RequestID) {
        guard let flight = flights[id] else { return }
        if let timer = flight.timer { loop.cancel(timer) }
        flights[id]?.timer = loop.schedule(at: flight.exchange.due) { [weak self] in
            self?.assumeIsolated { client in
                client.flights[id]?.timer = nil
                client.step(id, .due(client.reachability()))
            }
        }
    }

    // MARK: Inquiries

    private func send(_ key: Inquiry.Key, _ number: UInt64) {
        guard let index = inquiries[key]?.firstIndex(where: { $0.number == number }),
            var inquiry = inquiries[key]?[index]
        else { return }
        if let timer = inquiry.timer { loop.cancel(timer) }
        let now = loop.now()
        let isSent = link?.send(inquiry.message) == true
        let wait =
            isSent ? Inquiry.interval : inquiry.wasBlocked ? RequestExchange.blockedInterval : .zero
        inquiry.wasBlocked = !isSent
        inquiry.timer = loop.schedule(at: min(now.advanced(by: wait), inquiry.giveUpAt)) { [weak self] in
            self?.assumeIsolated { $0.remind(key, number) }
        }
        inquiries[key]?[index] = inquiry
    }

    private func remind(_ key: Inquiry.Key, _ number: UInt64) {
        guard let index = inquiries[key]?.firstIndex(where: { $0.number == number }) else { return }
        inquiries[key]?[index].timer = nil
        let now = loop.now()
        if let error = inquiries[key]?[index].watch.note(reachability(), now: now) {
            settle(key, .failure(error), number)
        } else if let inquiry = inquiries[key]?[index], now >= inquiry.giveUpAt {
            let text = "a broker is at \(path), but did not answer within \(Inquiry.waitMax)"
            settle(key, .failure(ClientError(.noAnswer, text)), number)
        } else {
            send(key, number)
        }
    }

    /// Ends the inquiry of this number, or the eldest of the key.
    private func settle(_ key: Inquiry.Key, _ result: Result<AgentReply, ClientError>, _ number: UInt64? = nil) {
        guard var list = inquiries[key],
            let index = number == nil ? list.indices.first : list.firstIndex(where: { $0.number == number })
        else { return }
        let inquiry = list.remove(at: index)
        inquiries[key] = list.isEmpty ? nil : list
        if let timer = inquiry.timer { loop.cancel(timer) }
        inquiry.answer.resume(returning: result)
    }
}
