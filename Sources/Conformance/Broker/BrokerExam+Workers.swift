import BusProtocol
import Glibc
import ZeroMQ

/// What the workers do that the tester plays.
extension BrokerExam {
    /// A worker with a session.
    ///
    /// - Parameter credit: Its `granted_total`; nil says nothing.
    func worker(capacity: Int = 100, credit: Int? = nil) throws -> PlayedWorker {
        let peer = try workerConnection()
        let worker = PlayedWorker(peer, name: "conform-\(runName)-\(partCount)", capacity: capacity)
        workers.append(worker)
        peer.onMessage = { heard in
            guard heard.verb == "BEAT" else { return false }
            let state = heard.string("state") ?? ""
            worker.beats.append((state, heard.time))
            // A broker under load says `quiet`.
            return state == "run" || state == "quiet"
        }
        try ready(worker)
        if let credit { try grant(worker, credit) }
        return worker
    }

    /// Says `READY` and takes the `WELCOME`.
    @discardableResult
    func ready(_ worker: PlayedWorker, held: [WorkerReady.Held] = []) throws -> WorkerWelcome {
        let ready = WorkerReady(name: worker.name, pid: getpid(), capacity: worker.capacity, held: held)
        try send(worker.peer, raw: WorkerMessage.ready(ready).encoded().frameList().frames)
        let heard = try wait("\(worker.peer.name) gets WELCOME") {
            // What was sent to the session before may come first.
            worker.peer.inbox.firstIndex { $0.verb == "WELCOME" }.map { worker.peer.inbox.remove(at: $0) }
        }
        guard case .welcome(let welcome) = try? BrokerMessage.decode(FrameList(heard.frames)) else {
            throw CaseEnd.failed("expected: a WELCOME; found \(text(heard))")
        }
        worker.peer.inbox.removeAll()
        worker.welcome = welcome
        worker.isAlive = true
        worker.nextBeat = ContinuousClock.now.advanced(by: welcome.beatInterval)
        return welcome
    }

    func grant(_ worker: PlayedWorker, _ total: Int) throws {
        try send(worker.peer, "CREDIT", header: #"{"granted_total":\#(total)}"#)
    }

    /// The next `JOB` of `worker`, which must be for the request `id`.
    func job(_ worker: PlayedWorker, id: String? = nil, within time: Duration? = nil) throws -> PlayedJob {
        let heard = try expect(worker.peer, "JOB", within: time)
        guard case .job(let key, let header) = try? BrokerMessage.decode(FrameList(heard.frames)) else {
            throw CaseEnd.failed("expected: a JOB; found \(text(heard))")
        }
        if let id, header.id.text != id {
            throw CaseEnd.failed("expected: a JOB of request \(id); found one of \(header.id)")
        }
        try check(header.session == worker.welcome?.session, "JOB with the session of WELCOME; found \(text(heard))")
        return PlayedJob(key: key, header: header, body: heard.body)
    }

    /// Says `START` for an attempt.
    func start(_ worker: PlayedWorker, _ job: PlayedJob, attempt: UInt32? = nil) throws {
        let key = DeliveryKey(
            job: job.key.job,
            delivery: job.key.delivery,
            attempt: attempt ?? job.header.firstAttempt
        )
        try send(worker.peer, "START", id: key.bytes, header: PlayedWorker.lane)
    }

    /// Says `START` and takes the `GO`.
    func go(_ worker: PlayedWorker, _ job: PlayedJob, attempt: UInt32? = nil) throws {
        try start(worker, job, attempt: attempt)
        let key = DeliveryKey(
            job: job.key.job,
            delivery: job.key.delivery,
            attempt: attempt ?? job.header.firstAttempt
        )
        let heard = try expect(worker.peer, "GO", id: key.bytes)
        try check(
            heard.string("session") == worker.welcome?.session.text,
            "GO with the session of WELCOME; found \(text(heard))"
        )
    }

    /// Says `START` and takes the `NOGO`, which must give `reason`.
    func noGo(_ worker: PlayedWorker, _ key: DeliveryKey, _ reason: String) throws {
        try send(worker.peer, "START", id: key.bytes, header: PlayedWorker.lane)
        let heard = try expect(worker.peer, "NOGO", id: key.bytes)
        try check(heard.string("reason") == reason, "NOGO with reason \(reason); found \(text(heard))")
    }

    /// Says `REPLY`.
    func reply(_ worker: PlayedWorker, _ key: DeliveryKey, body: [[UInt8]] = [BrokerExam.completion]) throws {
        try send(
            worker.peer,
            "REPLY",
            id: key.wholeDelivery.bytes,
            header: Self.replyHeader,
            body: [Array("{}".utf8)] + body
        )
    }

    /// Says `FAILURE` of a class.
    func fail(_ worker: PlayedWorker, _ key: DeliveryKey, code: Int = 604, symbol: String = "server_error") throws {
        let header = """
            {"code":\(code),"symbol":"\(symbol)","message":"played","retry":"new_id","billed":"maybe",\
            "class":"\(symbol)","meta":null}
            """
        try send(worker.peer, "FAILURE", id: key.wholeDelivery.bytes, header: header, body: [Array("{}".utf8)])
    }

    func giveBack(_ worker: PlayedWorker, _ key: DeliveryKey, _ reason: String) throws {
        try send(worker.peer, "RETURN", id: key.wholeDelivery.bytes, header: #"{"reason":"\#(reason)"}"#)
    }

    /// Replies, and takes the `ACK`; a `JOB` for the place that is free may come before it.
    func finish(_ worker: PlayedWorker, _ job: PlayedJob) throws {
        try reply(worker, job.key)
        let id = job.key.wholeDelivery.bytes
        try wait("\(worker.peer.name) gets ACK of \(job.key.wholeDelivery)") {
            worker.peer.inbox.firstIndex { $0.verb == "ACK" && $0.id == id }.map { worker.peer.inbox.remove(at: $0) }
        }
    }
}
