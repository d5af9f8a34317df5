import BusProtocol
import CoreTypes
import EventLoop
import ZeroMQ

/// A broker's side of `workers.sock`, played by a test: answers by itself what has one answer only, and notes what came.
actor FakeBroker {
    /// A message as it came.
    struct Heard: Sendable {
        var message: WorkerMessage
        var header: Bytes
        var body: [Bytes]
    }

    /// What a test waited for did not come.
    struct TookTooLong: Error {}

    private struct Waiter {
        var matches: (WorkerMessage) -> Bool
        var continuation: CheckedContinuation<Heard, any Error>
    }

    /// What it does by itself.
    struct Habits: Sendable {
        /// The answer to a START; nil for none.
        var answerToStart: (@Sendable (DeliveryKey, SessionToken) -> BrokerMessage?) = { .go($0, session: $1) }
        var acknowledges = true
        var beatInterval: Duration = .seconds(1)
        var lease: Duration = .seconds(15)
    }

    nonisolated let loop: EventLoop
    nonisolated var unownedExecutor: UnownedSerialExecutor { unsafe loop.asUnownedSerialExecutor() }

    private let context: Context
    private let endpoint: String
    private var habits: Habits
    private var receiver: LoopSocket?
    private var peer: [UInt8] = []
    private var sessionCount = 0
    private var unclaimed: [Heard] = []
    private var waiters: [Int: Waiter] = [:]
    private var lastWaiter = 0

    init(_ context: Context, endpoint: String, _ habits: Habits = Habits()) throws {
        self.context = context
        self.endpoint = endpoint
        self.habits = habits
        loop = try EventLoop(name: "fake broker")
    }

    var session: SessionToken { SessionToken("session-\(sessionCount)") }

    func change(_ change: @Sendable (inout Habits) -> Void) { change(&habits) }

    /// Binds and answers; again after ``hangUp()``.
    func open() throws {
        let socket = try Socket(context, .router, .broker)
        try socket.bind(endpoint)
        receiver = try LoopSocket(socket, on: loop) { self.receive($0) }
    }

    /// Closes every connection and forgets what came.
    func hangUp() {
        receiver?.detach()
        receiver?.socket.close()
        receiver = nil
        unclaimed = []
    }

    func close() {
        hangUp()
        loop.shutDown()
    }

    /// Sends a message to the worker that spoke last.
    func send(_ message: BrokerMessage, body: [Bytes] = []) throws {
        let frames = [peer] + message.encoded(body: body).frameList().frames
        _ = try receiver?.socket.send(frames.map { Bytes($0) })
    }

    /// Sends a JOB of the session.
    func job(_ number: UInt64, _ body: String, delivery: UInt32 = 1, firstAttempt: UInt32 = 1) throws {
        let header = JobHeader(
            session: session,
            tenant: .user(0),
            id: RequestID("r\(number)")!,
            firstAttempt: firstAttempt,
            remaining: .seconds(600),
            waited: .zero
        )
        try send(.job(SessionFixture.key(number, delivery: delivery), header), body: [Bytes(body)])
    }

    /// The first message not yet claimed that `matches`; waits for it.
    ///
    /// - Throws: ``TookTooLong`` after 5 min, more than any machine needs, so that a test that fails also ends.
    func hear(_ matches: @escaping @Sendable (WorkerMessage) -> Bool) async throws -> Heard {
        if let index = unclaimed.firstIndex(where: { matches($0.message) }) { return unclaimed.remove(at: index) }
        lastWaiter += 1
        let number = lastWaiter
        return try await withCheckedThrowingContinuation { continuation in
            waiters[number] = Waiter(matches: matches, continuation: continuation)
            loop.schedule(at: loop.now().advanced(by: .seconds(300))) {
                self.waiters.removeValue(forKey: number)?.continuation.resume(throwing: TookTooLong())
            }
        }
    }

    /// The terminal of a delivery; waits for it.
    func terminal(_ number: UInt64, delivery: UInt32 = 1) async throws -> Heard {
        let key = SessionFixture.key(number, delivery: delivery)
        return try await hear { $0 == .reply(key) || $0 == .failure(key) }
    }

    /// Messages that came and were not claimed.
    var rest: [WorkerMessage] { unclaimed.map(\.message) }

    private func receive(_ message: Multipart) {
        peer = message.array(at: 0)
        let frames = FrameList((1..<message.count).map { message.array(at: $0) })
        guard case .message(let decoded, _, let body) = WorkerMessage.receive(frames) else {
            preconditionFailure("the worker sent \(frames)")
        }
        do {
            try answer(decoded)
        } catch {
            preconditionFailure("\(error)")
        }
        let heard = Heard(
            message: decoded,
            header: frames.frameBytes(3),
            body: body.map { frames.frameBytes($0) }
        )
        if let number = waiters.filter({ $0.value.matches(decoded) }).keys.min() {
            waiters.removeValue(forKey: number)?.continuation.resume(returning: heard)
        } else {
            unclaimed.append(heard)
        }
    }

    private func answer(_ message: WorkerMessage) throws {
        switch message {
        case .ready(let ready):
            sessionCount += 1
            try send(
                .welcome(
                    WorkerWelcome(
                        session: session,
                        epoch: 1,
                        keep: ready.held.map(\.key),
                        beatInterval: habits.beatInterval,
                        lease: habits.lease
                    )
                )
            )
        case .start(let key):
            if let answer = habits.answerToStart(key, session) { try send(answer) }
        case .reply(let key), .failure(let key):
            if habits.acknowledges { try send(.acknowledge(key)) }
        case .beat:
            try send(.beat(.run))
        case .credit, .chunk, .returned, .event, .bye:
            break
        }
    }
}
