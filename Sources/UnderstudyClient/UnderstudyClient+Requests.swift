import BusProtocol
import CoreTypes
import EventLoop
import ZeroMQ

/// Carries out what ``RequestExchange`` decides.
extension UnderstudyClient {
    /// Sends or asks for a request and waits for its end.
    func follow(
        _ id: RequestID,
        _ body: Bytes,
        _ header: RequestHeader,
        _ origin: RequestExchange.Origin,
        _ acknowledgement: Acknowledgement,
        _ onAccepted: AcceptanceHandler? = nil,
        _ stream: ChunkOrder? = nil
    ) async throws(ClientError) -> Outcome {
        try check(body, id)
        let result = await withTaskCancellationHandler {
            await withCheckedContinuation { answer in
                begin(id, body, header, origin, acknowledgement, onAccepted, stream, answer)
            }
        } onCancel: {
            // Queued, so that it comes after the beginning.
            loop.execute { [weak self] in self?.assumeIsolated { $0.step(id, .cancel) } }
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

    private func begin(
        _ id: RequestID,
        _ body: Bytes,
        _ header: RequestHeader,
        _ origin: RequestExchange.Origin,
        _ acknowledgement: Acknowledgement,
        _ onAccepted: AcceptanceHandler?,
        _ stream: ChunkOrder?,
        _ answer: CheckedContinuation<Result<Outcome, ClientError>, Never>
    ) {
        let now = loop.now()
        var exchange = RequestExchange(
            header: header,
            origin: origin,
            acknowledges: acknowledgement == .automatic,
            watch: ReachabilityWatch(patience: configuration.patience, path: path),
            now: now
        )
        let effects = exchange.begin(now: now)
        flights[id] = Flight(
            exchange: exchange,
            header: header,
            body: body,
            stream: stream,
            onAccepted: onAccepted,
            answer: answer
        )
        perform(effects, id, nil)
        setTimer(id)
    }

    func step(_ id: RequestID, _ input: RequestExchange.Input, _ terminal: Terminal? = nil) {
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
}
