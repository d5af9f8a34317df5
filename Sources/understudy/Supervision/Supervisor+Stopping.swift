import CoreTypes
import Glibc

/// The end of a bus: its children are stopped role by role.
extension Supervisor {
    /// The child that workers need until they have ended.
    static let broker = Child(role: .broker)

    /// Whether the workers are being stopped, and the broker is kept for them.
    var isStoppingWorkers: Bool {
        if case .stop(.worker, _, _) = goal { true } else { false }
    }

    private var isBrokerResting: Bool {
        if case .resting = records[Self.broker]?.phase { true } else { false }
    }

    /// Somebody wants the bus to stop; the second time, at once.
    mutating func stopRequested(_ now: Moment, _ effects: inout [Effect]) {
        switch goal {
        case .run:
            effects.append(.say("stopping; once more to kill"))
            beginStop(.ok, now, &effects)
        case .stop:
            effects.append(.say("killing what is left"))
            goal = .kill
            for child in living { effects.append(.signal(child, SIGKILL)) }
        case .kill, .finished:
            break
        }
    }

    /// Begins a stop that ends with `status`.
    mutating func beginStop(_ status: ExitStatus, _ now: Moment, _ effects: inout [Effect]) {
        self.status = status
        renewal = nil
        for child in order where records[child]?.isAlive == false {
            if child != Self.broker || !isBrokerResting { records[child]?.phase = .gone }
        }
        // From here on the broker rejects new requests, for there will be no worker for them, and those that end after the
        // workers leave their end to this. One that is not ready yet is told when it is: before, the signal would end it.
        for child in order where child.role != .worker && isRunning(child) {
            effects.append(.signal(child, SignalSource.quiet))
        }
        goal = .stop(.worker, reminders: 0, next: now)
        advanceStop(now, &effects)
        // Without its wait, for the workers' time is short.
        if isStoppingWorkers, isBrokerResting { spawn(Self.broker, now, &effects) }
    }

    /// Goes on to the next stage when the current one has ended, and finishes after the last.
    mutating func advanceStop(_ now: Moment, _ effects: inout [Effect]) {
        if goal == .kill {
            if living.isEmpty { finish(&effects) }
            return
        }
        guard case .stop(let current, let reminders, _) = goal else { return }
        if !isLeft(.worker), isBrokerResting { records[Self.broker]?.phase = .gone }
        guard let role = Self.stopOrder.first(where: { isLeft($0) }) else {
            finish(&effects)
            return
        }
        if role != current || reminders == 0 { remind(role, reminders: 0, now, &effects) }
    }

    /// Sends the signal that is next for the children of `role`.
    mutating func remind(_ role: Role, reminders: Int, _ now: Moment, _ effects: inout [Effect]) {
        let number = reminders < 2 ? SIGTERM : SIGKILL
        let patience: Duration? =
            switch reminders {
            case 0: role == .worker ? plan.drain : Self.endPatience
            case 1: Self.killPatience
            default: nil
            }
        goal = .stop(role, reminders: reminders + 1, next: patience.map { now.advanced(by: $0) } ?? .distantFuture)
        for child in living where child.role == role {
            if reminders == 2 { effects.append(.say("\(child) does not end; killing it")) }
            effects.append(.signal(child, number))
        }
    }

    /// Whose process runs.
    private var living: [Child] { order.filter { records[$0]?.isAlive == true } + retirees.map(\.child) }

    private func isLeft(_ role: Role) -> Bool { living.contains { $0.role == role } }

    private mutating func finish(_ effects: inout [Effect]) {
        goal = .finished
        effects.append(.finish(status))
    }
}
