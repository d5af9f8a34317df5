import BusProtocol
import CoreTypes
import EventLoop
import ZeroMQ

/// Messages with one short answer: sent again on silence and after a reconnection.
extension UnderstudyClient {
    func ask(_ key: Inquiry.Key, _ message: AgentMessage) async throws(ClientError) -> AgentInbound {
        if let failure { throw failure }
        let result = await withCheckedContinuation { answer in
            inquiriesMade += 1
            let inquiry = Inquiry(
                number: inquiriesMade,
                message: message.encoded(),
                giveUpAt: loop.now().advanced(by: configuration.answerPatience),
                watch: ReachabilityWatch(patience: configuration.patience, path: path),
                answer: answer
            )
            inquiries[key, default: []].append(inquiry)
            send(key, inquiry.number)
        }
        return try result.get()
    }

    func send(_ key: Inquiry.Key, _ number: UInt64) {
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
            let text = "a broker is at \(path), but did not answer within \(configuration.answerPatience)"
            settle(key, .failure(ClientError(.noAnswer, text)), number)
        } else {
            send(key, number)
        }
    }

    /// Ends every inquiry of the key.
    func settleAll(_ key: Inquiry.Key, _ result: Result<AgentInbound, ClientError>) {
        while inquiries[key] != nil { settle(key, result) }
    }

    /// Ends the inquiry of this number, or the eldest of the key.
    func settle(_ key: Inquiry.Key, _ result: Result<AgentInbound, ClientError>, _ number: UInt64? = nil) {
        guard var list = inquiries[key],
            let index = number == nil ? list.indices.first : list.firstIndex(where: { $0.number == number })
        else { return }
        let inquiry = list.remove(at: index)
        inquiries[key] = list.isEmpty ? nil : list
        if let timer = inquiry.timer { loop.cancel(timer) }
        inquiry.answer.resume(returning: result)
    }
}
