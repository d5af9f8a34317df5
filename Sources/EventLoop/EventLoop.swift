import CLinux
public import CoreTypes
import Glibc
import Synchronization

/// A thread that waits for file descriptors, timers and jobs, and on which actors can live.
///
/// One turn: wait for descriptors; call their handlers; run the turn sources, each with a budget; run jobs, a bounded
/// batch; fire the timers that are due. Sockets are thus drained before timers are read. The loop blocks only after a
/// turn in which no job and no timer ran and every turn source said that it is done, so nothing that a job did to a
/// socket goes unseen.
///
/// An actor that returns ``asUnownedSerialExecutor()`` as its `unownedExecutor` runs on this thread; handlers may
/// touch its state directly or by `assumeIsolated`.
///
/// The thread keeps the loop alive until ``shutDown()``. Jobs that arrive after the end run on a short-lived thread of
/// their own, one at a time, so that no task hangs; descriptors and timers are gone by then.
public final class EventLoop: SerialExecutor, @unchecked Sendable {
    // Why `@unchecked` holds: `mailbox`, `threadHandle` and `joiner` are synchronized; `reactor` is touched by the
    // serving thread only, which every public method checks; all else is constant.

    /// How many messages a turn source may handle in one turn. Below the number of requests that a busy bus has open, so
    /// that what follows from some of them is done by others while the rest is handled.
    public static let turnBudget = 128

    /// How many jobs run in one turn.
    static let jobBudget = 1024

    /// Names the thread, and the loop in texts.
    public let name: String

    private let mailbox = Mailbox()
    private let wakeDescriptor: CInt
    private let epollDescriptor: CInt

    /// `pthread_self()` of the thread that serves; 0 when none does.
    private let threadHandle = Atomic<UInt>(0)
    private let joiner = Mutex<pthread_t?>(nil)

    /// What only the serving thread touches.
    let reactor: Reactor
    private var batch: [Mailbox.Item] = []
    private var batchStart = 0

    /// Makes a loop and starts its thread.
    ///
    /// - Parameter name: For the thread and for texts; the kernel keeps the first 15 bytes.
    /// - Throws: ``SystemError`` when the system has no descriptors or threads left.
    public init(name: String) throws(SystemError) {
        self.name = name
        epollDescriptor = epoll_create1(CInt(EPOLL_CLOEXEC))
        guard epollDescriptor >= 0 else { throw .last("epoll_create1", "event loop \(name)") }
        wakeDescriptor = eventfd(0, CInt(EFD_CLOEXEC | EFD_NONBLOCK))
        guard wakeDescriptor >= 0 else {
            let failure = SystemError.last("eventfd", "event loop \(name)")
            close(epollDescriptor)
            throw failure
        }
        reactor = Reactor(epollDescriptor: epollDescriptor)
        // Edge-triggered, so that the counter never needs a read.
        var event = unsafe epoll_event()
        unsafe event.events = EPOLLIN.rawValue | EPOLLET.rawValue
        unsafe event.data.u64 = Reactor.wakeToken
        guard unsafe epoll_ctl(epollDescriptor, EPOLL_CTL_ADD, wakeDescriptor, &event) == 0 else {
            throw .last("epoll_ctl", "wake-up descriptor of event loop \(name)")
        }
        try joiner.withLock { handle throws(SystemError) in
            handle = try startThread { $0.run() }
        }
    }

    deinit {
        joiner.withLock { handle in
            if let thread = handle { pthread_detach(thread) }
        }
        close(epollDescriptor)
        close(wakeDescriptor)
    }

    /// True on the loop's thread.
    public var isCurrent: Bool {
        threadHandle.load(ordering: .relaxed) == UInt(pthread_self())
    }

    // MARK: From any thread

    /// Queues a job of an actor or task.
    public func enqueue(_ job: consuming ExecutorJob) {
        perform(mailbox.put(.job(UnownedJob(job))))
    }

    /// Stops the process unless called on the loop's thread; lets `assumeIsolated` work in handlers.
    public func checkIsolated() {
        precondition(isCurrent, "not on the thread of event loop \(name)")
    }

    /// Whether the caller runs on the loop's thread.
    public func isIsolatingCurrentContext() -> Bool? {
        isCurrent
    }

    /// Runs `work` on the loop, after the jobs queued before it.
    public func execute(_ work: @escaping @Sendable () -> Void) {
        perform(mailbox.put(.closure(work)))
    }

    /// Asks the loop to end after its turn; jobs queued until then run first. More than once is no error.
    public func shutDown() {
        perform(mailbox.requestStop())
    }

    /// Blocks until the loop's thread has ended. Needs ``shutDown()`` by somebody; any number of callers.
    public func join() {
        precondition(!isCurrent, "event loop \(name) cannot wait for itself")
        joiner.withLock { handle in
            guard let thread = handle else { return }
            pthread_join(thread, nil)
            handle = nil
        }
    }

    /// Suspends until the loop has ended; for tasks, which must not block in ``join()``.
    public func ended() async {
        await withCheckedContinuation { mailbox.notifyAtEnd($0) }
    }

    /// The time of `CLOCK_MONOTONIC`; all loops of a process share it.
    public func now() -> Moment {
        Moment.monotonic
    }

    private func perform(_ action: Mailbox.Action) {
        switch action {
        case .nothing:
            break
        case .wake:
            // Fails only when the counter is full, and then the loop is awake.
            eventfd_write(wakeDescriptor, 1)
        case .serveLate:
            do throws(SystemError) {
                let thread = try startThread { $0.serveLateItems() }
                pthread_detach(thread)
            } catch {
                preconditionFailure("event loop \(name) has ended and cannot serve a late job: \(error)")
            }
        }
    }

    private func startThread(_ body: @escaping @Sendable (EventLoop) -> Void) throws(SystemError) -> pthread_t {
        final class Start {
            let loop: EventLoop
            let body: @Sendable (EventLoop) -> Void

            init(_ loop: EventLoop, _ body: @escaping @Sendable (EventLoop) -> Void) {
                self.loop = loop
                self.body = body
            }
        }
        let start = unsafe Unmanaged.passRetained(Start(self, body))
        var thread = pthread_t()
        let result = unsafe pthread_create(
            &thread,
            nil,
            { argument in
                guard let argument = unsafe argument else { return nil }
                let start = unsafe Unmanaged<Start>.fromOpaque(argument).takeRetainedValue()
                unsafe pthread_setname_np(pthread_self(), String(start.loop.name.utf8.prefix(15)) ?? "loop")
                start.body(start.loop)
                return nil
            },
            start.toOpaque()
        )
        guard result == 0 else {
            unsafe start.release()
            throw SystemError(call: "pthread_create", errno: result, context: "event loop \(name)")
        }
        return thread
    }

    // MARK: The thread

    private func run() {
        threadHandle.store(UInt(pthread_self()), ordering: .relaxed)
        var worked = true
        var isStopping = false
        while !isStopping {
            // `fallAsleep` is false when something was left meanwhile; then the loop only looks at its descriptors.
            let sleeps = !worked && mailbox.fallAsleep()
            reactor.wait(until: sleeps ? reactor.earliestTimer : .zero)
            worked = reactor.runTurns(budget: Self.turnBudget)
            isStopping = mailbox.take(into: &batch)
            if runBatch() { worked = true }
            if reactor.fireTimers() { worked = true }
        }
        reactor.removeAll()
        runRemainingItems()
    }

    /// Runs a bounded part of the batch; true when there was something.
    private func runBatch() -> Bool {
        let end = min(batch.count, batchStart + Self.jobBudget)
        guard batchStart < end else { return false }
        while batchStart < end {
            let item = batch[batchStart]
            batchStart += 1
            run(item)
        }
        if batchStart == batch.count {
            // The storage is kept for the next swap, unless a burst made it large.
            batch.removeAll(keepingCapacity: batchStart <= 16 * Self.jobBudget)
            batchStart = 0
        }
        return true
    }

    private func run(_ item: Mailbox.Item) {
        switch item {
        case .job(let job): unsafe job.runSynchronously(on: asUnownedSerialExecutor())
        case .closure(let work): work()
        }
    }

    private func serveLateItems() {
        threadHandle.store(UInt(pthread_self()), ordering: .relaxed)
        runRemainingItems()
    }

    private func runRemainingItems() {
        var items = Array(batch[batchStart...])
        batch = []
        batchStart = 0
        repeat {
            for item in items { run(item) }
            items = []
        } while mailbox.takeOrEnd(into: &items) { threadHandle.store(0, ordering: .relaxed) }
    }
}
