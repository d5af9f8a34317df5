import Benchmarks
import BusProtocol
import CoreTypes
import EventLoop
import ZeroMQ

/// Agents that put requests on the bus as fast, or as evenly, as they are told: raw sockets, frames made once, no JSON.
///
/// Lives on a loop of its own. Each request goes the whole way: `REQUEST`, `ACCEPTED`, `REPLY`, `ACK`, `OK`.
actor AgentLoad {
    /// What happened since it was last asked.
    struct Tally: Sendable {
        /// Requests that ended in `REPLY`.
        var replies = 0
        /// Requests that ended otherwise.
        var failures = 0
        /// Messages sent and received.
        var messages = 0
        /// Times from the moment a request was due to its reply.
        var latencies = Latencies()
    }

    /// How requests follow each other.
    private enum Pace {
        /// None are sent.
        case still
        /// So many are open at a time.
        case window(Int)
        /// One at a time, and the next after the `OK` of the one before.
        case lockStep
        /// One each so many nanoseconds, whatever becomes of the others.
        case even(interval: Double, begun: Int64, first: Int)
    }

    /// How long nothing may come in before the run is given up.
    private static let silenceMax: Duration = .seconds(60)
    /// Most requests that are open at a time.
    private static let openMax = 1 << 17

    private nonisolated let loop: EventLoop
    private var sockets: [Socket] = []
    private var receivers: [LoopSocket] = []
    private var body: [UInt8]
    private let prefix: [UInt8]
    private var header = BenchMessages.requestHeader
    private var isStamped = false

    private var pace = Pace.still
    private var sent = 0
    private var sentMax = Int.max
    private var ended = 0
    private var settled = 0
    private var due = [Int64](repeating: 0, count: openMax)
    private var tally = Tally()
    private var ponged = 0
    private var trouble: String?
    private var waiter: CheckedContinuation<Void, any Error>?
    private var wanted = 0
    private var heardAt = Moment.zero
    private var watchdog: TimerID?
    private var pacer: TimerID?

    /// Runs on the loop's thread.
    nonisolated var unownedExecutor: UnownedSerialExecutor { unsafe loop.asUnownedSerialExecutor() }

    /// Makes agents; they are connected by ``connect(_:context:connections:)``.
    ///
    /// - Parameter name: Distinguishes the requests of these agents from those of others.
    init(on loop: EventLoop, name: String, body: [UInt8]) {
        self.loop = loop
        self.body = body
        prefix = Array("bench-\(name)-".utf8)
    }

    /// Connects, and waits until the broker answers on every connection.
    func connect(_ directory: EndpointDirectory, context: Context, connections: Int) async throws {
        var options = SocketOptions.agent
        options.sendQueueMax = 0
        options.receiveQueueMax = 0
        options.reconnectInterval = .milliseconds(10)
        for _ in 0..<connections {
            let socket = try Socket(context, .dealer, options)
            try socket.connect(try directory.endpoint("agents.sock"))
            let receiver = try LoopSocket(
                socket,
                on: loop,
                frameCountMax: Limits.frameCountMax,
                onFailure: { self.fail("\($0)") },
                onMessage: { self.receive($0) }
            )
            sockets.append(socket)
            receivers.append(receiver)
        }
        let until = loop.now().advanced(by: .seconds(20))
        for socket in sockets {
            while !ping(socket) {
                guard loop.now() < until else { throw CommandFailure(.unreachable, "the broker cannot be reached") }
                try await Task.sleep(for: .milliseconds(2))
            }
        }
        while ponged < sockets.count {
            guard loop.now() < until else { throw CommandFailure(.unreachable, "the broker does not answer") }
            try await Task.sleep(for: .milliseconds(2))
        }
    }

    /// Sends other bodies from here on.
    func use(body: [UInt8]) { self.body = body }

    /// Sends other headers from here on, and behind each body the time, which ``WorkerLoad/takeJobTimes()`` needs.
    func use(stampedHeader: [UInt8]) {
        header = stampedHeader
        isStamped = true
    }

    /// Sends `count` requests with `window` of them open at a time, and returns when all have ended.
    func run(count: Int, window: Int) async throws {
        precondition((1...Self.openMax).contains(window))
        begin(.window(window), count: count)
        try await settle(ended + count)
    }

    /// Sends `count` requests one after another, and returns when the last has ended.
    func runLockStep(count: Int) async throws {
        begin(.lockStep, count: count)
        try await settle(ended + count)
    }

    /// Begins to send so many requests a second, evenly.
    func begin(rate: Double) {
        begin(.even(interval: 1e9 / rate, begun: Machine.nanoseconds, first: sent), count: .max)
    }

    /// Sends no more, and returns when all that were sent have ended.
    func finish() async throws {
        pace = .still
        try await settle(sent)
    }

    /// What happened since the last call.
    func take() -> Tally {
        defer { tally = Tally() }
        return tally
    }

    /// Requests that were sent and have not ended.
    var openCount: Int { sent - ended }

    /// Ends the connections.
    func close() {
        if let watchdog { loop.cancel(watchdog) }
        if let pacer { loop.cancel(pacer) }
        for receiver in receivers { receiver.detach() }
        for socket in sockets { socket.close() }
        receivers = []
        sockets = []
    }

    // MARK: Sending

    private func begin(_ pace: Pace, count: Int) {
        self.pace = pace
        sentMax = count == .max ? .max : sent + count
        heardAt = loop.now()
        attempt { () throws(ZeroMQError) in
            switch pace {
            case .still: break
            case .lockStep: try send(due: Machine.nanoseconds)
            case .window(let window):
                while sent < sentMax, sent - ended < window { try send(due: Machine.nanoseconds) }
            case .even: paceOn()
            }
        }
        watch()
    }

    /// Sends what is due by now, and comes back when the next is.
    private func paceOn() {
        pacer = nil
        guard case .even(let interval, let begun, let first) = pace, trouble == nil else { return }
        let now = Machine.nanoseconds
        var next = begun
        attempt { () throws(ZeroMQError) in
            while trouble == nil {
                next = begun + Int64(Double(sent - first) * interval)
                guard next <= now else { return }
                try send(due: next)
            }
        }
        pacer = loop.schedule(at: Moment(nanoseconds: next)) { self.paceOn() }
    }

    private func send(due moment: Int64) throws(ZeroMQError) {
        guard sent - ended < Self.openMax else { return fail("\(Self.openMax) requests are open") }
        due[sent & (Self.openMax - 1)] = moment
        let socket = sockets[sent % sockets.count]
        try socket.send("UBP/1", more: true)
        try socket.send("REQUEST", more: true)
        try socket.send(id(of: sent), more: true)
        try socket.send(header, more: true)
        try socket.send(body, more: isStamped)
        if isStamped { try socket.send(BenchMessages.stamp(moment)) }
        sent += 1
        tally.messages += 1
    }

    private func id(of number: Int) -> [UInt8] {
        var id = prefix
        for shift in stride(from: 28, through: 0, by: -4) {
            let digit = UInt8(truncatingIfNeeded: number >> shift & 15)
            id.append(digit < 10 ? 0x30 + digit : 0x57 + digit)
        }
        return id
    }

    private func ping(_ socket: Socket) -> Bool {
        do throws(ZeroMQError) {
            guard try socket.send("UBP/1", more: true) == .sent else { return false }
            try socket.send("PING", more: true)
            try socket.send("bench", more: true)
            try socket.send("", more: false)
            return true
        } catch {
            fail("\(error)")
            return true
        }
    }

    // MARK: Receiving

    private func receive(_ message: Multipart) {
        guard message.count >= 4 else { return fail("an answer has \(message.count) frames") }
        let (size, first) = unsafe message.withBytes(at: 1) { verb in
            (verb.count, unsafe verb.first ?? 0)
        }
        tally.messages += 1
        switch (size, first) {
        case (2, UInt8(ascii: "O")):
            settleOne()
        case (5, UInt8(ascii: "R")):
            end(message, isReply: true)
        case (7, UInt8(ascii: "F")):
            end(message, isReply: false)
        case (8, UInt8(ascii: "R")):
            tally.failures += 1
            ended += 1
            settleOne()
            goOn()
        case (8, UInt8(ascii: "A")):
            break
        case (4, UInt8(ascii: "P")):
            ponged += 1
        default:
            let header = unsafe message.withBytes(at: 3) { unsafe String(decoding: $0, as: UTF8.self) }
            fail("the broker answered \(header)")
        }
    }

    private func end(_ message: Multipart, isReply: Bool) {
        var number = 0
        unsafe message.withBytes(at: 2) { id in
            for index in id.indices.suffix(8) {
                let digit = unsafe id[index]
                number = number << 4 | Int(digit < 0x3A ? digit - 0x30 : digit - 0x57)
            }
        }
        ended += 1
        if isReply {
            tally.replies += 1
            tally.latencies.add(nanoseconds: Machine.nanoseconds - due[number & (Self.openMax - 1)])
        } else {
            tally.failures += 1
        }
        let socket = sockets[number % sockets.count]
        attempt { () throws(ZeroMQError) in
            try socket.send("UBP/1", more: true)
            try socket.send("ACK", more: true)
            try socket.send(id(of: number), more: true)
            try socket.send("")
        }
        tally.messages += 1
        goOn()
    }

    private func goOn() {
        guard case .window(let window) = pace else { return }
        attempt { () throws(ZeroMQError) in
            while sent < sentMax, sent - ended < window { try send(due: Machine.nanoseconds) }
        }
    }

    private func settleOne() {
        settled += 1
        if case .lockStep = pace, sent < sentMax {
            attempt { () throws(ZeroMQError) in try send(due: Machine.nanoseconds) }
        }
        guard settled >= wanted, let waiter else { return }
        self.waiter = nil
        pace = .still
        waiter.resume()
    }

    // MARK: The end

    /// Waits until so many requests have ended and their `ACK` was answered.
    private func settle(_ count: Int) async throws {
        wanted = count
        heardAt = loop.now()
        if trouble == nil, settled < wanted {
            try await withCheckedThrowingContinuation { waiter = $0 }
        }
        pace = .still
        if let trouble { throw CommandFailure(.failed, trouble) }
    }

    private func attempt(_ work: () throws(ZeroMQError) -> Void) {
        do throws(ZeroMQError) {
            try work()
        } catch {
            fail("an agent cannot send: \(error)")
        }
    }

    private func fail(_ text: String) {
        guard trouble == nil else { return }
        trouble = text
        pace = .still
        waiter?.resume(throwing: CommandFailure(.failed, text))
        waiter = nil
    }

    /// Gives up when nothing comes in any more.
    private func watch() {
        guard watchdog == nil else { return }
        let before = settled
        watchdog = loop.schedule(at: loop.now().advanced(by: .seconds(1))) {
            self.watchdog = nil
            if self.settled != before || self.sent == self.settled { self.heardAt = self.loop.now() }
            if self.heardAt.duration(to: self.loop.now()) > Self.silenceMax {
                self.fail("\(self.sent - self.settled) requests are open and nothing was heard for \(Self.silenceMax)")
            } else {
                self.watch()
            }
        }
    }
}
