import Glibc
import Synchronization

/// Standard output or standard error: colour for people at a terminal, plain text for pipes and files.
struct Console: Sendable {
    /// A way to stand out; has no effect where there is no colour.
    enum Style: String, Sendable {
        case bold = "1"
        case dim = "2"
        case red = "31"
        case green = "32"
        case yellow = "33"
        case cyan = "36"
    }

    /// Where results go.
    static let output = Console(descriptor: STDOUT_FILENO)
    /// Where errors, progress and logs go.
    static let error = Console(descriptor: STDERR_FILENO)

    private let descriptor: CInt
    private let lastError = LastError()
    /// True when a person is likely to read along.
    let isTerminal: Bool
    /// True when styles show: a terminal that is not `dumb`, and `NO_COLOR` (no-color.org) is not set.
    let usesColor: Bool
    /// True when what was written can be written over: a terminal that is not `dumb`.
    let canRedraw: Bool

    /// Writes to `descriptor`.
    init(descriptor: CInt) {
        let isTerminal = isatty(descriptor) == 1
        let isDumb = unsafe getenv("TERM").map { unsafe String(cString: $0) } == "dumb"
        let isRefused = unsafe getenv("NO_COLOR").map { unsafe $0.pointee != 0 } ?? false
        self.init(
            descriptor: descriptor,
            isTerminal: isTerminal,
            usesColor: isTerminal && !isDumb && !isRefused,
            canRedraw: isTerminal && !isDumb
        )
    }

    /// Writes to `descriptor` as told; for tests.
    init(descriptor: CInt, isTerminal: Bool, usesColor: Bool, canRedraw: Bool = false) {
        self.descriptor = descriptor
        self.isTerminal = isTerminal
        self.usesColor = usesColor
        self.canRedraw = canRedraw
    }

    /// Characters of a line: those of the terminal, and without one as many as it takes.
    var width: Int {
        guard isTerminal else { return 100_000 }
        return size.flatMap { $0.ws_col > 0 ? Int($0.ws_col) : nil } ?? 80
    }

    /// Lines of the terminal; without one as many as it takes.
    var height: Int {
        guard isTerminal else { return 100_000 }
        return size.flatMap { $0.ws_row > 0 ? Int($0.ws_row) : nil } ?? 24
    }

    private var size: winsize? {
        var size = winsize()
        return unsafe ioctl(descriptor, UInt(TIOCGWINSZ), &size) == 0 ? size : nil
    }

    /// `text` in `style`, or as it is where there is no colour.
    func styled(_ text: String, _ style: Style) -> String {
        usesColor ? "\u{1B}[\(style.rawValue)m\(text)\u{1B}[0m" : text
    }

    /// Writes `text` and a line end. Blocks while the reader is slow; a reader that is gone is ignored.
    func line(_ text: String = "") {
        write(Array((text + "\n").utf8))
    }

    /// Writes what went wrong, as `understudy: …`.
    func problem(_ text: String) {
        line(problemText(text))
    }

    /// What went wrong, as ``problem(_:)`` writes it.
    func problemText(_ text: String) -> String { styled("understudy: ", .red) + text }

    /// Writes bytes as they are; a reader that is gone is ignored.
    func write(_ bytes: [UInt8]) { _ = reaches(bytes) }

    /// Why the last write that failed did: the system's number, `EPIPE` for a reader that is gone; nil when none did.
    var failure: CInt? {
        let number = lastError.number.load(ordering: .relaxed)
        return number == 0 ? nil : number
    }

    /// Writes bytes as they are; false when the reader is gone or takes nothing, see ``failure``.
    func reaches(_ bytes: [UInt8]) -> Bool {
        var rest = bytes[...]
        while !rest.isEmpty {
            let count = unsafe rest.withUnsafeBytes { unsafe Glibc.write(descriptor, $0.baseAddress, $0.count) }
            if count >= 0 {
                rest = rest.dropFirst(count)
            } else if errno == EAGAIN {
                // The other end made the shared description non-blocking.
                var entry = pollfd(fd: descriptor, events: Int16(POLLOUT), revents: 0)
                unsafe poll(&entry, 1, -1)
            } else if errno != EINTR {
                lastError.number.store(errno, ordering: .relaxed)
                return false
            }
        }
        return true
    }

    /// Shared by all copies of a console.
    private final class LastError: Sendable {
        let number = Atomic<CInt>(0)
    }

    /// `rows` in columns, two blanks apart; the last column is not padded.
    static func table(_ rows: [[String]]) -> [String] {
        var widths: [Int] = []
        for row in rows {
            for (index, cell) in row.enumerated() {
                if index == widths.count { widths.append(0) }
                widths[index] = max(widths[index], cell.count)
            }
        }
        return rows.map { row in
            let cells = row.enumerated().map { index, cell in
                index == row.count - 1 ? cell : cell + String(repeating: " ", count: widths[index] - cell.count)
            }
            let line = cells.joined(separator: "  ")
            return String(line.reversed().drop { $0 == " " }.reversed())
        }
    }
}
