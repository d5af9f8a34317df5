import BusProtocol

/// Who a message of the broker is for.
extension UnderstudyClient {
    func receive(_ inbound: AgentInbound) {
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
}
