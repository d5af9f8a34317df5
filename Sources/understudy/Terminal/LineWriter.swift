import EventLoop
import Glibc
import Synchronization

/// Writes lines to standard output and standard error from a thread of its own, so that a terminal that was stopped
/// (Ctrl-S) or a full pipe stops nobody else.
///
/// Lines come out in their order. Those that find no room are dropped, and one line tells how many. Thread-safe; nothing
/// blocks but ``finish(patience:longest:)``.
final class LineWriter: Sendable {
    private struct State {
        var queue: LineQueue
        /// Grows with each line that was written.
        var writtenCount = 0
    }

    /// How long ``finish(patience:longest:)`` waits for a reader that takes nothing.
    static let patience: Duration = .milliseconds(300)

    private let loop: EventLoop
    private let output: Console
    private let error: Console
    private let state: Mutex<State>
    private let finished = EndSignal()

    /// Starts the thread.
    ///
    /// - Parameters:
    ///   - output: Standard output, by default as a console of its own: that a log is not written is no failure of the
    ///     command, as ``Console/failure`` of ``Console/output`` would be.
    ///   - error: Standard error.
    /// - Throws: When the system has no descriptors or threads left.
    init(
        output: Console = Console(descriptor: STDOUT_FILENO),
        error: Console = .error,
        queue: LineQueue = LineQueue()
    ) throws(SystemError) {
        loop = try EventLoop(name: "log")
        self.output = output
        self.error = error
        state = Mutex(State(queue: queue))
    }

    deinit { loop.shutDown() }

    /// Puts a line in the queue.
    func line(_ text: String, to stream: LineQueue.Stream) {
        let isFirst = state.withLock { $0.queue.add(LineQueue.Line(stream: stream, text: text)) }
        if isFirst { loop.execute { [self] in writeAll() } }
    }

    /// Waits until what is in the queue is written; what was not by then is lost.
    ///
    /// - Parameters:
    ///   - patience: Ends the wait when no line was written for so long.
    ///   - longest: Ends the wait in any case, however slowly the reader reads on.
    /// - Returns: Whether all was written.
    @discardableResult
    func finish(patience: Duration = patience, longest: Duration = .seconds(2)) -> Bool {
        // Behind the jobs that write what is in the queue now.
        loop.execute { [finished] in finished.raise() }
        let clock = ContinuousClock()
        let end = clock.now.advanced(by: longest)
        var seen = -1
        while clock.now < end {
            let written = state.withLock(\.writtenCount)
            guard written != seen else { return false }
            seen = written
            if finished.wait(atMost: min(patience, clock.now.duration(to: end))) { return true }
        }
        return false
    }

    /// On the loop's thread.
    private func writeAll() {
        let batch = state.withLock { $0.queue.take() }
        for line in batch.lines { write(line) }
        guard batch.droppedCount > 0 else { return }
        let lines = HumanText.count(batch.droppedCount, "line")
        write(LineQueue.Line(stream: .error, text: "understudy: \(lines) dropped here: this log was not read"))
    }

    private func write(_ line: LineQueue.Line) {
        switch line.stream {
        case .output: output.line(line.text)
        case .error: error.line(line.text)
        }
        state.withLock { $0.writtenCount += 1 }
    }
}
