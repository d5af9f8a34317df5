import BusProtocol
import CoreTypes
import EventLoop
import JSON
import Telemetry
import ZeroMQ

/// What `understudy tail` does with the events: shows them, and what was missed. For the loop's thread.
final class Tail {
    /// Bytes that are written at once.
    private static let pieceBytesMax = 64 << 10

    private let loop: EventLoop
    private let filter: TailFilter
    private let asJSON: Bool
    private let path: String
    private let output: Console
    private let notes: Console
    private let end: (CommandFailure?) -> Void
    private var watch: SequenceWatch
    private var waiting: [UInt8] = []
    private var wasConnected = false

    /// - Parameters:
    ///   - path: Path of `telemetry.sock`.
    ///   - end: Ends the process; called when the reader of the output is gone, or when waiting is no use.
    init(
        path: String,
        filter: TailFilter,
        asJSON: Bool,
        output: Console = .output,
        notes: Console = .error,
        on loop: EventLoop,
        end: @escaping (CommandFailure?) -> Void
    ) {
        self.path = path
        self.filter = filter
        self.asJSON = asJSON
        self.output = output
        self.notes = notes
        self.loop = loop
        self.end = end
        watch = SequenceWatch(filter.classes)
    }

    func take(_ report: EventFeed.Report) {
        switch report {
        case .connected:
            note(wasConnected ? "connected again" : "connected to \(path)")
            wasConnected = true
        case .absent(let reachability):
            absent(reachability)
        case .event(let frames):
            take(frames)
        case .failed(let error):
            end(CommandFailure(error))
        }
    }

    private func absent(_ reachability: Reachability) {
        let explanation = reachability.explanation(path: path)
        switch reachability {
        case .noPermission, .notASocket, .pathTooLong:
            // Waiting does not mend it.
            end(CommandFailure(reachability == .noPermission ? .unreachable : .usage, explanation))
        case .listening, .missing, .nobodyListens, .failed:
            note(wasConnected ? "the broker is gone; waiting for it" : "waiting for a broker: \(explanation)")
        }
    }

    private func take(_ frames: TelemetryFrames) {
        let findings = watch.take(frames).filter(filter.shows)
        if asJSON {
            for finding in findings { write(TailJSON.line(finding)) }
        }
        // What is no JSON object is no event.
        guard let json = try? JSONValue(parsing: frames.json, limits: .header), case .object = json else { return }
        let name = json["event"]?.stringValue ?? ""
        if asJSON {
            if filter.shows(frames, name: name) { write(TailJSON.line(frames)) }
            return
        }
        let text = output.isTerminal ? TailText(idCountMax: 12, nameCountMax: 30) : TailText()
        let time = json["time_ms"]?.numberValue?.int64 ?? 0
        for finding in findings { write(text.line(finding, time: time)) }
        if filter.shows(frames, name: name) { write(text.line(json)) }
    }

    private func write(_ line: StyledLine) { write(Array((line.text(on: output) + "\n").utf8)) }

    /// Writes what came in one turn of the loop at once.
    private func write(_ bytes: [UInt8]) {
        if waiting.isEmpty { loop.schedule(at: loop.now()) { [weak self] in self?.flush() } }
        waiting += bytes
        if waiting.count >= Self.pieceBytesMax { flush() }
    }

    private func flush() {
        guard !waiting.isEmpty else { return }
        let isRead = output.reaches(waiting)
        waiting.removeAll(keepingCapacity: true)
        if !isRead { end(nil) }
    }

    private func note(_ text: String) {
        flush()
        notes.line(notes.styled("tail: \(text)", .dim))
    }
}
