import Benchmarks
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
    enum Pace {
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
    static let openMax = 1 << 17

    nonisolated let loop: EventLoop
    var sockets: [Socket] = []
    var receivers: [LoopSocket] = []
    private(set) var body: [UInt8]
    let prefix: [UInt8]
    private(set) var header = BenchMessages.requestHeader
    private(set) var isStamped = false

    var pace = Pace.still
    var sent = 0
    var sentMax = Int.max
    var ended = 0
    private var settled = 0
    var due = [Int64](repeating: 0, count: openMax)
    var tally = Tally()
    var ponged = 0
    private(set) var trouble: String?
    private var waiter: CheckedContinuation<Void, any Error>?
    private var wanted = 0
    var heardAt = Moment.zero
    private var watchdog: TimerID?
    var pacer: TimerID?

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

    // MARK: The end

    func settleOne() {
        settled += 1
        if case .lockStep = pace, sent < sentMax {
            attempt { () throws(ZeroMQError) in try send(due: Machine.nanoseconds) }
        }
        guard settled >= wanted, let waiter else { return }
        self.waiter = nil
        pace = .still
        waiter.resume()
    }

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

    func attempt(_ work: () throws(ZeroMQError) -> Void) {
        do throws(ZeroMQError) {
            try work()
        } catch {
            fail("an agent cannot send: \(error)")
        }
    }

    func fail(_ text: String) {
        guard trouble == nil else { return }
        trouble = text
        pace = .still
        waiter?.resume(throwing: CommandFailure(.failed, text))
        waiter = nil
    }

    /// Gives up when nothing comes in any more.
    func watch() {
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
