import BusProtocol
import ZeroMQ

/// What the agents do that the tester plays.
extension BrokerExam {
    /// Sends a `REQUEST` with a new id and gives the id.
    func request(
        _ agent: Peer,
        id: String? = nil,
        header: String = "",
        body: [[UInt8]] = [BrokerExam.body]
    ) throws -> String {
        let id = id ?? newID()
        ids.append(id)
        try send(agent, "REQUEST", id: Array(id.utf8), header: header, body: body)
        return id
    }

    /// Sends a `REQUEST` and takes the `ACCEPTED`.
    func accepted(
        _ agent: Peer,
        id: String? = nil,
        header: String = "",
        body: [[UInt8]] = [BrokerExam.body]
    ) throws -> String {
        let id = try request(agent, id: id, header: header, body: body)
        try expect(agent, "ACCEPTED", id: Array(id.utf8))
        return id
    }

    /// Sends a message without body and takes its answer.
    func ask(_ agent: Peer, _ verb: String, _ id: String, header: String = "") throws -> Heard {
        try send(agent, verb, id: Array(id.utf8), header: header)
        return try next(agent, "the answer to \(verb)")
    }

    /// Sends a message without body whose answer must have this verb and code.
    func ask(_ agent: Peer, _ verb: String, _ id: String, gets answer: String, code: Int? = nil) throws {
        try send(agent, verb, id: Array(id.utf8))
        try expect(agent, answer, id: Array(id.utf8), code: code)
    }

    /// Checks that the connection is served, and that nothing came before the answer.
    func checkServed(_ agent: Peer) throws {
        let token = newID()
        try send(agent, "PING", id: Array(token.utf8), isQuiet: true)
        try expect(agent, "PONG", id: Array(token.utf8))
    }

    /// Checks that nothing is in the way: a broker that answers and has no worker of its own.
    func checkIsAlone() throws {
        let socket = try directory.socketPath("agents.sock")
        // It may have been started a moment ago.
        let end = ContinuousClock.now.advanced(by: .seconds(2))
        var reachability = Reachability.check(path: socket)
        while reachability != .listening, ContinuousClock.now < end {
            try pause(.milliseconds(50))
            reachability = Reachability.check(path: socket)
        }
        guard reachability == .listening else {
            throw ConformanceError(.unreachable, reachability.explanation(path: socket))
        }
        if directory.isFallback { try directory.check() }
        let agent = try agent()
        do {
            let id = try accepted(agent)
            try pause(.milliseconds(300))
            let state = try ask(agent, "GET", id)
            guard state.verb == "STATE", state.string("state") == "queued" else {
                throw ConformanceError(
                    .unsuitable,
                    "a worker is connected to the broker and takes requests; end it: the tester plays the workers"
                )
            }
        } catch CaseEnd.failed(let text) {
            throw ConformanceError(.unreachable, "the broker does not take a request: \(text)")
        }
    }
}
