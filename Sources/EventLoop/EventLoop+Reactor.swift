public import CoreTypes

/// Names a turn source of one loop.
public struct TurnID: Hashable, Sendable {
    let number: UInt64
}

/// Names a timer of one loop.
public struct TimerID: Hashable, Sendable {
    let number: UInt64
}

// What the loop waits for. All of this is called on the loop's thread only; anywhere else it stops the process.
//
// A closure given here is called on the loop's thread, is kept until it is taken back or the loop ends, and may call
// every method of the loop. After the end of the loop nothing given here is called any more.
extension EventLoop {
    /// Calls `handler` in every turn in which `fd` is ready for something in `interest` (level-triggered), or has hung
    /// up or failed.
    ///
    /// The descriptor stays the caller's: ``unwatch(_:)`` comes before `close`.
    ///
    /// - Throws: ``SystemError`` when the kernel cannot watch it: `EPERM` for a regular file, `EBADF`, `ENOSPC`.
    /// - Precondition: `fd` is not watched already.
    public func watch(
        _ fd: CInt,
        _ interest: Interest,
        _ handler: @escaping (Readiness) -> Void
    ) throws(SystemError) {
        checkIsolated()
        try reactor.watch(fd, interest, handler)
    }

    /// Changes what the handler of `fd` is told.
    ///
    /// - Precondition: `fd` is watched and open.
    public func update(_ fd: CInt, _ interest: Interest) {
        checkIsolated()
        reactor.update(fd, interest)
    }

    /// Forgets `fd`; one that is not watched is no error.
    ///
    /// Safe inside any handler: events of this turn that were already read for `fd` are dropped, also when another
    /// descriptor of the same number is watched meanwhile.
    public func unwatch(_ fd: CInt) {
        checkIsolated()
        reactor.unwatch(fd)
    }

    /// Calls `turn` in every turn, after the handlers and before jobs and timers.
    ///
    /// - Parameter turn: Gets the number of messages it may handle. It returns true while it did or left something:
    ///   then the loop does not block before it has asked again.
    public func addTurn(_ turn: @escaping (_ budget: Int) -> Bool) -> TurnID {
        checkIsolated()
        return TurnID(number: reactor.addTurn(turn))
    }

    /// Forgets a turn source at once; one that was removed already is no error.
    public func removeTurn(_ id: TurnID) {
        checkIsolated()
        reactor.removeTurn(id.number)
    }

    /// Calls `handler` once, not before `at`; timers of the same moment fire in the order they were made.
    ///
    /// A moment in the past fires in the next turn at the latest.
    @discardableResult
    public func schedule(at: Moment, _ handler: @escaping () -> Void) -> TimerID {
        checkIsolated()
        return TimerID(number: reactor.addTimer(at: at, handler))
    }

    /// Forgets a timer; one that fired or was cancelled already is no error.
    public func cancel(_ id: TimerID) {
        checkIsolated()
        reactor.cancelTimer(id.number)
    }
}
