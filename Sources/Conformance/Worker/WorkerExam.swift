import BusProtocol
import CoreTypes
import EventLoop
import Glibc
import JSON
import MockProvider
import ZeroMQ

/// The stage of cases against a worker: the tester plays its broker and its provider.
final class WorkerExam: Exam {
    /// Silence of the broker after which a worker should open a new session; nothing here comes near it.
    static let lease: Duration = .seconds(30)
    static let beatInterval: Duration = .milliseconds(200)

    let directory: EndpointDirectory
    /// What starts the worker, with `{directory}`, `{mock}` and `{config}` to be filled in; empty waits for one.
    let command: [String]
    let provider: MockProvider
    /// What stands before the `/` of a model's name.
    let providerName: String

    private(set) var process: Child?
    /// The broker's socket, bound anew by ``bind()``.
    private(set) var broker: Peer?
    /// The worker's connection; nil before its `READY`.
    private(set) var route: [UInt8]?
    private(set) var session = SessionToken("none")
    private(set) var capacity = 0
    /// The last `READY`.
    private(set) var heldByReady: [WorkerReady.Held] = []
    /// What was delivered and has neither been returned nor acknowledged.
    private(set) var held: Set<DeliveryKey> = []
    private(set) var sent = 0
    private(set) var granted = 0
    private(set) var creditCount = 0
    private(set) var beats: [ContinuousClock.Instant] = []
    private(set) var events: [(eventClass: String, header: [UInt8])] = []
    /// What the broker says in its own `BEAT`s; nil is silent.
    var order: String? = "run"
    private var sessionCount = 0
    private var epoch: Int64 = 1
    private var jobCount: UInt64 = 0
    private var nextBeat = ContinuousClock.now

    init(
        context: Context,
        stop: StopFlag,
        directory: EndpointDirectory,
        command: [String],
        provider: MockProvider,
        providerName: String
    ) {
        self.directory = directory
        self.command = command
        self.provider = provider
        self.providerName = providerName
        super.init(context: context, stop: stop)
    }

    // MARK: The case

    override func begin(limit time: Duration) throws {
        try super.begin(limit: time)
        provider.resetCounts()
        order = "run"
        (heldByReady, held, beats, events) = ([], [], [], [])
        route = nil
        process = nil
        try bind()
        guard !command.isEmpty else { return }
        let config = "\(directory.path)/understudy.json"
        let words = Child.Command.filled(
            command,
            ["directory": directory.path, "mock": provider.baseURL, "config": config]
        )
        let environment = ["UNDERSTUDY_DIR": directory.path, "UNDERSTUDY_MOCK_URL": provider.baseURL]
        let child = add(try Child(Child.Command(words: words, environment: environment)))
        note("\(words[0]) begins: pid \(child.pid)")
        process = child
    }

    /// Calls that the provider has seen in this case.
    var calls: Int { provider.counts().total }

    /// Calls whose connection the worker closed before the answer.
    var aborted: Int { provider.counts().aborted }

    /// Binds the broker's socket, in place of the one before: what a worker sees of a broker that was started again.
    func bind() throws {
        if let old = broker { drop(old) }
        // Libzmq removes the file of a closed socket later, and may take the new one's away.
        let endpoint = try directory.endpoint("workers.sock")
        var options = SocketOptions.broker
        options.linger = .zero
        let socket = try Socket(context, .router, options)
        let peer = add(Peer("broker", socket, .workerToBroker))
        try wait("the broker's socket can be bound", within: .seconds(5)) {
            do throws(ZeroMQError) {
                try socket.bind(endpoint)
                return true
            } catch {
                return nil
            }
        }
        peer.onMessage = { [unowned self] heard in try self.take(heard) }
        broker = peer
        route = nil
        epoch += 1
    }

    // MARK: What the worker says

    private func take(_ heard: Heard) throws -> Bool {
        if heard.verb == "READY" {
            route = heard.route
            return false
        }
        guard heard.route == route else {
            if heard.verb == "BEAT" || heard.verb == "EVENT" { return true }
            throw CaseEnd.failed("expected: READY first on a connection; found \(text(heard))")
        }
        switch heard.verb {
        case "BEAT":
            beats.append(heard.time)
            return true
        case "EVENT":
            events.append((heard.idText, heard.headerBytes))
            return true
        case "CREDIT":
            try takeCredit(heard)
            return true
        case "RETURN":
            if let key = heard.key?.wholeDelivery { held.remove(key) }
            return false
        default:
            return false
        }
    }

    private func takeCredit(_ heard: Heard) throws {
        let total = heard.int("granted_total") ?? -1
        creditCount += 1
        try check(total >= granted, "granted_total of at least \(granted), as before; found \(text(heard))")
        try check(
            total <= sent + capacity - held.count,
            "granted_total of at most \(sent + capacity - held.count): \(sent) JOBs sent, capacity \(capacity) less "
                + "\(held.count) held; found \(text(heard))"
        )
        granted = total
    }

    /// The next message, which must not be a `READY` unless that is asked for.
    func hear(_ what: String, within time: Duration? = nil) throws -> Heard {
        guard let broker else { throw CaseEnd.failed("the broker has no socket") }
        return try next(broker, what, within: time)
    }

    /// The next message, which must have this verb and be about this delivery.
    @discardableResult
    func hear(_ verb: String, _ key: DeliveryKey, within time: Duration? = nil) throws -> Heard {
        let heard = try hear("\(verb) \(key)", within: time)
        let isAbout = key.attempt == 0 ? heard.key?.wholeDelivery == key : heard.key == key
        try check(heard.verb == verb && isAbout, "\(verb) \(key); found \(text(heard))")
        return heard
    }

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

    // MARK: What the broker says

    func say(_ message: OutgoingMessage) throws {
        guard let broker else { return }
        try send(broker, raw: message.frameList().frames, to: route)
    }

    func say(_ verb: String, id: [UInt8] = [], header: String = "", body: [[UInt8]] = []) throws {
        guard let broker else { return }
        try send(broker, verb, id: id, header: header, body: body, to: route)
    }

    /// A chat request for a model of the mock provider, by the name that says how it answers.
    func body(_ model: String, prompt: String = "conformance") -> [UInt8] {
        let text =
            #"{"model":"\#(providerName)/\#(model)","fallback_models":[],"messages":[{"role":"user","content":"\#(prompt)"}]}"#
        return Array(text.utf8)
    }

    /// Delivers a request.
    ///
    /// - Parameter awaitsCredit: False sends it whatever was granted.
    func deliver(
        _ model: String = "ok",
        body: [UInt8]? = nil,
        firstAttempt: UInt32 = 1,
        remaining: Duration = .seconds(600),
        session: SessionToken? = nil,
        lost: [LostDelivery] = [],
        awaitsCredit: Bool = true
    ) throws -> DeliveryKey {
        if awaitsCredit { try wait("credit for a JOB") { granted > sent ? true : nil } }
        jobCount += 1
        let key = DeliveryKey(job: JobNumber(jobCount), delivery: UInt32(lost.count) + 1)
        guard let id = RequestID(newID()) else { preconditionFailure("ids of the tester are valid") }
        let header = JobHeader(
            session: session ?? self.session,
            tenant: .user(getuid()),
            id: id,
            task: "conform-task",
            firstAttempt: firstAttempt,
            remaining: remaining,
            waited: .milliseconds(3),
            lost: lost
        )
        if session == nil {
            sent += 1
            held.insert(key)
        }
        try say(BrokerMessage.job(key, header).encoded(body: [Bytes(body ?? self.body(model))]))
        return key
    }

    /// Takes the `START` of a delivery.
    func hearStart(_ key: DeliveryKey, within time: Duration? = nil) throws -> DeliveryKey {
        let heard = try hear("START", key, within: time)
        return heard.key ?? key
    }

    func go(_ key: DeliveryKey, session: SessionToken? = nil) throws {
        try say(BrokerMessage.go(key, session: session ?? self.session).encoded())
    }

    func noGo(_ key: DeliveryKey, _ reason: NoGoReason, wait: Duration? = nil) throws {
        try say(BrokerMessage.noGo(key, session: session, reason: reason, wait: wait).encoded())
    }

    func acknowledge(_ key: DeliveryKey) throws {
        held.remove(key.wholeDelivery)
        try say(BrokerMessage.acknowledge(key.wholeDelivery).encoded())
    }

    /// Refuses a terminal.
    func refuse(_ heard: Heard) throws {
        if let key = heard.key?.wholeDelivery { held.remove(key) }
        let error = BusError(.unexpected, "the tester takes no terminals")
        try say(BrokerMessage.error(id: heard.id, error).encoded())
    }

    /// A delivery from `JOB` to `ACK`, with one attempt.
    @discardableResult
    func work(_ model: String = "ok") throws -> Heard {
        let key = try deliver(model)
        try go(try hearStart(key))
        let heard = try hear("REPLY", key)
        try acknowledge(key)
        return heard
    }

    /// Waits until the provider has seen so many calls.
    func expectCalls(_ count: Int) throws {
        try wait("\(count) calls at the provider") { calls >= count ? true : nil }
        try check(calls == count, "\(count) calls at the provider; found \(calls)")
    }

    /// Checks that the provider sees no more calls than so many for a while.
    func expectNoCall(beyond count: Int, for time: Duration = .milliseconds(500)) throws {
        try pause(time)
        try check(
            calls == count,
            "\(count) calls at the provider, \(count == 0 ? "for no GO was given" : "one for each GO"); found \(calls)"
        )
    }

    /// Checks that the worker says nothing but beats, events and credit.
    func expectSilence(_ why: String, for time: Duration = .milliseconds(500)) throws {
        guard let broker else { return }
        try expectNothing(broker, why, for: time)
    }

    // MARK: Time

    override func turn() throws {
        let now = ContinuousClock.now
        guard let broker, let route, let order, now >= nextBeat else { return }
        nextBeat = now.advanced(by: .milliseconds(500))
        let beat = [route, ProtocolVersion.bytes, Verb.beat.bytes, [], Array(#"{"state":"\#(order)"}"#.utf8)]
        _ = try broker.socket.send(beat.map { Bytes($0) })
    }

    override func end() {
        super.end()
        broker = nil
        route = nil
    }
}
