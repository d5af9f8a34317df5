import Glibc
import ZeroMQ

/// A broker that the tester starts, and so may stop.
final class ExaminedBroker {
    /// Its `orphan_ms`.
    let orphan: Duration
    private let words: [String]
    private let environment: [String: String]
    private var process: Child?

    /// - Parameter command: What starts it, with `{directory}` and `{config}` to be filled in.
    init(command: [String], directory: EndpointDirectory, orphan: Duration) {
        self.orphan = orphan
        words = Child.Command.filled(
            command,
            ["directory": directory.path, "config": "\(directory.path)/understudy.json"]
        )
        environment = ["UNDERSTUDY_DIR": directory.path]
    }

    /// Whether it was started and has not ended.
    var isRunning: Bool { process.map { $0.status == nil } ?? false }

    /// How it ended, see ``Child/status``; nil while it runs.
    var status: CInt? { process?.status }

    /// Starts it; gives its process id.
    func start() throws(ConformanceError) -> pid_t {
        process?.end()
        let child = try Child(Child.Command(words: words, environment: environment))
        process = child
        return child.pid
    }

    /// Notices its end.
    func pump() { process?.pump() }

    func signal(_ number: CInt) { process?.signal(number) }

    /// Lets it stop in order if it will, and kills it if not.
    func end() {
        guard let process else { return }
        process.signal(SIGTERM)
        let due = ContinuousClock.now.advanced(by: .seconds(5))
        while process.status == nil, ContinuousClock.now < due {
            process.pump()
            usleep(10_000)
        }
        process.end()
        self.process = nil
    }
}
