import Synchronization

/// Work for a loop from any thread, and whether the loop must be woken for it.
final class Mailbox: Sendable {
    /// One piece of work.
    enum Item {
        case job(UnownedJob)
        case closure(@Sendable () -> Void)
    }

    /// What a sender has to do after it left something.
    enum Action {
        /// The loop will look by itself.
        case nothing
        /// The loop sleeps, or is about to: write to its eventfd.
        case wake
        /// The loop has ended: start a thread that serves what comes late.
        case serveLate
    }

    enum Phase {
        /// The loop's thread is up. To `asleep` and `ended`.
        case awake
        /// The loop blocks or is about to, with nothing left here. To `awake`.
        case asleep
        /// No thread serves. To `late`.
        case ended
        /// A short-lived thread serves what came after the end. To `ended`.
        case late
    }

    struct State {
        var items: [Item] = []
        var phase = Phase.awake
        var isStopping = false
        var waiters: [CheckedContinuation<Void, Never>] = []
    }

    private let state = Mutex(State())

    /// Leaves one piece of work.
    func put(_ item: sending Item) -> Action {
        state.withLock { state in
            state.items.append(item)
            switch state.phase {
            case .awake, .late:
                return .nothing
            case .asleep:
                state.phase = .awake
                return .wake
            case .ended:
                state.phase = .late
                return .serveLate
            }
        }
    }

    /// Asks the loop to end.
    func requestStop() -> Action {
        state.withLock { state in
            state.isStopping = true
            guard case .asleep = state.phase else { return .nothing }
            state.phase = .awake
            return .wake
        }
    }

    /// Says that the loop is about to block; false when it must not, because something waits here.
    func fallAsleep() -> Bool {
        state.withLock { state in
            guard state.items.isEmpty, !state.isStopping else { return false }
            state.phase = .asleep
            return true
        }
    }

    /// Takes what waits into the empty `batch`; returns whether the loop was asked to end.
    func take(into batch: inout [Item]) -> Bool {
        state.withLock { state in
            state.phase = .awake
            if batch.isEmpty { swap(&batch, &state.items) }
            return state.isStopping
        }
    }

    /// Takes what waits into the empty `batch`; false when there was nothing, and then nobody serves any more.
    ///
    /// `onEnd` is called under the lock, so that it precedes the next thread that serves. It must not call back.
    func takeOrEnd(into batch: inout [Item], onEnd: () -> Void) -> Bool {
        let (more, waiters) = state.withLock { state in
            swap(&batch, &state.items)
            guard batch.isEmpty else { return (true, [CheckedContinuation<Void, Never>]()) }
            state.phase = .ended
            onEnd()
            let waiters = state.waiters
            state.waiters = []
            return (false, waiters)
        }
        for waiter in waiters { waiter.resume() }
        return more
    }

    /// Resumes `waiter` when the loop has ended.
    func notifyAtEnd(_ waiter: CheckedContinuation<Void, Never>) {
        let hasEnded = state.withLock { state in
            switch state.phase {
            case .ended, .late:
                return true
            case .awake, .asleep:
                state.waiters.append(waiter)
                return false
            }
        }
        if hasEnded { waiter.resume() }
    }
}
