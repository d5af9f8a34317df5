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

    var workers: [PlayedWorker] = []
    var ids: [String] = []
    private(set) var partCount = 0

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
