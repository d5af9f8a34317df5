import CoreTypes
import Glibc

/// What is due when.
extension Supervisor {
    /// When ``Event/timer`` is due; nil for never.
    var nextTimer: Moment? {
        let moments: [Moment] =
            switch goal {
            case .run:
                order.compactMap { moment(of: $0) } + [renewal?.next ?? .distantFuture] + retirees.map(\.notice.next)
            case .stop(.worker, _, let next): [next] + (moment(of: Self.broker).map { [$0] } ?? [])
            case .stop(_, _, let next): [next]
            case .kill, .finished: []
            }
        return moments.min().flatMap { $0 == .distantFuture ? nil : $0 }
    }

    /// When something is to be done for `child` by itself; nil for never.
    private func moment(of child: Child) -> Moment? {
        switch records[child]?.phase {
        case .starting(let since): since.advanced(by: Self.startPatience)
        case .resting(let until): until
        case .waiting, .running, .gone, nil: nil
        }
    }

    mutating func timer(_ now: Moment, _ effects: inout [Effect]) {
        switch goal {
        case .run:
            remindReplaced(now, &effects)
            for child in order { tend(child, now, &effects) }
        case .stop(let role, let reminders, let next):
            if role == .worker { tend(Self.broker, now, &effects) }
            if next <= now { remind(role, reminders: reminders, now, &effects) }
        case .kill, .finished:
            break
        }
    }

    /// Starts `child` when its wait is over, and kills it when it takes too long to become ready.
    private mutating func tend(_ child: Child, _ now: Moment, _ effects: inout [Effect]) {
        switch records[child]?.phase {
        case .resting(let until) where until <= now:
            spawn(child, now, &effects)
        case .starting(let since) where since.advanced(by: Self.startPatience) <= now:
            // Its end is reported as any other; until then the patience begins anew.
            records[child]?.phase = .starting(since: now)
            effects.append(.say("\(child) is not ready after \(Self.startPatience); killing it"))
            effects.append(.signal(child, SIGKILL))
        case .waiting, .starting, .running, .resting, .gone, nil:
            break
        }
    }
}
