import CoreTypes
import Glibc

/// The renewal of a running bus: its children are replaced one after another, so that the others go on.
///
/// A worker is told to end when its successor is ready, so that none is missing, however long its calls take; what it has
/// it ends beside its successor. The others cannot be there twice: they end before their successor is started.
extension Supervisor {
    /// The order in which children are replaced: workers while their broker is there to take back what they have not
    /// begun; then the broker, whose journal keeps what is open; then the collector. The mock provider stays, for its
    /// counts are its memory.
    static let renewalOrder: [Role] = [.worker, .broker, .collector]

    /// How long a worker may take for the calls that it has, far more than a call should take.
    static let callsPatience: Duration = .seconds(3600)

    /// What a process that is replaced was told.
    struct Notice: Hashable {
        /// Signals that it got.
        var reminders = 0
        /// When the next is due.
        var next = Moment.distantFuture
    }

    /// An old process of a worker, beside its successor. It is not started again.
    struct Retiree: Hashable {
        /// The worker, as an old one.
        var child: Child
        /// No signal before the successor is ready.
        var notice = Notice()
    }

    /// How far a renewal has come.
    struct Renewal: Hashable {
        enum Step: Hashable {
            /// The child has an old process from the renewal before: it waits for that one's end. To starting.
            case held
            /// The process was told to end. To starting.
            case ending(Notice)
            /// The successor is on the way.
            case starting
        }

        /// Whose turn is still to come.
        var left: [Child]
        /// Whose turn it is.
        var current: Child
        /// How far it is with it.
        var step: Step

        /// When the next signal is due.
        var next: Moment {
            if case .ending(let notice) = step { notice.next } else { .distantFuture }
        }
    }

    /// Begins a renewal; to one that is under way it adds whose turn is over.
    mutating func renew(_ now: Moment, _ effects: inout [Effect]) {
        guard goal == .run, isAnnounced else {
            effects.append(.say("not renewing: the bus is not up"))
            return
        }
        let all = Self.renewalOrder.flatMap { role in order.filter { $0.role == role } }
        guard let current = renewal else {
            effects.append(.say("renewing \(all.count) processes one after another"))
            renewNext(all, now, &effects)
            return
        }
        // A successor that is started from here on is of the newest version anyway.
        let due = current.step == .starting ? current.left : current.left + [current.current]
        renewal?.left += all.filter { !due.contains($0) }
    }

    /// Sees to it that the renewal goes on after `child` has become ready.
    mutating func renewed(_ child: Child, _ now: Moment, _ effects: inout [Effect]) {
        guard let renewal, renewal.current == child else { return }
        if let index = retirees.firstIndex(where: { $0.child == child.old && $0.notice.reminders == 0 }) {
            retirees[index].notice = remind(child.old, 0, now, &effects)
        }
        renewNext(renewal.left, now, &effects)
    }

    /// Whether the end of `child` was asked for; if so its successor is started.
    mutating func replace(_ child: Child, _ now: Moment, _ effects: inout [Effect]) -> Bool {
        guard let renewal, renewal.current == child, case .ending = renewal.step else { return false }
        startSuccessor(child, now, &effects)
        return true
    }

    /// An old process of a worker ended.
    mutating func retired(_ child: Child, _ ending: Ending, _ now: Moment, _ effects: inout [Effect]) {
        guard let index = retirees.firstIndex(where: { $0.child == child }) else { return }
        retirees.remove(at: index)
        switch goal {
        case .run:
            effects.append(.say("\(child) \(ending)"))
            guard let renewal, renewal.step == .held, renewal.current.old == child else { return }
            renewNext([renewal.current] + renewal.left, now, &effects)
        case .stop, .kill:
            advanceStop(now, &effects)
        case .finished:
            break
        }
    }

    /// Sends the signals that are due to the processes that are replaced.
    mutating func remindReplaced(_ now: Moment, _ effects: inout [Effect]) {
        if let renewal, case .ending(let notice) = renewal.step, notice.next <= now {
            let notice = remind(renewal.current, notice.reminders, now, &effects)
            self.renewal?.step = .ending(notice)
        }
        for index in retirees.indices where retirees[index].notice.next <= now {
            let retiree = retirees[index]
            retirees[index].notice = remind(retiree.child, retiree.notice.reminders, now, &effects)
        }
    }

    private mutating func renewNext(_ left: [Child], _ now: Moment, _ effects: inout [Effect]) {
        // One that is down at the moment comes back as a new process anyway.
        guard let index = left.firstIndex(where: { isRunning($0) }) else {
            renewal = nil
            effects.append(.say("all processes are new"))
            return
        }
        let child = left[index]
        let rest = Array(left[(index + 1)...])
        guard child.role == .worker else {
            let notice = remind(child, 0, now, &effects)
            renewal = Renewal(left: rest, current: child, step: .ending(notice))
            return
        }
        renewal = Renewal(left: rest, current: child, step: .held)
        if retirees.contains(where: { $0.child == child.old }) {
            effects.append(.say("\(child) is renewed when \(child.old) has ended"))
        } else {
            retirees.append(Retiree(child: child.old))
            effects.append(.setAside(child))
            startSuccessor(child, now, &effects)
        }
    }

    private mutating func startSuccessor(_ child: Child, _ now: Moment, _ effects: inout [Effect]) {
        renewal?.step = .starting
        records[child]?.failures = 0
        spawn(child, now, &effects)
    }

    /// What a process gets, and how long each is waited for. A worker may take as long for its calls as they take: to cut
    /// them short would fail requests, or pay for them twice.
    private func renewalSignals(for role: Role) -> [(signal: CInt, patience: Duration?)] {
        let end: [(signal: CInt, patience: Duration?)] = [
            (SIGTERM, role == .worker ? plan.drain : Self.endPatience), (SIGTERM, Self.killPatience), (SIGKILL, nil),
        ]
        return role == .worker ? [(SIGHUP, Self.callsPatience)] + end : end
    }

    /// Sends `child`, which got `reminders` signals, the next one.
    private func remind(_ child: Child, _ reminders: Int, _ now: Moment, _ effects: inout [Effect]) -> Notice {
        let signals = renewalSignals(for: child.role)
        let (signal, patience) = signals[min(reminders, signals.count - 1)]
        if reminders == signals.count - 1 { effects.append(.say("\(child) does not end; killing it")) }
        effects.append(.signal(child, signal))
        return Notice(reminders: reminders + 1, next: patience.map { now.advanced(by: $0) } ?? .distantFuture)
    }
}
