import BusProtocol
import CoreTypes
import EventLoop
import JSON
import UnderstudyClient
import ZeroMQ

/// Measures how long the bus takes to be there again, and to notice a death. Lives on the loop of its host.
final class BusWatch {
    private let loop: EventLoop
    private let client: UnderstudyClient
    private var receiver: LoopSocket?
    /// Workers that were killed, by process id.
    private var killed: [Int: Moment] = [:]
    private var isPinging = false
    private(set) var times = RecoveryTimes()

    init(loop: EventLoop, directory: EndpointDirectory, context: Context) async throws {
        self.loop = loop
        client = try await UnderstudyClient.connect(
            UnderstudyClient.Configuration(directory: directory, patience: .seconds(120))
        )
        var options = SocketOptions.subscriber
        options.reconnectInterval = .milliseconds(10)
        let socket = try Socket(context, .sub, options)
        try socket.subscribe("evt.worker.")
        try socket.connect(try directory.endpoint("telemetry.sock"))
        receiver = try LoopSocket(socket, on: loop, frameCountMax: 8) { [unowned self] message in
            note(message)
        }
    }

    func workerKilled(_ pid: Int32) { killed[Int(pid)] = loop.now() }

    /// Waits for the next broker in the background; one wait at a time counts.
    func brokerKilled(_ stage: isolated TortureStage) {
        guard !isPinging else { return }
        isPinging = true
        let begun = loop.now()
        Task {
            _ = stage
            _ = try? await client.ping()
            times.broker.add(begun.duration(to: loop.now()))
            isPinging = false
        }
    }

    func close() async {
        receiver?.detach()
        receiver?.socket.close()
        receiver = nil
        await client.close()
    }

    private func note(_ message: Multipart) {
        guard message.frameCount == TelemetryFrames.frameCount,
            let event = try? JSONValue(parsing: message.array(at: 4)), event["event"]?.stringValue == "worker.lost",
            let pid = event["pid"]?.intValue, let since = killed.removeValue(forKey: pid)
        else { return }
        times.worker.add(since.duration(to: loop.now()))
    }
}
