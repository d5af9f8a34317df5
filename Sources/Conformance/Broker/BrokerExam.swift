import BusProtocol
import CoreTypes
import Glibc
import JSON
import ZeroMQ

/// The stage of cases against a broker: the tester plays its agents, its workers and its subscribers.
final class BrokerExam: Exam {
    /// How an agent sends.
    enum AgentKind {
        /// DEALER without envelope.
        case attached
        /// REQ, with numbers before the empty frame or without.
        case lockStep(correlates: Bool)
        /// DEALER that makes its envelope itself: a REQ behind a proxy.
        case proxied([[UInt8]])
    }

    /// Where the broker's sockets are.
    let directory: EndpointDirectory
    /// The broker's process; nil for one that is not the tester's to stop.
    let broker: ExaminedBroker?
    /// Starts this program as a worker that can be killed: the words before the worker's own arguments.
    let workerProgram: [String]
    /// Text of a `vectors.json`; nil for the vectors that are built in only.
    let vectors: JSONValue?
    /// A body that no model need ever see.
    static let body = Array(#"{"model":"conform/none","messages":[{"role":"user","content":"conformance"}]}"#.utf8)
    /// A completion as a worker gives it.
    static let completion = Array(
        #"{"id":"c","object":"chat.completion","choices":[{"index":0,"message":{"role":"assistant","content":"ok"}}]}"#
            .utf8
    )
    static let replyHeader = #"{"meta":{"resolved_model":"conform/none","attempts":1},"x-mark": 1.50}"#

    private(set) var workers: [PlayedWorker] = []
    private var ids: [String] = []
    private var partCount = 0

    init(
        context: Context,
        stop: StopFlag,
        directory: EndpointDirectory,
        broker: ExaminedBroker?,
        workerProgram: [String],
        vectors: JSONValue?
    ) {
        self.directory = directory
        self.broker = broker
        self.workerProgram = workerProgram
        self.vectors = vectors
        super.init(context: context, stop: stop)
    }

    // MARK: Parts

    /// A connection of an agent.
    func agent(_ kind: AgentKind = .attached, routingID: [UInt8]? = nil) throws -> Peer {
        partCount += 1
        var options = SocketOptions.agent
        options.routingID = routingID
        // With it libzmq drops what has come and was not read when the broker ends.
        options.connectedPeersOnly = false
        options.frameBytesMax = 64 << 20
        options.receiveQueueMax = 0
        var socketKind = Socket.Kind.dealer
        if case .lockStep(let correlates) = kind {
            socketKind = .req
            options.correlatesRequests = correlates
        }
        let socket = try Socket(context, socketKind, options)
        let peer = add(Peer("agent \(partCount)", socket, .brokerToAgent))
        if case .proxied(let envelope) = kind { peer.envelope = envelope }
        try socket.connect(try directory.endpoint("agents.sock"))
        return peer
    }

    /// A connection to `workers.sock` that has said nothing yet.
    func workerConnection(routingID: [UInt8]? = nil) throws -> Peer {
        partCount += 1
        var options = SocketOptions.worker
        options.routingID = routingID
        let socket = try Socket(context, .dealer, options)
        let peer = add(Peer("worker \(partCount)", socket, .brokerToWorker))
        try socket.connect(try directory.endpoint("workers.sock"))
        return peer
    }

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

    // MARK: Requests

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
        let reachability = Reachability.check(path: socket)
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

    // MARK: Time and end

    override func begin(limit time: Duration) throws {
        try super.begin(limit: time)
        try startBroker()
    }

    override func turn() throws {
        broker?.pump()
        let now = ContinuousClock.now
        for worker in workers where worker.isAlive && now >= worker.nextBeat {
            guard let welcome = worker.welcome else { continue }
            worker.nextBeat = now.advanced(by: max(welcome.beatInterval, .milliseconds(50)))
            let beat = WorkerMessage.beat(WorkerBeat(held: 0)).encoded().frameList().frames
            _ = try worker.peer.socket.send(beat.map { Bytes($0) })
        }
    }

    /// Closes the connection of a worker, whose process stays.
    func disconnect(_ worker: PlayedWorker) {
        worker.isAlive = false
        drop(worker.peer)
    }

    /// Leaves the broker as it was: ends every request of the case, then its workers.
    func cleanUp() {
        extend(.seconds(10))
        for peer in peers { peer.isReading = false }
        do {
            try startBroker()
            let janitor = try agent()
            var open = Set(ids)
            for id in ids { try send(janitor, "CANCEL", id: Array(id.utf8), isQuiet: true) }
            try wait("the end of all requests", within: .seconds(5)) {
                for heard in janitor.inbox where ["REPLY", "FAILURE", "ERROR"].contains(heard.verb) {
                    open.remove(heard.idText)
                }
                return open.isEmpty ? true : nil
            }
            janitor.inbox = []
            open = Set(ids)
            for id in ids { try send(janitor, "ACK", id: Array(id.utf8), isQuiet: true) }
            try wait("the answers to ACK", within: .seconds(5)) {
                for heard in janitor.inbox where ["OK", "ERROR"].contains(heard.verb) { open.remove(heard.idText) }
                return open.isEmpty ? true : nil
            }
            for worker in workers where worker.isAlive {
                worker.peer.isReading = true
                worker.isAlive = false
                try send(worker.peer, "BYE", isQuiet: true)
                // Answered when the BYE was read: a worker without session is told to begin one.
                try send(worker.peer, "BEAT", isQuiet: true)
                worker.peer.inbox = []
                try wait("the end of the session", within: .seconds(1)) {
                    worker.peer.inbox.contains { $0.string("state") == "rejoin" } ? true : nil
                }
            }
        } catch {
            note("cleaning up: \(error)")
        }
        ids = []
        workers = []
    }
}

/// A worker that the tester plays.
final class PlayedWorker {
    static let lane = #"{"provider":"conform","model":"none","key":"NONE"}"#

    let peer: Peer
    let name: String
    let capacity: Int
    var welcome: WorkerWelcome?
    /// False for one that says nothing more by itself.
    var isAlive = true
    var nextBeat = ContinuousClock.now
    /// Beats of the broker: what they say and when they came.
    var beats: [(state: String, time: ContinuousClock.Instant)] = []

    init(_ peer: Peer, name: String, capacity: Int) {
        self.peer = peer
        self.name = name
        self.capacity = capacity
    }
}

/// A `JOB` that a played worker got.
struct PlayedJob {
    let key: DeliveryKey
    let header: JobHeader
    let body: [[UInt8]]
}
