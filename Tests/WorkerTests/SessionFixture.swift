import BusProtocol
import Configuration
import CoreTypes
import JSON
import Resilience

@testable import Worker

/// A session under test, with a clock that the test moves.
struct SessionFixture {
    var session: WorkerSession
    var time = WorkerTime(now: Moment(nanoseconds: 1_000_000_000), wall: 1_700_000_000_000)
    var token = SessionToken("first")

    init(capacity: Int = 4, policy: RetryPolicy = RetryPolicy()) throws {
        session = WorkerSession(
            name: "w1",
            pid: 7,
            capacity: capacity,
            rules: try Self.rules(policy: policy),
            lease: .seconds(15),
            seed: 1
        )
    }

    /// A session that has its `WELCOME` and has given its first `CREDIT`.
    static func open(capacity: Int = 4, policy: RetryPolicy = RetryPolicy()) throws -> SessionFixture {
        var fixture = try SessionFixture(capacity: capacity, policy: policy)
        fixture.join("first")
        _ = fixture.session.takeCredit()
        return fixture
    }

    /// Provider `mock` without a key, `paid` with one, `poor` whose key is missing.
    static func rules(
        base: String = "http://127.0.0.1:9/v1",
        policy: RetryPolicy = RetryPolicy()
    ) throws -> CallRules {
        let settings = try settings(base: base, policy: policy)
        return CallRules(settings: settings, keys: KeyRing(of: settings, environment: ["PAID_KEY": "sk-very-secret"]))
    }

    static func settings(base: String, policy: RetryPolicy = RetryPolicy()) throws -> Settings {
        let json = """
            {"routing": {"default_chat_model": "mock/ok", "fallback_models": []},
             "providers": {
                "mock": {"base_url": "\(base)", "key": "none"},
                "paid": {"base_url": "\(base)", "key": {"env": ["PAID_KEY"]}},
                "poor": {"base_url": "\(base)", "key": {"env": ["NOBODY_SETS_THIS_KEY"]}}}}
            """
        var settings = try SettingsLoader.parse(Array(json.utf8), file: "test.json", directory: "/")
        settings.policy = policy
        return settings
    }

    // MARK: Inputs

    /// Connects, says READY and gets a WELCOME with session `text` that keeps `keep`.
    @discardableResult
    mutating func join(_ text: String, keep: [DeliveryKey] = []) -> [WorkerEffect] {
        session.connected()
        _ = session.ready(now: time.now)
        return welcome(text, keep: keep)
    }

    @discardableResult
    mutating func welcome(_ text: String, keep: [DeliveryKey] = []) -> [WorkerEffect] {
        token = SessionToken(text)
        return tell(
            .welcome(
                WorkerWelcome(session: token, epoch: 1, keep: keep, beatInterval: .seconds(1), lease: .seconds(15))
            )
        )
    }

    @discardableResult
    mutating func tell(_ message: BrokerMessage, body: Bytes = .empty) -> [WorkerEffect] {
        apply { $0.receive(message, body: body, $1, into: &$2) }
    }

    @discardableResult
    mutating func apply(
        _ input: (inout WorkerSession, WorkerTime, inout [WorkerEffect]) -> Void
    ) -> [WorkerEffect] {
        var effects: [WorkerEffect] = []
        input(&session, time, &effects)
        return effects
    }

    mutating func pass(_ duration: Duration) {
        time.now = time.now.advanced(by: duration)
        time.wall += duration.wholeMilliseconds
    }

    /// A JOB of the session.
    @discardableResult
    mutating func job(
        _ number: UInt64,
        _ body: String = #"{"model":"mock/a","messages":[{"role":"user","content":"whisper"}]}"#,
        delivery: UInt32 = 1,
        firstAttempt: UInt32 = 1,
        remaining: Duration = .seconds(600)
    ) throws -> [WorkerEffect] {
        let header = JobHeader(
            session: token,
            tenant: .user(1000),
            id: RequestID("r\(number)")!,
            task: "t",
            firstAttempt: firstAttempt,
            remaining: remaining,
            waited: .milliseconds(5)
        )
        return tell(.job(Self.key(number, delivery: delivery), header), body: Bytes(body))
    }

    @discardableResult
    mutating func go(_ number: UInt64, attempt: UInt32 = 1, delivery: UInt32 = 1) -> [WorkerEffect] {
        tell(.go(Self.key(number, attempt: attempt, delivery: delivery), session: token))
    }

    @discardableResult
    mutating func nogo(_ number: UInt64, _ reason: NoGoReason, wait: Duration? = nil) -> [WorkerEffect] {
        tell(.noGo(Self.key(number, attempt: 1), session: token, reason: reason, wait: wait))
    }

    /// The call of an attempt was answered.
    @discardableResult
    mutating func answer(_ number: UInt64, attempt: UInt32 = 1, _ body: String = "{}") -> [WorkerEffect] {
        let summary = ReplySummary(
            usage: TokenUsage(promptTokens: 3, completionTokens: 2),
            finishReason: "stop",
            responseModel: "a-2"
        )
        return apply {
            $0.callEnded(Self.key(number), attempt: attempt, .answered(summary, body: Bytes(body)), $1, into: &$2)
        }
    }

    @discardableResult
    mutating func fail(_ number: UInt64, attempt: UInt32 = 1, _ failure: AttemptFailure) -> [WorkerEffect] {
        apply { $0.callEnded(Self.key(number), attempt: attempt, .failed(failure), $1, into: &$2) }
    }

    static func key(_ number: UInt64, attempt: UInt32 = 0, delivery: UInt32 = 1) -> DeliveryKey {
        DeliveryKey(job: JobNumber(number), delivery: delivery, attempt: attempt)
    }
}

extension [WorkerEffect] {
    /// The messages among the effects, as a broker reads them.
    var sent: [WorkerMessage] {
        outgoing.map { message in
            do { return try WorkerMessage.decode(message.frameList()) } catch { preconditionFailure("\(error)") }
        }
    }

    var outgoing: [OutgoingMessage] {
        compactMap { if case .send(let message) = $0 { message } else { nil } }
    }

    /// The sent messages without EVENTs.
    var said: [WorkerMessage] {
        sent.filter { if case .event = $0 { false } else { true } }
    }

    /// The calls that are to be made.
    var calls: [AttemptPlan] {
        compactMap { if case .call(_, let plan) = $0 { plan } else { nil } }
    }

    var aborts: [DeliveryKey] {
        compactMap { if case .abort(let key) = $0 { key } else { nil } }
    }

    var hasLeft: Bool {
        contains { if case .left = $0 { true } else { false } }
    }
}
