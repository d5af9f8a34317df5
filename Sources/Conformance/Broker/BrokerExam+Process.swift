import Glibc
import JSON
import ZeroMQ

// The broker's process, where it is the tester's to start and stop.
extension BrokerExam {
    /// The broker's process.
    ///
    /// - Throws: ``CaseEnd/skipped(_:)`` when it is not the tester's.
    func brokerProcess() throws -> ExaminedBroker {
        guard let broker else { throw CaseEnd.skipped("stops the broker: give -- and the command that starts it") }
        return broker
    }

    /// Starts the broker unless it runs or is not the tester's, and waits until it listens.
    func startBroker() throws {
        guard let broker, !broker.isRunning else { return }
        note("the broker begins: pid \(try broker.start())")
        let sockets = try ["agents.sock", "workers.sock"].map { try directory.socketPath($0) }
        try wait("the broker listens", within: .seconds(30)) {
            if let status = broker.status { throw CaseEnd.failed("the broker has ended with status \(status)") }
            return sockets.allSatisfy { Reachability.check(path: $0) == .listening } ? true : nil
        }
    }

    /// Kills the broker and starts it again, on what it left. Its agents are gone; workers stay, and say nothing by
    /// themselves.
    func killBroker() throws {
        let broker = try brokerProcess()
        for worker in workers { worker.isAlive = false }
        broker.signal(SIGKILL)
        try waitForBrokersEnd()
        note("it was killed")
        for peer in peers where peer.grammar == .brokerToAgent { drop(peer) }
        try startBroker()
    }

    /// Waits until the broker that was told to stop has stopped.
    func waitForBrokersEnd(within time: Duration? = nil) throws {
        let broker = try brokerProcess()
        try wait("the broker ends", within: time) { broker.status.map { note("the broker ends with status \($0)") } }
    }

    /// The durabilities that are on offer.
    func durabilities() throws -> Set<String> {
        let agent = try agent()
        try send(agent, "HELLO")
        let welcome = try expect(agent, "WELCOME")
        return Set(welcome.header["durabilities"]?.arrayValue?.compactMap(\.stringValue) ?? [])
    }

    /// Skips the case of a broker that keeps nothing on disk.
    func requireDisk() throws {
        guard try durabilities().contains("disk") else {
            throw CaseEnd.skipped("this broker does not offer durability disk")
        }
    }

    /// Takes the terminal of `id` from what comes to `peer`, and leaves what is of others.
    func terminal(_ peer: Peer, _ id: String, within time: Duration? = nil) throws -> Heard {
        try wait("\(peer.name) gets the terminal of \(id)", within: time) {
            let index = peer.inbox.firstIndex { ["REPLY", "FAILURE"].contains($0.verb) && $0.idText == id }
            return index.map { peer.inbox.remove(at: $0) }
        }
    }
}
