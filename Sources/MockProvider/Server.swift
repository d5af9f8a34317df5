import CoreTypes
import EventLoop
import JSON
import Synchronization

/// Accepts connections and answers their requests; the part of the mock that lives on the loop's thread.
///
/// `@unchecked Sendable` holds because all mutable state but the playbook, which has its lock, is touched on the
/// loop's thread only; `checkIsolated` guards the entrances.
final class Server: @unchecked Sendable {
    /// Bearer key that is refused with 401.
    static let badKey = "bad-key"

    /// Connections accepted in one turn of the loop before the others get theirs.
    private static let acceptsPerTurn = 256

    /// Pause of accepting when the process has no descriptors left.
    private static let acceptPause = Duration.milliseconds(50)

    /// Size of the buffer that all connections read with.
    private static let scratchBytes = 64 * 1024

    let loop: EventLoop
    let playbook: Mutex<Playbook>
    let script: MockScript
    let recording: MockRecording?
    /// When it was made.
    let started: Moment
    private let idleTimeout: Duration?
    private let isTimed: Bool
    private let countsTokens: Bool
    private let listener: CInt
    private var isStopped = false
    private(set) var connections: [CInt: Connection] = [:]
    /// Rises ``idleTicks`` times in each idle timeout; what connections note as the time of their last bytes.
    private(set) var idleTick: UInt32 = 0
    private var idleTimer: TimerID?
    private var clock = WallClock()
    private var callNumber = 0
    /// What all connections read into; each uses it up before it returns to the loop.
    var scratch: [UInt8]

    init(loop: EventLoop, listener: CInt, configuration: MockConfiguration) {
        self.loop = loop
        self.listener = listener
        started = loop.now()
        script = configuration.script
        recording = configuration.recording
        idleTimeout = configuration.idleTimeout.map { max(.milliseconds(1), $0) }
        isTimed = script.isTimed
        countsTokens = script.limits.contains { $0.tokens != nil }
        let playbook = Playbook(
            script: configuration.script,
            recording: configuration.recording,
            countedIDsMax: configuration.countedIDsMax
        )
        self.playbook = Mutex(playbook)
        scratch = Array(repeating: 0, count: Self.scratchBytes)
    }

    deinit {
        if !isStopped { Sockets.close(listener) }
    }

    // MARK: Connections

    /// Starts accepting. When the kernel cannot watch one more descriptor, the listener is closed and clients are
    /// refused.
    func start() {
        loop.checkIsolated()
        do throws(SystemError) {
            try loop.watch(listener, .read) { [unowned self] _ in accept() }
        } catch {
            stop()
        }
    }

    /// Closes the listener and all connections.
    func stop() {
        loop.checkIsolated()
        guard !isStopped else { return }
        isStopped = true
        if let idleTimer { loop.cancel(idleTimer) }
        idleTimer = nil
        loop.unwatch(listener)
        Sockets.close(listener)
        for connection in Array(connections.values) { connection.close() }
    }

    private func accept() {
        for _ in 0..<Self.acceptsPerTurn {
            switch Sockets.accept(listener) {
            case .connection(let descriptor): add(descriptor)
            case .none: return
            case .again: continue
            case .exhausted: return pauseAccepting()
            }
        }
    }

    private func add(_ descriptor: CInt) {
        let connection = Connection(descriptor: descriptor, server: self)
        connections[descriptor] = connection
        watchIdleness()
        do throws(SystemError) {
            try connection.start()
        } catch {
            // Clients see a close; the kernel's limit of watched descriptors is reached.
            connection.close()
        }
    }

    /// A level-triggered listener would keep the loop busy while nothing can be accepted.
    private func pauseAccepting() {
        loop.update(listener, [])
        loop.schedule(at: loop.now().advanced(by: Self.acceptPause)) { [weak self] in
            guard let self, !isStopped else { return }
            loop.update(listener, .read)
        }
    }

    /// Called by a connection that has closed.
    func forget(_ descriptor: CInt, owedAnswer: Bool) {
        connections[descriptor] = nil
        if owedAnswer, !isStopped { playbook.withLock { $0.countAborted() } }
    }

    // MARK: Idleness

    /// Ticks in an idle timeout: a connection is closed by so much of the timeout late at most.
    static let idleTicks: UInt32 = 4

    /// Lets one timer look after all connections: a timer each would cost every request two changes of the queue.
    private func watchIdleness() {
        guard let idleTimeout, idleTimer == nil, !isStopped else { return }
        idleTimer = loop.schedule(at: loop.now().advanced(by: idleTimeout / Int(Self.idleTicks))) { [weak self] in
            self?.closeIdle()
        }
    }

    private func closeIdle() {
        idleTimer = nil
        idleTick &+= 1
        for connection in Array(connections.values) { connection.closeIfIdle(at: idleTick) }
        if !connections.isEmpty { watchIdleness() }
    }

    // MARK: Requests

    /// Answers a request that was read completely.
    func answer(_ request: Request, on connection: Connection) {
        let head = request.head
        let path = head.path
        let isRead = head.method == "GET"
        let isWrite = head.method == "POST"
        if path.hasSuffix("/chat/completions") {
            isWrite ? answerChat(request, on: connection) : refuseMethod(head, allowed: "POST", on: connection)
        } else if recording != nil, isWrite, let endpoint = Endpoint(path: path) {
            answerRecorded(request, at: endpoint, on: connection)
        } else if path == "/" || path == "/_mock" || path == "/_mock/" {
            isRead ? sendPage(head, on: connection) : refuseMethod(head, allowed: "GET", on: connection)
        } else if path == "/_mock/counts" {
            isRead
                ? send(countsBody(head.query), head, on: connection)
                : refuseMethod(head, allowed: "GET", on: connection)
        } else if path == "/_mock/reset" {
            guard isWrite else { return refuseMethod(head, allowed: "POST", on: connection) }
            playbook.withLock { $0.reset() }
            send(Array("{\"reset\":true}".utf8), head, on: connection)
        } else if path == "/_mock/health" {
            send(Array("{\"status\":\"ok\"}".utf8), head, on: connection)
        } else if path.hasSuffix("/models") {
            isRead ? send(modelsBody(), head, on: connection) : refuseMethod(head, allowed: "GET", on: connection)
        } else {
            let message = "Unknown request URL: \(head.method) \(path). Please check the URL for typos."
            send(ErrorBody.refusal(404, message, code: "unknown_url"), head, on: connection)
        }
    }

    /// Answers bytes that are no acceptable request; the connection ends with it.
    func refuse(status: Int, reason: String, on connection: Connection) {
        let refusal = ErrorBody.refusal(status, "The request could not be read: \(reason).")
        let (body, type) = ErrorBody.content(of: refusal, model: "")
        connection.send(player().response(status: status, body: body, type: type, keepsAlive: false))
    }

    private func player() -> Player {
        let date = clock.httpDate()
        return Player(unixSeconds: clock.second, date: date)
    }

    private func send(_ body: [UInt8], _ head: RequestHead, on connection: Connection) {
        connection.send(player().response(status: 200, body: body, keepsAlive: head.keepsAlive))
    }

    private func send(_ status: MockStatus, _ head: RequestHead, on connection: Connection) {
        let (body, type) = ErrorBody.content(of: status, model: "")
        let response = player().response(
            status: status.code,
            headers: status.headers,
            body: body,
            type: type,
            keepsAlive: head.keepsAlive
        )
        connection.send(response)
    }

    /// Answers with the page for people.
    private func sendPage(_ head: RequestHead, on connection: Connection) {
        let response = player().response(
            status: 200,
            headers: StatusPage.headers,
            body: StatusPage.html(statusView()),
            type: "text/html; charset=utf-8",
            keepsAlive: head.keepsAlive
        )
        connection.send(response)
    }

    private func refuseMethod(_ head: RequestHead, allowed: String, on connection: Connection) {
        let message = "Not allowed to \(head.method) on \(head.path)."
        var refusal = ErrorBody.refusal(405, message, code: "method_not_supported")
        refusal.headers = [MockHeader("allow", allowed)]
        send(refusal, head, on: connection)
    }

    private func answerChat(_ request: Request, on connection: Connection) {
        let head = request.head
        connection.oweAnswer()
        if head.bearer == Self.badKey {
            playbook.withLock { $0.countRefused(id: head.requestID, status: 401) }
            return send(MockStatus(401), head, on: connection)
        }
        let question = recording == nil ? nil : self.question(request, at: .chat)
        switch ChatRequest.read(request.body, withTokens: countsTokens) {
        case .failure(let refusal):
            let decision = question.flatMap { question in
                playbook.withLock { $0.decideRecorded(question, id: head.requestID) }
            }
            if let decision {
                let chat = ChatRequest(model: question?.model ?? "", messageBytes: request.body.count, isStream: false)
                return play(decision, of: chat, head, on: connection)
            }
            playbook.withLock { $0.countRefused(id: head.requestID, status: refusal.answer.code) }
            send(refusal.answer, head, on: connection)
        case .success(let chat):
            decide(chat, at: .chat, question, head, on: connection)
        }
    }

    /// Answers a call to a service other than chat completions, which has recorded answers only.
    private func answerRecorded(_ request: Request, at endpoint: Endpoint, on connection: Connection) {
        let head = request.head
        connection.oweAnswer()
        let status = MockStatus(head.bearer == Self.badKey ? 401 : 400, body: endpoint.errorBody)
        guard status.code != 401, let question = self.question(request, at: endpoint), let model = question.model else {
            playbook.withLock { $0.countRefused(id: head.requestID, status: status.code) }
            return send(status, head, on: connection)
        }
        let chat = ChatRequest(model: model, messageBytes: request.body.count, isStream: question.isStream)
        decide(chat, at: endpoint, question, head, on: connection)
    }

    /// What a request is compared with a recording by; nil when its body is no JSON.
    private func question(_ request: Request, at endpoint: Endpoint) -> MockExchange.Question? {
        let limits = JSONLimits(byteCountMax: RequestParser.bodyBytesMax)
        guard let body = try? JSONValue(parsing: request.body, limits: limits) else { return nil }
        return MockExchange.Question(endpoint: endpoint, path: request.head.path, body: body)
    }

    private func decide(
        _ chat: ChatRequest,
        at endpoint: Endpoint,
        _ question: MockExchange.Question?,
        _ head: RequestHead,
        on connection: Connection
    ) {
        let ask = Playbook.Ask(
            model: chat.model,
            id: head.requestID,
            key: head.bearer,
            tokens: chat.tokensAsked,
            endpoint: endpoint,
            question: question,
            now: isTimed ? loop.now() : .zero
        )
        play(playbook.withLock { $0.decide(ask) }, of: chat, head, on: connection)
    }

    private func play(
        _ decision: Playbook.Decision,
        of chat: ChatRequest,
        _ head: RequestHead,
        on connection: Connection
    ) {
        callNumber += 1
        let call = Call(
            request: chat,
            outcome: decision.outcome,
            exchange: decision.exchange,
            limit: decision.limit,
            number: callNumber,
            isOldHTTP: head.isOldHTTP,
            keepsAlive: head.keepsAlive
        )
        guard decision.latencyMilliseconds > 0 else { return play(call, on: connection) }
        connection.wait(.milliseconds(decision.latencyMilliseconds)) { self.play(call, on: connection) }
    }

    private func play(_ call: Call, on connection: Connection) {
        if let response = player().response(to: call) {
            connection.send(response)
        } else if call.outcome == .resetBeforeHead {
            connection.reset()
        }
    }
}
