import CLinux
import CoreTypes
import EventLoop
import Glibc
import Synchronization
import ZeroMQ

/// How a service is asked to end.
enum StopUrgency: Sendable {
    /// Take nothing new, but stay until told to end. Comes from a supervisor that stops others first.
    case quiet
    /// Make room for new processes: a supervisor replaces what runs, a worker takes nothing new and finishes what it has,
    /// however long that takes. Only for services that asked for it; the others end.
    case renew
    /// Take nothing new, finish what runs.
    case graceful
    /// End at once; what runs is given up.
    case now
}

/// Runs a service in the foreground: its loop, its signals, its readiness, its end.
///
/// The first SIGINT, SIGQUIT, SIGTERM or SIGHUP asks for a graceful end, the second for one at once; see ``StopRequests``. To a
/// service that can renew itself, a SIGHUP that another process sent means that.
enum ServiceHost {
    /// What a service answers to ``StopUrgency``; called on the loop's thread, `graceful` at most once and before `now`.
    typealias Stop = (StopUrgency) -> Void

    /// Runs a service until it ends. For the main thread, before any other is made; call it once.
    ///
    /// - Parameters:
    ///   - name: The role, which names the loop's thread.
    ///   - child: What a supervisor said; `none` for a service that has none.
    ///   - canRenew: Whether the service knows ``StopUrgency/renew``.
    ///   - staysUp: True for a service that others depend on: what it says must not block it, and its end waits only a
    ///     moment for the reader of its log.
    ///   - log: How the lines on standard error look.
    ///   - start: Starts the service. Called on the loop's thread; calls ``ServiceControl/ready(_:)`` then or later, and
    ///     ``ServiceControl/end(_:)`` when the service has ended, by itself or by the closure it returns.
    /// - Throws: What `start` threw, and what the service ended with unless it was ``ExitStatus/ok``.
    static func run(
        _ name: String,
        child: ChildTies,
        canRenew: Bool = false,
        staysUp: Bool = false,
        log: LogOptions? = nil,
        start: @escaping @Sendable (EventLoop, ServiceControl) throws -> Stop
    ) throws(CommandFailure) {
        try ParentWatch.begin(child)
        SignalSource.block()
        // What a service makes belongs to its user alone: sockets, databases, directories.
        umask(0o077)
        // A file at its limit (ulimit -f) is an error of the write, as a full disk is, and no reason to die.
        signal(SIGXFSZ, SIG_IGN)
        // Shown by ps and top in place of "exe", the name under which a supervisor starts its own binary.
        unsafe pthread_setname_np(pthread_self(), "understudy")
        let loop: EventLoop
        let lines: LineWriter?
        do {
            try raiseFileLimit()
            loop = try EventLoop(name: name)
            lines = staysUp ? try LineWriter() : nil
        } catch {
            throw CommandFailure(error)
        }
        let control = ServiceControl(loop: loop, child: child, lines: lines, logsTime: log?.logTime ?? false)
        loop.execute {
            do {
                let stop = try start(loop, control)
                try control.listen(canRenew: canRenew, stop)
            } catch {
                control.end(CommandFailure(error))
            }
        }
        control.waitForEnd()
        loop.shutDown()
        loop.join()
        var failure = control.failure
        if let lines {
            if let said = failure, !said.message.isEmpty {
                // In order behind the log, and not blocked by its reader either.
                control.log(Console.error.problemText(said.message))
                failure = CommandFailure(said.status)
            }
            lines.finish()
        }
        if let failure { throw failure }
    }
}

/// What a running service tells its host. Every method may be called on any thread.
final class ServiceControl: Sendable {
    private struct State {
        var isReady = false
        var hasEnded = false
        var failure: CommandFailure?
    }

    private let loop: EventLoop
    private let child: ChildTies
    private let lines: LineWriter?
    private let logsTime: Bool
    private let state = Mutex(State())
    private let ended: EndSignal

    init(loop: EventLoop, child: ChildTies, lines: LineWriter?, logsTime: Bool) {
        self.loop = loop
        self.child = child
        self.lines = lines
        self.logsTime = logsTime
        ended = EndSignal()
    }

    /// True when a supervisor started this process: its log is prefixed there, and readiness is no news for people.
    var isChild: Bool { child.isChild }

    /// Says that the service is usable; only the first call counts.
    ///
    /// A supervisor gets `ready` and `detail` as a line on the descriptor it named.
    ///
    /// - Parameter detail: What others must know, as words of the form `name=value` without line ends: `port=8080`.
    func ready(_ detail: String = "") {
        let isFirst = state.withLock { state in
            defer { state.isReady = true }
            return !state.isReady
        }
        guard isFirst, let descriptor = child.readyDescriptor else { return }
        Console(descriptor: descriptor, isTerminal: false, usesColor: false).line("ready \(detail)")
        close(descriptor)
    }

    /// Prints a line on standard output, without blocking a service that stays up.
    func say(_ text: String) {
        if let lines { lines.line(text, to: .output) } else { Console.output.line(text) }
    }

    /// Prints a line on standard error, without blocking a service that stays up; with the time when that was asked for.
    func log(_ text: String) {
        let text = logsTime ? "\(Self.timestamp()) \(text)" : text
        if let lines { lines.line(text, to: .error) } else { Console.error.line(text) }
    }

    private static func timestamp() -> String {
        var time = timespec()
        unsafe clock_gettime(CLOCK_REALTIME, &time)
        return HumanText.timestamp(Int64(time.tv_sec) * 1000 + Int64(time.tv_nsec) / 1_000_000)
    }

    /// Ends the process, with `failure` or well; only the first call counts.
    func end(_ failure: CommandFailure? = nil) {
        let isFirst = state.withLock { state in
            defer { state.hasEnded = true }
            if !state.hasEnded { state.failure = failure }
            return !state.hasEnded
        }
        if isFirst { ended.raise() }
    }

    /// Runs `work`, and ends the process when it does: well, or with its error.
    func follow(_ work: @escaping @Sendable () async throws -> Void) {
        Task {
            do {
                try await work()
                end()
            } catch {
                end(CommandFailure(error))
            }
        }
    }

    /// What the service ended with; nil for well.
    var failure: CommandFailure? { state.withLock(\.failure) }

    /// Blocks the calling thread until ``end(_:)``.
    func waitForEnd() { ended.wait() }

    /// Passes signals to `stop`. On the loop's thread.
    func listen(canRenew: Bool, _ stop: @escaping ServiceHost.Stop) throws(SystemError) {
        var requests = StopRequests(supervisor: child.parent, canRenew: canRenew)
        _ = try SignalSource(loop: loop) { [loop] signal in
            switch requests.take(signal, now: loop.now()) {
            case .nothing:
                break
            case .stop(let urgency):
                stop(urgency)
            case .wait:
                loop.schedule(at: loop.now().advanced(by: StopRequests.moment)) {
                    if case .stop(let urgency) = requests.momentIsOver() { stop(urgency) }
                }
            }
        }
    }
}

/// A flag that one thread raises and another waits for.
final class EndSignal: Sendable {
    private let descriptor: CInt

    init() {
        descriptor = eventfd(0, CInt(EFD_CLOEXEC))
        precondition(descriptor >= 0, "no descriptor for the end of the service: errno \(errno)")
    }

    deinit { close(descriptor) }

    /// Lets the waiting thread go on.
    func raise() { eventfd_write(descriptor, 1) }

    /// Blocks until ``raise()``.
    func wait() {
        var value: eventfd_t = 0
        while unsafe eventfd_read(descriptor, &value) != 0, errno == EINTR {}
    }

    /// Blocks until ``raise()`` or for `limit`; false when that is over.
    func wait(atMost limit: Duration) -> Bool {
        var entry = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
        let milliseconds = max(0, limit.wholeMilliseconds)
        while true {
            // An interruption begins the wait again: a little longer does no harm.
            let count = unsafe poll(&entry, 1, CInt(clamping: milliseconds))
            if count >= 0 || errno != EINTR { return count > 0 }
        }
    }
}
