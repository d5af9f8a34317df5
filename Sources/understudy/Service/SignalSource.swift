import CLinux
import CoreTypes
import EventLoop
import Glibc

/// Signals that ask the process to end, or to take nothing new, as events of a loop.
///
/// ``block()`` comes first, before any thread is made: threads inherit the mask, and one that lets the signal through
/// ends the process. All of it is for the loop's thread but ``block()``.
final class SignalSource {
    /// A signal that arrived.
    struct Signal {
        /// Its number.
        var number: CInt
        /// False when the kernel sent it, as for Ctrl-C, and when it tells of the end of the terminal.
        var isFromProcess: Bool
        /// The process that sent it; nil when the kernel did.
        var sender: Int32?

        /// The end of the terminal.
        static let hangUp = Signal(number: SIGHUP, isFromProcess: false, sender: nil)
    }

    /// Ctrl-C and Ctrl-\\, `kill`, the end of the terminal, and ``quiet``.
    static let signals: [CInt] = [SIGINT, SIGQUIT, SIGTERM, SIGHUP, quiet]

    /// Asks a service to take nothing new and to go on with what it has: the end will follow, and comes from the supervisor.
    static let quiet = SIGUSR1

    private let loop: EventLoop
    private let descriptor: CInt
    /// Whether ``block()`` found SIGHUP ignored, as `nohup` leaves it; a blocked signal is read here all the same.
    private nonisolated(unsafe) static var ignoresHangUp = false

    /// Keeps the signals from ending the process. Before any other thread exists.
    static func block() {
        var mask = mask
        unsafe pthread_sigmask(SIG_BLOCK, &mask, nil)
        let former = signal(SIGHUP, SIG_DFL)
        unsafe ignoresHangUp = unsafeBitCast(former, to: Int.self) == unsafeBitCast(SIG_IGN, to: Int.self)
        // As it was, for children inherit it.
        signal(SIGHUP, former)
        // A write to a closed pipe or socket is an error of that write and not the end of the process.
        signal(SIGPIPE, SIG_IGN)
    }

    /// Calls `handler` with each signal that arrives.
    init(loop: EventLoop, _ handler: @escaping (Signal) -> Void) throws(SystemError) {
        self.loop = loop
        var mask = Self.mask
        let descriptor = unsafe signalfd(-1, &mask, CInt(SFD_CLOEXEC | SFD_NONBLOCK))
        guard descriptor >= 0 else { throw .last("signalfd") }
        self.descriptor = descriptor
        let hasTerminal = !Self.isTerminalGone
        do throws(SystemError) {
            try loop.watch(descriptor, .read) { _ in
                while let signal = Self.read(descriptor) {
                    if hasTerminal, Self.mayBeHangUp(signal) {
                        loop.schedule(at: loop.now().advanced(by: StopRequests.moment)) {
                            Self.pass(Self.isTerminalGone ? .hangUp : signal, to: handler)
                        }
                    } else {
                        Self.pass(signal, to: handler)
                    }
                }
            }
        } catch {
            close(descriptor)
            throw error
        }
    }

    /// Stops listening; the signals stay blocked.
    func stop() {
        loop.unwatch(descriptor)
        close(descriptor)
    }

    private static var mask: sigset_t {
        var mask = sigset_t()
        unsafe sigemptyset(&mask)
        for number in signals { unsafe sigaddset(&mask, number) }
        return mask
    }

    /// The next signal that waits; nil when none does.
    private static func read(_ descriptor: CInt) -> Signal? {
        var information = signalfd_siginfo()
        let size = MemoryLayout<signalfd_siginfo>.size
        guard unsafe Glibc.read(descriptor, &information, size) == size else { return nil }
        // Codes above zero are the kernel's (sigaction(2), si_code).
        let isFromProcess = information.ssi_code <= 0
        return Signal(
            number: CInt(information.ssi_signo),
            isFromProcess: isFromProcess,
            sender: isFromProcess ? Int32(truncatingIfNeeded: information.ssi_pid) : nil
        )
    }

    // MARK: The end of the terminal

    /// Whether the shell that started this process sent a SIGHUP: perhaps because somebody told it to, perhaps because it
    /// was told of the end of the terminal, tells its jobs, and will be gone in a moment.
    private static func mayBeHangUp(_ signal: Signal) -> Bool { signal.number == SIGHUP && signal.sender == getsid(0) }

    private static var isTerminalGone: Bool {
        let terminal = unsafe open("/dev/tty", O_RDONLY | O_NOCTTY | O_CLOEXEC | O_NONBLOCK)
        if terminal >= 0 { close(terminal) }
        return terminal < 0
    }

    private static func pass(_ signal: Signal, to handler: (Signal) -> Void) {
        let isHangUp = signal.number == SIGHUP && !signal.isFromProcess
        if unsafe !(isHangUp && ignoresHangUp) { handler(signal) }
    }
}
