import BusProtocol
import CoreTypes

/// Random values of every message, for round trips and as seeds of the fuzzer.
struct RandomMessages {
    var generator: SeededGenerator

    init(seed: UInt64) { generator = SeededGenerator(seed: seed) }

    mutating func number(_ range: ClosedRange<Int>) -> Int { Int.random(in: range, using: &generator) }

    mutating func flag() -> Bool { Bool.random(using: &generator) }

    mutating func pick<Element>(_ elements: [Element]) -> Element { elements[number(0...elements.count - 1)] }

    mutating func duration(_ range: ClosedRange<Duration>) -> Duration {
        .milliseconds(number(Int(range.lowerBound.wholeMilliseconds)...Int(range.upperBound.wholeMilliseconds)))
    }

    mutating func bytes(_ counts: ClosedRange<Int>) -> [UInt8] {
        (0..<number(counts)).map { _ in UInt8.random(in: 0...255, using: &generator) }
    }

    /// Text with all that needs escapes.
    mutating func text(_ counts: ClosedRange<Int>) -> String {
        let letters = ["a", "Z", "0", " ", "\"", "\\", "\n", "\u{0}", "\u{7F}", "é", "\u{2028}", "𝄞", "/"]
        var text = ""
        for _ in 0..<number(counts) { text += pick(letters) }
        return text
    }

    mutating func id() -> RequestID {
        let letters = Array("ABCXYZabcxyz0189._:-")
        let text = "x" + String((0..<number(0...127)).map { _ in pick(letters) })
        guard let id = RequestID(text) else { fatalError("\(text) is a valid id") }
        return id
    }

    mutating func key(attempt: Bool) -> DeliveryKey {
        DeliveryKey(
            job: JobNumber(generator.next()),
            delivery: UInt32.random(in: 1 ... .max, using: &generator),
            attempt: attempt ? UInt32.random(in: 1 ... .max, using: &generator) : 0
        )
    }

    mutating func anyDuration() -> Duration { .milliseconds(number(0...Int(Limits.millisecondsMax))) }

    mutating func session() -> SessionToken { SessionToken(using: &generator) }

    mutating func hash() -> BodyHash {
        BodyHash(generator.next(), generator.next(), generator.next(), generator.next())
    }

    mutating func error() -> BusError {
        BusError(pick(ErrorCode.all), text(0...40), retryAfter: flag() ? anyDuration() : nil)
    }

    mutating func header() -> RequestHeader {
        RequestHeader(
            deadline: flag() ? duration(Limits.deadline) : Limits.deadlineDefault,
            priority: number(0...9),
            stream: flag(),
            durability: flag() ? pick(RequestHeader.Durability.allCases) : nil,
            onLoss: pick(RequestHeader.LossPolicy.allCases),
            task: flag() ? text(1...60) : nil,
            ttl: flag() ? duration(Limits.ttl) : nil,
            cancelOnDisconnect: flag()
        )
    }

    mutating func agent() -> AgentMessage {
        switch number(0...7) {
        case 0: .hello(AgentHello(client: flag() ? text(1...30) : nil))
        case 1: .cancel(id())
        case 2: .get(id(), wait: duration(Limits.wait))
        case 3: .acknowledge(id())
        case 4: .task(TaskReport(task: id(), outcome: pick([.completed, .failedInApplication, .failedInLLM])))
        case 5: .ping(token: bytes(0...128))
        case 6: .bye
        default: .request(id(), header())
        }
    }

    mutating func answer() -> AgentReply {
        switch number(0...7) {
        case 0:
            .welcome(
                AgentWelcome(
                    epoch: Int64(number(0 ... .max)),
                    dedup: anyDuration(),
                    durabilities: flag() ? [.memory] : [.memory, .disk]
                )
            )
        case 1: .accepted(id(), durability: pick(RequestHeader.Durability.allCases), duplicate: flag())
        case 2: .rejected(id(), error())
        case 3:
            .state(
                id(),
                RequestState(
                    phase: pick(RequestState.Phase.allCases),
                    deliveries: UInt32(number(0...9)),
                    attempts: UInt32.max,
                    age: anyDuration(),
                    remaining: anyDuration()
                )
            )
        case 7: .document(pick(SystemSubject.allCases).id, Bytes(bytes(0...300)))
        case 4: .ok(id: bytes(0...128))
        case 5: .pong(token: bytes(0...128))
        default: .error(id: bytes(0...128), error())
        }
    }

    mutating func worker() -> WorkerMessage {
        switch number(0...9) {
        case 0:
            .ready(
                WorkerReady(
                    name: text(1...30),
                    pid: Int32(number(0...Int(Int32.max))),
                    capacity: number(1...Limits.workerCapacityMax),
                    held: (0..<number(0...20)).map { _ in
                        WorkerReady.Held(
                            key: key(attempt: flag()),
                            bodyHash: hash(),
                            state: pick(WorkerReady.Held.State.allCases)
                        )
                    }
                )
            )
        case 1: .credit(grantedTotal: generator.next())
        case 2: .start(key(attempt: true))
        case 3: .chunk(key(attempt: true))
        case 4: .reply(key(attempt: flag()))
        case 5: .failure(key(attempt: flag()))
        case 6: .returned(key(attempt: flag()), reason: pick(ReturnReason.allCases))
        case 7:
            .beat(WorkerBeat(held: number(0...100_000), lag: anyDuration(), residentKiB: number(0 ... .max)))
        case 8: .event(pick(EventClass.allCases))
        default: .bye
        }
    }

    mutating func broker() -> BrokerMessage {
        switch number(0...7) {
        case 0:
            .welcome(
                WorkerWelcome(
                    session: session(),
                    epoch: Int64(number(0 ... .max)),
                    keep: (0..<number(0...9)).map { _ in key(attempt: flag()) },
                    drop: (0..<number(0...9)).map { _ in key(attempt: flag()) },
                    beatInterval: anyDuration(),
                    lease: anyDuration()
                )
            )
        case 1:
            .job(
                key(attempt: false),
                JobHeader(
                    session: session(),
                    tenant: .user(UInt32.random(in: 0 ... .max, using: &generator)),
                    id: id(),
                    task: flag() ? text(1...60) : nil,
                    firstAttempt: UInt32(number(1...99)),
                    remaining: anyDuration(),
                    waited: anyDuration(),
                    stream: flag(),
                    lost: (0..<number(0...2)).map { LostDelivery(delivery: UInt32($0) + 1, attempt: 0, held: .zero) }
                )
            )
        case 2: .go(key(attempt: true), session: session())
        case 3:
            .noGo(
                key(attempt: true),
                session: session(),
                reason: pick(NoGoReason.allCases),
                wait: flag() ? anyDuration() : nil
            )
        case 4: .cancel(key(attempt: flag()), session: session())
        case 5: .acknowledge(key(attempt: flag()))
        case 6: .beat(pick(BeatOrder.allCases))
        default: .error(id: bytes(0...128), error())
        }
    }

    mutating func envelope() -> Envelope {
        switch number(0...2) {
        case 0: .none
        case 1: .delimiter
        default: Envelope(route: (0..<number(1...4)).map { _ in [0] + bytes(0...9) })
        }
    }

    /// Body frames that fit each verb that has a body.
    mutating func body(_ verb: Verb) -> [Bytes] {
        switch verb {
        case .request, .job, .chunk: (0..<number(1...8)).map { _ in Bytes(bytes(0...40)) }
        case .reply: (0..<number(2...8)).map { _ in Bytes(bytes(0...40)) }
        case .failure: [Bytes(bytes(0...40))]
        default: []
        }
    }
}
