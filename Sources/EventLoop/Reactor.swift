import CLinux
import CoreTypes
import Glibc

/// The descriptors, turn sources and timers of a loop; touched by the loop's thread only.
///
/// Handlers may call every method: each access to the state ends before a handler is called.
@safe final class Reactor {
    /// Marks the loop's own wake-up descriptor in `epoll_event.data`; no watch has it.
    static let wakeToken = UInt64.max

    private static let eventsMax = 256

    private final class Watch {
        let token: UInt64
        let handler: (Readiness) -> Void
        var interest: Interest

        init(token: UInt64, interest: Interest, handler: @escaping (Readiness) -> Void) {
            self.token = token
            self.interest = interest
            self.handler = handler
        }
    }

    private final class Turn {
        let number: UInt64
        let run: (Int) -> Bool
        var isRemoved = false

        init(number: UInt64, run: @escaping (Int) -> Bool) {
            self.number = number
            self.run = run
        }
    }

    private let epollDescriptor: CInt
    private let events: UnsafeMutableBufferPointer<epoll_event>
    private var watches: [Watch?] = []
    private var generation: UInt32 = 0
    private var turns: [Turn] = []
    private var turnsMade: UInt64 = 0
    private var timers = TimerQueue()
    private var hasPreciseWait = true

    init(epollDescriptor: CInt) {
        self.epollDescriptor = epollDescriptor
        unsafe events = .allocate(capacity: Self.eventsMax)
        unsafe events.initialize(repeating: epoll_event())
    }

    deinit {
        unsafe events.deallocate()
    }

    // MARK: Descriptors

    func watch(_ fd: CInt, _ interest: Interest, _ handler: @escaping (Readiness) -> Void) throws(SystemError) {
        precondition(fd >= 0, "descriptor \(fd) cannot be watched")
        while watches.count <= Int(fd) { watches.append(nil) }
        precondition(watches[Int(fd)] == nil, "descriptor \(fd) is already watched: unwatch it before closing it")
        // The generation tells events of this watch from stale ones of an earlier owner of the same number.
        generation = generation == .max - 1 ? 0 : generation + 1
        let token = UInt64(generation) << 32 | UInt64(UInt32(fd))
        let watch = Watch(token: token, interest: interest, handler: handler)
        if !interest.isEmpty {
            guard control(EPOLL_CTL_ADD, fd, watch) == 0 else { throw .last("epoll_ctl", "watching descriptor \(fd)") }
        }
        watches[Int(fd)] = watch
    }

    func update(_ fd: CInt, _ interest: Interest) {
        guard fd >= 0, Int(fd) < watches.count, let watch = watches[Int(fd)] else {
            preconditionFailure("descriptor \(fd) is not watched")
        }
        guard watch.interest != interest else { return }
        let operation =
            watch.interest.isEmpty ? EPOLL_CTL_ADD : interest.isEmpty ? EPOLL_CTL_DEL : EPOLL_CTL_MOD
        watch.interest = interest
        guard control(operation, fd, watch) == 0 else {
            preconditionFailure("\(SystemError.last("epoll_ctl", "descriptor \(fd) was closed while watched"))")
        }
    }

    func unwatch(_ fd: CInt) {
        guard fd >= 0, Int(fd) < watches.count, let watch = watches[Int(fd)] else { return }
        watches[Int(fd)] = nil
        // Fails only if the descriptor was closed already, and then the kernel has forgotten it.
        if !watch.interest.isEmpty { _ = control(EPOLL_CTL_DEL, fd, watch) }
    }

    private func control(_ operation: CInt, _ fd: CInt, _ watch: Watch) -> CInt {
        var event = unsafe epoll_event()
        unsafe event.events = watch.interest.epollEvents
        unsafe event.data.u64 = watch.token
        return unsafe epoll_ctl(epollDescriptor, operation, fd, &event)
    }

    /// Waits for descriptors until `deadline` (nil: without end; in the past: only looks) and calls their handlers.
    func wait(until deadline: Moment?) {
        let count = waitForEvents(until: deadline)
        for index in 0..<count {
            let event = unsafe events[index]
            let token = unsafe event.data.u64
            guard token != Self.wakeToken else { continue }
            let slot = Int(UInt32(truncatingIfNeeded: token))
            guard slot < watches.count, let watch = watches[slot], watch.token == token else { continue }
            // An earlier handler of this turn may have changed what is wanted.
            let interest = watch.interest
            guard !interest.isEmpty else { continue }
            var readiness = unsafe Readiness(epollEvents: event.events)
            if !interest.contains(.read) { readiness.remove(.read) }
            if !interest.contains(.write) { readiness.remove(.write) }
            if !readiness.isEmpty { watch.handler(readiness) }
        }
    }

    private func waitForEvents(until deadline: Moment?) -> Int {
        var count: CInt
        if let deadline, deadline <= Moment.zero {
            count = unsafe epoll_wait(epollDescriptor, events.baseAddress, CInt(Self.eventsMax), 0)
        } else {
            // A day at most, so that no arithmetic below can overflow; waking once a day harms nobody.
            let left = deadline.map { min(max(0, $0.nanoseconds - Moment.monotonic.nanoseconds), 86_400_000_000_000) }
            count = waitForEvents(nanoseconds: left)
        }
        if count < 0 {
            guard errno == EINTR else { preconditionFailure("\(SystemError.last("epoll_wait"))") }
            count = 0
        }
        return Int(count)
    }

    /// `epoll_pwait2(2)`, or where the kernel lacks it (before 5.11) `epoll_wait(2)` rounded up to milliseconds.
    private func waitForEvents(nanoseconds: Int64?) -> CInt {
        if hasPreciseWait {
            var count: CInt
            if let nanoseconds {
                var timeout = timespec()
                timeout.tv_sec = Int(nanoseconds / 1_000_000_000)
                timeout.tv_nsec = Int(nanoseconds % 1_000_000_000)
                count = unsafe epoll_pwait2(epollDescriptor, events.baseAddress, CInt(Self.eventsMax), &timeout, nil)
            } else {
                count = unsafe epoll_pwait2(epollDescriptor, events.baseAddress, CInt(Self.eventsMax), nil, nil)
            }
            guard count < 0, errno == ENOSYS || errno == EPERM else { return count }
            hasPreciseWait = false
        }
        let milliseconds = nanoseconds.map { CInt(($0 + 999_999) / 1_000_000) } ?? -1
        return unsafe epoll_wait(epollDescriptor, events.baseAddress, CInt(Self.eventsMax), milliseconds)
    }

    // MARK: Turn sources

    func addTurn(_ run: @escaping (Int) -> Bool) -> UInt64 {
        turnsMade += 1
        turns.append(Turn(number: turnsMade, run: run))
        return turnsMade
    }

    func removeTurn(_ number: UInt64) {
        guard let index = turns.firstIndex(where: { $0.number == number }) else { return }
        turns[index].isRemoved = true
        turns.remove(at: index)
    }

    /// Calls every turn source; true when one of them has work left.
    func runTurns(budget: Int) -> Bool {
        var hasWork = false
        for turn in turns where !turn.isRemoved {
            if turn.run(budget) { hasWork = true }
        }
        return hasWork
    }

    // MARK: Timers

    var earliestTimer: Moment? { timers.earliest() }

    func addTimer(at: Moment, _ handler: @escaping () -> Void) -> UInt64 {
        timers.add(at: at, handler)
    }

    func cancelTimer(_ number: UInt64) {
        timers.cancel(number)
    }

    /// Fires the timers that are due, except those added meanwhile; true when one fired.
    func fireTimers() -> Bool {
        guard let earliest = timers.earliest() else { return false }
        let now = Moment.monotonic
        guard earliest <= now else { return false }
        let limit = timers.nextNumber
        while let handler = timers.popDue(now: now, before: limit) { handler() }
        return true
    }

    /// Forgets everything, so that the handlers and what they hold are released.
    func removeAll() {
        for fd in watches.indices { unwatch(CInt(fd)) }
        let released = (watches, turns, timers)
        watches = []
        turns = []
        timers.removeAll()
        for turn in released.1 { turn.isRemoved = true }
    }
}

extension Moment {
    /// Now, by `CLOCK_MONOTONIC`.
    static var monotonic: Moment {
        var time = timespec()
        unsafe clock_gettime(CLOCK_MONOTONIC, &time)
        return Moment(nanoseconds: Int64(time.tv_sec) * 1_000_000_000 + Int64(time.tv_nsec))
    }
}
