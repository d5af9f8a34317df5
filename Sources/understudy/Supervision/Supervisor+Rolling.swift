import CoreTypes
import Glibc

/// The renewal of a running bus: its children are replaced one after another, so that the others go on.
extension Supervisor {
    /// The order in which children are replaced: workers while their broker is there to take back what they have not
    /// begun; then the broker, whose journal keeps what is open; then the collector. The mock provider stays, for its
    /// counts are its memory.
    static let renewalOrder: [Role] = [.worker, .broker, .collector]

    /// How long a worker may take for the calls that it has, far more than a call should take.
    static let callsPatience: Duration = .seconds(3600)

    /// How far a renewal has come.
    struct Renewal: Hashable {
        /// Whose turn is still to come.
        var left: [Child]
        /// Whose turn it is.
        var current: Child
        /// Signals that the old process got; nil when its successor is on the way.
        var reminders: Int?
        /// When the next signal is due.
        var next: Moment
    }

    /// Begins a renewal; one that is under way begins again behind the child whose turn it is.
    mutating func renew(_ now: Moment, _ effects: inout [Effect]) {
        guard goal == .run, isAnnounced else {
            effects.append(.say("not renewing: the bus is not up"))
            return
        }
        let all = Self.renewalOrder.flatMap { role in order.filter { $0.role == role } }
        if renewal != nil {
            renewal?.left = all
            return
        }
        effects.append(.say("renewing \(all.count) processes one after another"))
        renewNext(all, now, &effects)
    }

    /// Sees to it that the renewal goes on after `child` has become ready.
    mutating func renewed(_ child: Child, _ now: Moment, _ effects: inout [Effect]) {
        guard let renewal, renewal.current == child, renewal.reminders == nil else { return }
        renewNext(renewal.left, now, &effects)
    }

    /// Whether the end of `child` was asked for; if so its successor is started.
    mutating func replace(_ child: Child, _ now: Moment, _ effects: inout [Effect]) -> Bool {
        guard renewal?.current == child, renewal?.reminders != nil else { return false }
        renewal?.reminders = nil
        renewal?.next = .distantFuture
        records[child]?.failures = 0
        spawn(child, now, &effects)
        return true
    }

    /// Sends the signal that is next for the child whose turn it is.
    mutating func remindRenewal(_ now: Moment, _ effects: inout [Effect]) {
        guard let renewal, let reminders = renewal.reminders, renewal.next <= now else { return }
        signalRenewal(reminders, now, &effects)
    }

    private mutating func renewNext(_ left: [Child], _ now: Moment, _ effects: inout [Effect]) {
        // One that is down at the moment comes back as a new process anyway.
        guard let index = left.firstIndex(where: { isRunning($0) }) else {
            renewal = nil
            effects.append(.say("all processes are new"))
            return
        }
        renewal = Renewal(left: Array(left[(index + 1)...]), current: left[index], reminders: 0, next: now)
        signalRenewal(0, now, &effects)
    }

    /// What a process gets, and how long each is waited for. A worker may take as long for its calls as they take: to cut
    /// them short would fail requests, or pay for them twice.
    private func renewalSignals(for role: Role) -> [(signal: CInt, patience: Duration?)] {
        let end: [(signal: CInt, patience: Duration?)] = [
            (SIGTERM, role == .worker ? plan.drain : Self.endPatience), (SIGTERM, Self.killPatience), (SIGKILL, nil),
        ]
        return role == .worker ? [(SIGHUP, Self.callsPatience)] + end : end
    }

    private mutating func signalRenewal(_ reminders: Int, _ now: Moment, _ effects: inout [Effect]) {
        guard let child = renewal?.current else { return }
        let signals = renewalSignals(for: child.role)
        let (signal, patience) = signals[min(reminders, signals.count - 1)]
        renewal?.reminders = reminders + 1
        renewal?.next = patience.map { now.advanced(by: $0) } ?? .distantFuture
        if reminders == signals.count - 1 { effects.append(.say("\(child) does not end; killing it")) }
        effects.append(.signal(child, signal))
    }
}
