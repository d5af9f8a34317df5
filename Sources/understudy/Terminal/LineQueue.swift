/// Lines on their way to a person or a log: bounded, with the latest dropped and counted when nobody takes them.
struct LineQueue {
    /// Where a line goes.
    enum Stream: Hashable, Sendable {
        case output, error
    }

    /// A line without its end.
    struct Line: Hashable, Sendable {
        var stream: Stream
        var text: String
    }

    /// What was in the queue.
    struct Batch: Hashable {
        /// In the order in which they were added.
        var lines: [Line] = []
        /// How many were dropped behind the last of ``lines``.
        var droppedCount = 0
    }

    /// Most lines that wait.
    let lineCountMax: Int
    /// Most bytes that wait, line ends included.
    let byteCountMax: Int

    private var batch = Batch()
    private var byteCount = 0

    init(lineCountMax: Int = 4096, byteCountMax: Int = 1 << 20) {
        self.lineCountMax = lineCountMax
        self.byteCountMax = byteCountMax
    }

    /// Takes in a line, or drops it when there is no room.
    ///
    /// After one that was dropped all others are too, up to the next ``take()``: a gap is in one place, and its size can
    /// be told there.
    ///
    /// - Returns: True when this is the first after a ``take()``, so that somebody must be told to take again.
    mutating func add(_ line: Line) -> Bool {
        let isFirst = batch.lines.isEmpty && batch.droppedCount == 0
        let size = line.text.utf8.count + 1
        if batch.droppedCount > 0 || batch.lines.count == lineCountMax || byteCount + size > byteCountMax {
            batch.droppedCount += 1
        } else {
            batch.lines.append(line)
            byteCount += size
        }
        return isFirst
    }

    /// Empties the queue.
    mutating func take() -> Batch {
        defer {
            batch = Batch()
            byteCount = 0
        }
        return batch
    }
}
