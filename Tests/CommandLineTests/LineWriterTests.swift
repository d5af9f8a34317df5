import CLinux
import Glibc
import Testing

@testable import understudy

struct LineQueueTests {
    private static func line(_ text: String, _ stream: LineQueue.Stream = .error) -> LineQueue.Line {
        LineQueue.Line(stream: stream, text: text)
    }

    @Test func `lines come out in their order, whatever stream they go to`() {
        var queue = LineQueue()
        let lines = [Self.line("a"), Self.line("b", .output), Self.line("c")]
        #expect(lines.map { queue.add($0) } == [true, false, false])
        let batch = queue.take()
        #expect(batch == LineQueue.Batch(lines: lines, droppedCount: 0))
        let empty = queue.take()
        #expect(empty == LineQueue.Batch())
        let isFirst = queue.add(Self.line("d"))
        #expect(isFirst)
    }

    @Test func `lines beyond the most are dropped and counted`() {
        var queue = LineQueue(lineCountMax: 2, byteCountMax: 100)
        for text in ["a", "b", "c", "d"] { _ = queue.add(Self.line(text)) }
        let batch = queue.take()
        #expect(batch == LineQueue.Batch(lines: [Self.line("a"), Self.line("b")], droppedCount: 2))
        _ = queue.add(Self.line("e"))
        let next = queue.take()
        #expect(next == LineQueue.Batch(lines: [Self.line("e")], droppedCount: 0))
    }

    @Test func `bytes are bounded with the line ends, and a gap is in one place`() {
        var queue = LineQueue(lineCountMax: 100, byteCountMax: 8)
        // 4 + 4 bytes fit, and after the line that did not fit no shorter one slips in.
        for text in ["abc", "def", "g", ""] { _ = queue.add(Self.line(text)) }
        let batch = queue.take()
        #expect(batch == LineQueue.Batch(lines: [Self.line("abc"), Self.line("def")], droppedCount: 2))
    }

    @Test func `a line longer than the queue is dropped and told of`() {
        var queue = LineQueue(lineCountMax: 100, byteCountMax: 8)
        let isFirst = queue.add(Self.line("much too long"))
        #expect(isFirst)
        let batch = queue.take()
        #expect(batch == LineQueue.Batch(lines: [], droppedCount: 1))
    }
}

@Suite(.timeLimit(.minutes(10))) struct LineWriterTests {
    /// A pipe of one page, closed with its owner.
    private final class SmallPipe {
        /// `F_SETPIPE_SZ` of linux/fcntl.h, which Glibc shows to GNU sources only.
        private static let setSize: CInt = 1031

        let ends: [CInt]

        init() throws {
            var ends: [CInt] = [-1, -1]
            try #require(unsafe pipe2(&ends, O_CLOEXEC) == 0)
            self.ends = ends
            _ = fcntl(ends[1], Self.setSize, 4096)
        }

        deinit { for end in ends { close(end) } }

        var console: Console { Console(descriptor: ends[1], isTerminal: false, usesColor: false) }

        /// Writes until nothing more goes in; gives how much did.
        func fill() -> Int {
            var count = 0
            _ = fcntl(ends[1], F_SETFL, O_NONBLOCK)
            while unsafe write(ends[1], "x", 1) == 1 { count += 1 }
            _ = fcntl(ends[1], F_SETFL, 0)
            return count
        }

        /// What is in the pipe now, or comes next.
        func read() -> String {
            var bytes = [UInt8](repeating: 0, count: 4096)
            let count = unsafe Glibc.read(ends[0], &bytes, bytes.count)
            return String(decoding: bytes.prefix(max(0, count)), as: UTF8.self)
        }
    }

    @Test func `every line is out when the writer has finished`() throws {
        let pipe = try SmallPipe()
        let writer = try LineWriter(output: pipe.console, error: pipe.console)
        for number in 0..<100 { writer.line("\(number)", to: number.isMultiple(of: 2) ? .output : .error) }
        let isWritten = writer.finish(patience: .seconds(60), longest: .seconds(60))
        #expect(isWritten)
        #expect(pipe.read() == (0..<100).map { "\($0)\n" }.joined())
    }

    @Test func `a reader who does not read holds up neither the lines nor the end`() throws {
        let pipe = try SmallPipe()
        let writer = try LineWriter(
            output: pipe.console,
            error: pipe.console,
            queue: LineQueue(lineCountMax: 10, byteCountMax: 1000)
        )
        let filled = pipe.fill()
        for number in 0..<100 { writer.line("\(number)", to: .error) }
        let isWritten = writer.finish(patience: .milliseconds(50))
        #expect(!isWritten)

        // When he reads again, he gets the oldest lines, and is told how many are missing.
        var text = ""
        while !text.contains("dropped here") || !text.hasSuffix("\n") { text += pipe.read() }
        let lines = text.dropFirst(filled).split(separator: "\n")
        let shown = lines.dropLast()
        // One batch may be on its way while another waits.
        #expect((10...20).contains(shown.count), "\(lines)")
        #expect(shown.elementsEqual((0..<shown.count).map { "\($0)" }), "\(lines)")
        #expect(lines.last == "understudy: \(100 - shown.count) lines dropped here: this log was not read")
    }
}
