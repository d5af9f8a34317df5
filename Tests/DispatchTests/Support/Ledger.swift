import BusProtocol
import CoreTypes
import Dispatch
import Testing

/// What the effects so far add up to, and the rules that hold for every one of them whatever the scenario.
struct Ledger {
    /// How a request stands, judged by effects alone.
    enum Standing: Equatable {
        case open
        case replied
        /// The class when the broker ended it; nil when a worker did.
        case failed(FailureClass?)
    }

    struct Entry {
        var key: RequestKey
        var standing = Standing.open
        var deliveries: UInt32 = 0
        var holder: ConnectionID?
        var goes = Set<DeliveryKey>()
        var paidDeliveries: Set<UInt32> { Set(goes.map(\.delivery)) }
    }

    private(set) var entries: [JobNumber: Entry] = [:]
    private(set) var terminals: [JobNumber: Int] = [:]
    private(set) var accepted = 0
    private var numbers: [RequestKey: JobNumber] = [:]

    /// The journal lost the acceptance of this request: it may be forgotten as it stands.
    mutating func lose(_ job: JobNumber) {
        guard let entry = entries[job] else { return }
        check(entry.goes.isEmpty, "job \(job) got a GO before its acceptance was on disk")
        accepted -= 1
        if entry.standing == .open { entries[job]?.standing = .failed(nil) }
    }

    /// A request that the journal kept.
    mutating func restore(_ request: RestoredRequest) {
        var entry = Entry(key: request.facts.key)
        entry.deliveries = request.started.map(\.delivery).max() ?? 0
        entry.goes = Set(request.started)
        if let ending = request.ending { entry.standing = ending.isReply ? .replied : .failed(ending.brokerClass) }
        entries[request.number] = entry
        numbers[request.facts.key] = request.number
    }

    func number(of key: RequestKey) -> JobNumber? { numbers[key] }

    /// Books an effect. `isReplyInHand` says what the worker's message in hand is.
    mutating func book(_ effect: DispatchEffect, isReplyInHand: Bool) {
        switch effect {
        case .keepRequest(let job, let key):
            check(entries[job] == nil, "job \(job) is kept twice")
            check(numbers[key] == nil, "request \(key.id) is kept twice")
            entries[job] = Entry(key: key)
            numbers[key] = job
            accepted += 1
        case .keepTerminal(let job):
            close(job, as: isReplyInHand ? .replied : .failed(nil))
        case .composeTerminal(let job, let failure):
            close(job, as: .failed(failure.reason))
            check(failure.waited <= failure.duration, "job \(job) waited longer than it lived")
        case .forget(let job):
            check(entries[job].map { $0.standing != .open } ?? false, "job \(job) is forgotten without a terminal")
            if let key = entries[job]?.key { numbers[key] = nil }
            entries[job] = nil
        case .sendTerminal(_, let job, let id):
            check(entries[job].map { $0.standing != .open } ?? false, "job \(job) has no terminal to send")
            check(entries[job]?.key.id == id, "the terminal of job \(job) is sent under another id")
        case .deliver(let connection, let key, let header):
            check(entries[key.job]?.standing == .open, "job \(key.job) is delivered but not open")
            check(entries[key.job]?.deliveries == key.delivery - 1, "delivery \(key) skips a number")
            let last = entries[key.job]?.goes.map(\.attempt).max() ?? 0
            check(header.firstAttempt == last + 1, "delivery \(key) begins at attempt \(header.firstAttempt)")
            entries[key.job]?.deliveries = key.delivery
            entries[key.job]?.holder = connection
        case .order(_, .go(let key, _)):
            check(entries[key.job]?.standing == .open, "GO for \(key), which is not open")
            check(entries[key.job]?.deliveries == key.delivery, "GO for \(key), which is not the current delivery")
            entries[key.job]?.goes.insert(key)
            check((entries[key.job]?.paidDeliveries.count ?? 0) <= 2, "a third paid delivery of \(key.job)")
        case .answer(_, .accepted(let id, _, let duplicate)):
            check(duplicate || numbers.keys.contains { $0.id == id }, "\(id) is accepted before it is kept")
        case .answer, .answerSystem, .order, .drain, .publish, .write:
            break
        }
    }

    private mutating func close(_ job: JobNumber, as standing: Standing) {
        check(entries[job]?.standing == .open, "job \(job) gets a terminal but is not open")
        entries[job]?.standing = standing
        terminals[job, default: 0] += 1
        check(terminals[job] == 1, "job \(job) got a second terminal")
    }

    private func check(_ holds: Bool, _ message: @autoclosure () -> String) {
        if !holds { Issue.record(Comment(rawValue: message())) }
    }
}
