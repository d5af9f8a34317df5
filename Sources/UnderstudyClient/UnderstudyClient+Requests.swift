import BusProtocol
import CoreTypes
import EventLoop
import ZeroMQ

/// Carries out what ``RequestExchange`` decides.
extension UnderstudyClient {
    func begin(
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
