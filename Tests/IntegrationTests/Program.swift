import Configuration
import EventLoop
import Glibc
import Synchronization

@testable import understudy

/// A process with what it printed. It is killed with its owner, and when the task that waits for it is cancelled; and it
/// is reaped in any case, for a zombie keeps the testing library from seeing the ends of its own children.
final class Program: Sendable {
    /// How a process ended and all it printed, both outputs in one.
    struct Outcome: Sendable {
        var ending: Supervisor.Ending
        var lines: [String]

        var text: String { lines.joined(separator: "\n") }
    }

    /// What is known of the process; shared with the loop's thread.
    private final class Record: Sendable {
        private struct Waiter {
            var prefix: String
            var continuation: CheckedContinuation<String?, Never>
        }

        private struct State {
            var lines: [String] = []
            var ending: Supervisor.Ending?
            var lineWaiters: [Waiter] = []
            var endWaiters: [CheckedContinuation<Outcome, Never>] = []
        }

        private let state = Mutex(State())

        func take(_ report: ChildProcess.Report) {
            switch report {
            case .line(let bytes):
                let line = String(decoding: bytes, as: UTF8.self)
                let waiters = state.withLock { state in
                    state.lines.append(line)
                    let found = state.lineWaiters.filter { line.hasPrefix($0.prefix) }
                    state.lineWaiters.removeAll { line.hasPrefix($0.prefix) }
                    return found
                }
                for waiter in waiters { waiter.continuation.resume(returning: line) }
            case .ready:
                break
            case .ended(let ending):
                end(ending)
            }
        }

        func end(_ ending: Supervisor.Ending) {
            let (outcome, lines, ends) = state.withLock { state in
                state.ending = ending
                defer {
                    state.lineWaiters = []
                    state.endWaiters = []
                }
                return (Outcome(ending: ending, lines: state.lines), state.lineWaiters, state.endWaiters)
            }
            for waiter in lines { waiter.continuation.resume(returning: nil) }
            for waiter in ends { waiter.resume(returning: outcome) }
        }

        func wait(line prefix: String, _ continuation: CheckedContinuation<String?, Never>) {
            let found: String?? = state.withLock { state in
                if let line = state.lines.first(where: { $0.hasPrefix(prefix) }) { return line }
                guard state.ending == nil else { return .some(nil) }
                state.lineWaiters.append(Waiter(prefix: prefix, continuation: continuation))
                return nil
            }
            if let found { continuation.resume(returning: found) }
        }

        func waitForEnd(_ continuation: CheckedContinuation<Outcome, Never>) {
            let outcome: Outcome? = state.withLock { state in
                if let ending = state.ending { return Outcome(ending: ending, lines: state.lines) }
                state.endWaiters.append(continuation)
                return nil
            }
            if let outcome { continuation.resume(returning: outcome) }
        }
    }

    private let loop: EventLoop
    private let record = Record()
    // Touched on the loop's thread only.
    nonisolated(unsafe) private var process: ChildProcess?

    /// Starts a program; one that cannot be started has ended at once.
    ///
    /// - Parameter environment: The whole environment, besides what programs need to find others and their libraries.
    init(_ executable: String, _ arguments: [String], environment: [String: String] = [:]) throws {
        loop = try EventLoop(name: "program")
        let inherited = ProcessEnvironment.current().filter { ["PATH", "HOME", "LD_LIBRARY_PATH"].contains($0.key) }
        let command = ChildProcess.Command(
            executable: executable,
            arguments: [executable] + arguments,
            environment: environment.merging(inherited) { mine, _ in mine }
        )
        loop.execute { [loop, record, self] in
            do {
                unsafe process = try ChildProcess(loop: loop, command: command) { [loop] report in
                    record.take(report)
                    if case .ended = report { loop.shutDown() }
                }
            } catch {
                record.end(.notStarted("\(error)"))
                loop.shutDown()
            }
        }
    }

    deinit {
        let process = unsafe process
        nonisolated(unsafe) let last = process
        loop.execute { unsafe last?.signal(SIGKILL) }
    }

    /// The process's id; 0 when it could not be started.
    var pid: pid_t {
        get async {
            await withCheckedContinuation { continuation in
                loop.execute { [self] in continuation.resume(returning: unsafe process?.pid ?? 0) }
            }
        }
    }

    /// Sends a signal, unless the process has ended.
    func signal(_ number: CInt) {
        loop.execute { [self] in unsafe process?.signal(number) }
    }

    /// Waits for the first line that begins so; nil when the process ended without one.
    func line(_ prefix: String) async -> String? {
        await withTaskCancellationHandler {
            await withCheckedContinuation { record.wait(line: prefix, $0) }
        } onCancel: {
            signal(SIGKILL)
        }
    }

    /// Waits for the end.
    func end() async -> Outcome {
        await withTaskCancellationHandler {
            await withCheckedContinuation { record.waitForEnd($0) }
        } onCancel: {
            signal(SIGKILL)
        }
    }
}
