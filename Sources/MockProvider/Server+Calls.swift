import CoreTypes
import EventLoop
import JSON
import Synchronization

extension Server {
    func answerChat(_ request: Request, on connection: Connection) {
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
    func answerRecorded(_ request: Request, at endpoint: Endpoint, on connection: Connection) {
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
