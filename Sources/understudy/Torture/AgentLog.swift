import BusProtocol
import Glibc

/// What an agent under torture writes down before it acts: a line per step, so that its successor goes on where it was
/// killed, and the judge need not believe the bus.
enum AgentLog {
    /// What a request is, so that a successor can send the very same one.
    struct Work: Hashable {
        /// The request's id.
        var id: String
        /// The model, whose name tells the mock provider what to do.
        var model: String
        /// Bytes of text in the body.
        var byteCount: Int
        /// What was asked for.
        var durability: RequestHeader.Durability
        /// What to do when a worker is lost.
        var onLoss: RequestHeader.LossPolicy
    }

    /// A step.
    enum Entry: Hashable {
        /// About to be sent for the first time.
        case request(Work)
        case accepted(id: String, durability: RequestHeader.Durability, isDuplicate: Bool)
        /// A terminal was read: its digest, the attempts it tells of and its deliveries.
        case terminal(id: String, outcome: String, digest: String, attempts: Int, deliveries: Int)
        case acknowledged(id: String)
        /// The broker does not know the request: 404 or 410.
        case absent(id: String, code: Int)
        /// The broker did not take it: REJECTED.
        case rejected(id: String)

        /// The line without its end.
        var line: String {
            switch self {
            case .request(let work):
                "request \(work.id) \(work.model) \(work.byteCount) \(work.durability.rawValue) \(work.onLoss.rawValue)"
            case .accepted(let id, let durability, let isDuplicate):
                "accepted \(id) \(durability.rawValue) \(isDuplicate ? "again" : "first")"
            case .terminal(let id, let outcome, let digest, let attempts, let deliveries):
                "terminal \(id) \(outcome) \(digest) \(attempts) \(deliveries)"
            case .acknowledged(let id): "acknowledged \(id)"
            case .absent(let id, let code): "absent \(id) \(code)"
            case .rejected(let id): "rejected \(id)"
            }
        }

        /// Reads a line; nil for one that is none, as the last one of an agent that was killed.
        init?(_ line: Substring) {
            let words = line.split(separator: " ").map(String.init)
            guard words.count >= 2 else { return nil }
            switch (words[0], words.count) {
            case ("request", 6):
                guard let count = Int(words[3]), let durability = RequestHeader.Durability(rawValue: words[4]),
                    let onLoss = RequestHeader.LossPolicy(rawValue: words[5])
                else { return nil }
                self = .request(
                    Work(id: words[1], model: words[2], byteCount: count, durability: durability, onLoss: onLoss)
                )
            case ("accepted", 4):
                guard let durability = RequestHeader.Durability(rawValue: words[2]) else { return nil }
                self = .accepted(id: words[1], durability: durability, isDuplicate: words[3] == "again")
            case ("terminal", 6):
                guard let attempts = Int(words[4]), let deliveries = Int(words[5]) else { return nil }
                self = .terminal(
                    id: words[1],
                    outcome: words[2],
                    digest: words[3],
                    attempts: attempts,
                    deliveries: deliveries
                )
            case ("acknowledged", 2): self = .acknowledged(id: words[1])
            case ("absent", 3):
                guard let code = Int(words[2]) else { return nil }
                self = .absent(id: words[1], code: code)
            case ("rejected", 2): self = .rejected(id: words[1])
            default: return nil
            }
        }
    }

    /// Everything that is known of one request.
    struct Record: Hashable {
        var work: Work
        /// `ACCEPTED`s that named the request new.
        var firstAcceptances = 0
        /// What the last `ACCEPTED` promised; nil before the first.
        var durability: RequestHeader.Durability?
        var outcome: String?
        var digests: Set<String> = []
        var attempts = 0
        var deliveries = 0
        var isAcknowledged = false
        var wasAbsent = false
        var wasRejected = false

        /// Whether nothing more is to be done for it.
        var isOver: Bool { isAcknowledged || wasRejected || wasAbsent }
    }

    /// Reads a log, in the order in which the requests were made.
    static func records(_ text: String) -> [Record] {
        var order: [String] = []
        var records: [String: Record] = [:]
        // A line without its end was cut off by the agent's death.
        for line in text.split(separator: "\n", omittingEmptySubsequences: true) {
            guard let entry = Entry(line) else { continue }
            switch entry {
            case .request(let work):
                guard records[work.id] == nil else { continue }
                order.append(work.id)
                records[work.id] = Record(work: work)
            case .accepted(let id, let durability, let isDuplicate):
                records[id]?.durability = durability
                if !isDuplicate { records[id]?.firstAcceptances += 1 }
            case .terminal(let id, let outcome, let digest, let attempts, let deliveries):
                guard var record = records[id] else { continue }
                record.outcome = outcome
                record.digests.insert(digest)
                record.attempts = max(record.attempts, attempts)
                record.deliveries = max(record.deliveries, deliveries)
                records[id] = record
            case .acknowledged(let id): records[id]?.isAcknowledged = true
            case .absent(let id, _): records[id]?.wasAbsent = true
            case .rejected(let id): records[id]?.wasRejected = true
            }
        }
        return order.compactMap { records[$0] }
    }

    /// The whole of a log file; empty when there is none.
    static func read(_ path: String) -> String {
        let descriptor = unsafe open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { return "" }
        defer { close(descriptor) }
        var bytes: [UInt8] = []
        var part = [UInt8](repeating: 0, count: 1 << 16)
        while true {
            let count = unsafe Glibc.read(descriptor, &part, part.count)
            guard count > 0 else { break }
            bytes += part[..<count]
        }
        return String(decoding: bytes, as: UTF8.self)
    }

    /// 64-bit FNV-1a as hexadecimal digits: enough to tell two terminals apart.
    static func digest(_ parts: [[UInt8]]) -> String {
        var hash: UInt64 = 0xCBF2_9CE4_8422_2325
        for part in parts {
            for byte in part { hash = (hash ^ UInt64(byte)) &* 0x0000_0100_0000_01B3 }
        }
        return String(hash, radix: 16)
    }
}

/// Writes a log: each line in one call, so that a kill cuts at most the last.
final class AgentLogFile: Sendable {
    private let descriptor: CInt

    init(_ path: String) throws(CommandFailure) {
        descriptor = unsafe open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else { throw CommandFailure.system("cannot open \(path)") }
        // What a killed agent left half written must not swallow the first line of its successor.
        note("")
    }

    deinit { close(descriptor) }

    func write(_ entry: AgentLog.Entry) { note(entry.line) }

    private func note(_ line: String) {
        let bytes = Array((line + "\n").utf8)
        unsafe _ = Glibc.write(descriptor, bytes, bytes.count)
    }
}
