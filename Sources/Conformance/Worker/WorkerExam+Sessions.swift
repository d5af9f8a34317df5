import BusProtocol

// How the worker comes to the broker.
extension WorkerExam {
    /// Takes a `READY`.
    func hearReady(within time: Duration? = nil) throws -> WorkerReady {
        guard let broker else { throw CaseEnd.failed("the broker has no socket") }
        let heard = try wait("READY", within: time) { () -> Heard? in
            if let process, let status = process.status {
                throw CaseEnd.failed("expected: READY; the worker's process ended with status \(status)")
            }
            return broker.inbox.isEmpty ? nil : broker.inbox.removeFirst()
        }
        guard heard.verb == "READY", case .ready(let ready) = try? WorkerMessage.decode(FrameList(heard.frames)) else {
            throw CaseEnd.failed("expected: READY; found \(text(heard))")
        }
        heldByReady = ready.held
        capacity = ready.capacity
        return ready
    }

    /// Answers a `READY`.
    func welcome(keep: [DeliveryKey] = [], drop: [DeliveryKey] = [], lease: Duration = WorkerExam.lease) throws {
        sessionCount += 1
        session = SessionToken("conform-\(runName)-\(sessionCount)")
        sent = 0
        granted = 0
        creditCount = 0
        held = Set(keep.map(\.wholeDelivery))
        let welcome = WorkerWelcome(
            session: session,
            epoch: epoch,
            keep: keep,
            drop: drop,
            beatInterval: Self.beatInterval,
            lease: lease
        )
        try say(BrokerMessage.welcome(welcome).encoded())
    }

    /// Takes a `READY` that holds nothing, answers it, waits for credit.
    func join() throws {
        let ready = try hearReady()
        // A worker that was connected before may hold what a former case left.
        try welcome(drop: ready.held.map(\.key))
        try wait("CREDIT after WELCOME") { granted > 0 ? true : nil }
    }

    /// Asks for a new session.
    func rejoin() throws -> WorkerReady {
        try say("BEAT", header: #"{"state":"rejoin"}"#)
        let ready = try hearReady()
        return ready
    }
}
