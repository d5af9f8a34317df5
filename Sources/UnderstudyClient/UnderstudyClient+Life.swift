import BusProtocol
import CoreTypes
import EventLoop
import ZeroMQ

/// A client begins, is connected again and again, and ends.
extension UnderstudyClient {
    /// Longest wait of ``close()`` for the broker: unsent messages do not outlive the socket.
    private static let closeWaitMax: Duration = .milliseconds(500)

    /// Says goodbye to a broker that is there, and waits for a moment until it has read all that was sent.
    func settleLast() async {
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
    func saidBye() {
        guard closing != nil else { return }
        if hasUnconfirmed { sayBye() } else { endSettling() }
    }

    private func endSettling() {
        closing?.resume()
        closing = nil
    }

    func open() throws(ClientError) {
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

    func shut(_ error: ClientError) {
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
    func reconnected() {
        for id in Array(flights.keys) { step(id, .connected) }
        for (key, list) in inquiries {
            for inquiry in list { send(key, inquiry.number) }
        }
    }
}
