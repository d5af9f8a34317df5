import CoreTypes
import Glibc

/// What the signals mean that a service gets, as a value.
///
/// A service manager or `pkill` signals all processes of a bus at once, and `timeout` a process twice. So a supervised
/// service takes its end from its supervisor: a request of anybody else waits for a moment, and is forgotten if the
/// supervisor is stopping the bus. And two requests within a moment are one.
struct StopRequests {
    enum Answer: Equatable {
        case nothing
        /// Call ``momentIsOver()`` after ``moment``.
        case wait
        case stop(StopUrgency)
    }

    /// Shorter than a person's second thought, longer than it takes a supervisor to act.
    static let moment: Duration = .milliseconds(300)

    private let supervisor: Int32?
    private let canRenew: Bool
    /// The supervisor has said that it stops the bus.
    private var endIsAnnounced = false
    /// A graceful end was begun.
    private var hasBegun = false
    /// When somebody who may ask did so first.
    private var firstAt: Moment?
    private var isWaiting = false

    /// For a service with a `supervisor`, by its process id, or without one.
    init(supervisor: Int32?, canRenew: Bool) {
        self.supervisor = supervisor
        self.canRenew = canRenew
    }

    /// A signal came at `now`.
    mutating func take(_ signal: SignalSource.Signal, now: Moment) -> Answer {
        if signal.number == SignalSource.quiet {
            endIsAnnounced = true
            return .stop(.quiet)
        }
        if signal.number == SIGHUP, canRenew, signal.isFromProcess { return .stop(.renew) }
        if let supervisor, signal.sender != supervisor { return takeFromOther(now) }
        defer { firstAt = firstAt ?? now }
        guard let firstAt else { return begin() }
        return supervisor == nil && firstAt.duration(to: now) < Self.moment ? .nothing : .stop(.now)
    }

    /// The moment after ``Answer/wait`` is over.
    mutating func momentIsOver() -> Answer {
        isWaiting = false
        return endIsAnnounced ? .nothing : begin()
    }

    private mutating func takeFromOther(_ now: Moment) -> Answer {
        guard !endIsAnnounced, firstAt == nil, !isWaiting else { return .nothing }
        if hasBegun { return .stop(.now) }
        isWaiting = true
        return .wait
    }

    private mutating func begin() -> Answer {
        guard !hasBegun else { return .nothing }
        hasBegun = true
        return .stop(.graceful)
    }
}
