import JSON
import UnderstudyClient
import ZeroMQ

/// Shows what a ``StatusSource`` tells, once or again and again.
struct StatusView: Sendable {
    let source: StatusSource
    let asJSON: Bool
    var console = Console.output

    /// What to say of a broker that is there and says nothing.
    static func silence(_ directory: EndpointDirectory) -> String {
        "the broker of \(directory.path) did not answer within \(StatusCommand.patience): it is overloaded or stopped; "
            + "look at its process and its log"
    }

    /// Shows it once.
    func showOnce() async throws {
        let documents = try await source.read()
        if asJSON {
            console.line(try documents.json(directory: source.directory.path).description)
        } else {
            for line in text.lines(try documents.reading()) { console.line(line.text(on: console)) }
        }
    }

    /// Shows it every `interval` until the reader is gone, or there is an error that waiting does not mend.
    func watch(every interval: Duration) async throws {
        var screen = StatusScreen(console)
        var before: StatusReading?
        var isWaiting = false
        var isRead = true
        while true {
            switch await read() {
            case .success(let documents):
                isWaiting = false
                if asJSON {
                    let json = try documents.json(directory: source.directory.path)
                    isRead = console.reaches(json.serialized() + [0x0A])
                } else {
                    let reading = try documents.reading()
                    isRead = screen.show(text.lines(reading, since: before))
                    before = reading
                }
            case .failure(let error):
                guard error.isRetryable else { throw error }
                before = nil
                let trouble = error.code == .noAnswer ? "no answer" : "waiting for a broker"
                if !asJSON {
                    isRead = screen.show([StyledLine(trouble, .yellow), StyledLine("\(error)")])
                } else if !isWaiting {
                    Console.error.line("status: \(trouble): \(error)")
                }
                isWaiting = true
            }
            guard isRead else { return }
            try await Task.sleep(for: interval)
        }
    }

    private func read() async -> Result<StatusSource.Documents, ClientError> {
        do throws(ClientError) {
            return .success(try await source.read())
        } catch {
            return .failure(error)
        }
    }

    private var text: StatusText {
        // A wide terminal has room for a UUID, to be copied.
        let nameCountMax = console.width >= 120 ? 36 : 16
        return StatusText(directory: source.directory.path, nameCountMax: console.isTerminal ? nameCountMax : nil)
    }
}
