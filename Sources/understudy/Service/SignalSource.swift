import CLinux
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
        /// False when the kernel sent it: Ctrl-C, or the end of the terminal.
        var isFromProcess: Bool
        /// The process that sent it; nil when the kernel did.
        var sender: Int32?
    }

    /// Ctrl-C and Ctrl-\\, `kill`, the end of the terminal, and ``quiet``.
    static let signals: [CInt] = [SIGINT, SIGQUIT, SIGTERM, SIGHUP, quiet]

    /// Asks a service to take nothing new and to go on with what it has: the end will follow, and comes from the supervisor.
    static let quiet = SIGUSR1

    private let loop: EventLoop
    private let descriptor: CInt

    /// Keeps the signals from ending the process. Before any other thread exists.
    static func block() {
        var mask = mask
        unsafe pthread_sigmask(SIG_BLOCK, &mask, nil)
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
        do throws(SystemError) {
            try loop.watch(descriptor, .read) { _ in
                while let signal = Self.read(descriptor) { handler(signal) }
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
}
