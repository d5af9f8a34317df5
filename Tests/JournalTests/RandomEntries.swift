import BusProtocol
import CoreTypes
import Journal

/// Entries as a broker would write them, in any order that it could, and sometimes nonsense.
struct RandomEntries {
    private var generator: SeededGenerator
    private var open: [JobNumber] = []
    private var ended: [JobNumber] = []
    private var deliveries: [JobNumber: UInt32] = [:]
    private var last: UInt64 = 0
    /// Virtual Unix milliseconds.
    private(set) var now: Int64 = 1_700_000_000_000
    /// How many bytes bodies have at most.
    let bodyByteCountMax: Int

    init(seed: UInt64, bodyByteCountMax: Int = 9000) {
        generator = SeededGenerator(seed: seed)
        self.bodyByteCountMax = bodyByteCountMax
    }

    /// Another seed, for choices of the test itself.
    mutating func number(below limit: Int) -> Int { Int.random(in: 0..<limit, using: &generator) }

    /// One batch of at most `countMax` entries.
    mutating func batch(countMax: Int) -> [JournalEntry] {
        now += Int64(number(below: 400))
        return (0..<1 + number(below: countMax)).map { _ in entry() }
    }

    /// One entry.
    mutating func entry() -> JournalEntry {
        switch number(below: 100) {
        case 0..<30:
            return accept()
        case 30..<34:
            guard let job = open.randomElement(using: &generator) else { return accept() }
            return .died(job, deaths: 1 + number(below: 3))
        case 34..<50:
            guard let job = open.randomElement(using: &generator) else { return accept() }
            let delivery = (deliveries[job] ?? 0) + 1
            // Now and then the same one again.
            if number(below: 10) > 0 { deliveries[job] = delivery }
            return .started(DeliveryKey(job: job, delivery: delivery, attempt: delivery + UInt32(number(below: 3))))
        case 50..<75:
            guard !open.isEmpty else { return accept() }
            let job = open.remove(at: number(below: open.count))
            ended.append(job)
            return end(job)
        case 75..<97:
            guard !ended.isEmpty else { return accept() }
            let job = ended.remove(at: number(below: ended.count))
            return .forgotten(job, rememberedUntil: now + 3000)
        case 97:
            return .forgotten(JobNumber(last + 1000), rememberedUntil: now + 1)
        case 98:
            return end(ended.randomElement(using: &generator) ?? JobNumber(last + 1000))
        case 99 where Bool.random(using: &generator):
            return .died(JobNumber(last + 1000), deaths: 1)
        default:
            return .started(DeliveryKey(job: JobNumber(last + 1000), delivery: 1, attempt: 1))
        }
    }

    private mutating func accept() -> JournalEntry {
        last += 1 + UInt64(number(below: 2))
        open.append(JobNumber(last))
        return .accepted(request(JobNumber(last)))
    }

    private mutating func request(_ number: JobNumber) -> AcceptedRequest {
        guard let id = RequestID("request-\(number.value)") else { preconditionFailure("a bad id") }
        let word: UInt64 = generator.next()
        let header = RequestHeader(
            deadline: .milliseconds(1000 + self.number(below: 100_000)),
            priority: self.number(below: 10),
            stream: Bool.random(using: &generator),
            durability: .disk,
            onLoss: Bool.random(using: &generator) ? .retry : .fail,
            task: Bool.random(using: &generator) ? "tâche \"\(word % 7)\"" : nil,
            ttl: Bool.random(using: &generator) ? .milliseconds(5000 + self.number(below: 10)) : nil,
            cancelOnDisconnect: Bool.random(using: &generator)
        )
        return AcceptedRequest(
            number: number,
            key: RequestKey(tenant: .user(UInt32(truncatingIfNeeded: word)), id: id),
            header: Bool.random(using: &generator) ? header : RequestHeader(),
            bodyHash: BodyHash(word, ~word, number.value, 0),
            body: (0..<1 + self.number(below: 3)).map { _ in bytes() },
            acceptedAt: now,
            expiresAt: now + 100_000,
            ttl: .milliseconds(self.number(below: 1_000_000))
        )
    }

    private mutating func end(_ job: JobNumber) -> JournalEntry {
        if Bool.random(using: &generator) {
            let frames = (0..<number(below: 3)).map { _ in bytes() }
            return .ended(job, StoredTerminal(.reply, header: bytes(), body: frames), class: nil, at: now)
        }
        let failureClass = Bool.random(using: &generator) ? nil : FailureClass.allCases.randomElement(using: &generator)
        return .ended(job, StoredTerminal(.failure, header: bytes()), class: failureClass, at: now)
    }

    private mutating func bytes() -> Bytes {
        let count = number(below: 8) == 0 ? number(below: bodyByteCountMax) : number(below: min(bodyByteCountMax, 200))
        let word: UInt64 = generator.next()
        return Bytes((0..<count).map { UInt8(truncatingIfNeeded: word >> UInt64($0 % 57)) })
    }
}
