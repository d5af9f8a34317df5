public import BusProtocol
import CoreTypes
public import EventLoop
public import ZeroMQ

/// A subscription to the broker's events that says how the connection stands. For the loop's thread.
///
/// Connects as soon as there is a broker, and again after its end; while there is none it looks every second.
public final class EventFeed {
    /// What happened.
    public enum Report: Sendable {
        /// Events come from now on.
        case connected
        /// Nobody can be reached at the socket, for this reason; said once for each reason.
        case absent(Reachability)
        /// An event.
        case event(TelemetryFrames)
        /// The socket failed (`ZeroMQError`), or the directory is not to be trusted (`EndpointError`); nothing more comes.
        case failed(any Error)
    }

    /// Events that wait in the socket while the reader of the output is slow.
    static let receiveQueueMax = 100_000
    /// How often a socket without a broker is looked at.
    static let lookInterval: Duration = .seconds(1)

    private let loop: EventLoop
    private let path: String
    private let report: (Report) -> Void
    private let socket: Socket
    private let monitor: Monitor
    private var receiver: LoopSocket?
    private var connector: BrokerConnector?
    private var isConnected = false
    private var absence: Reachability?

    /// Subscribes.
    ///
    /// - Parameters:
    ///   - directory: Where the broker's sockets are.
    ///   - topics: Beginnings of topics.
    /// - Throws: `EndpointError` when the directory is not to be used; `ZeroMQError` or `SystemError` when the system refuses a
    ///   socket.
    public init(
        directory: EndpointDirectory,
        topics: [String],
        context: Context,
        on loop: EventLoop,
        report: @escaping (Report) -> Void
    ) throws {
        self.loop = loop
        path = try directory.socketPath("telemetry.sock")
        self.report = report
        var options = SocketOptions.subscriber
        options.receiveQueueMax = Self.receiveQueueMax
        socket = try Socket(context, .sub, options)
        for topic in topics { try socket.subscribe(topic) }
        monitor = try Monitor(of: socket)
        try monitor.attach(to: loop) { [weak self] event in self?.take(event) }
        connector = try BrokerConnector(socket, to: "telemetry.sock", in: directory, on: loop) { [weak self] error in
            self?.report(.failed(error))
        }
        receiver = try LoopSocket(
            socket,
            on: loop,
            frameCountMax: TelemetryFrames.frameCount,
            onFailure: { [weak self] error in self?.report(.failed(error)) },
            onMessage: { [weak self] message in self?.take(message) }
        )
        look()
    }

    private func take(_ event: MonitorEvent) {
        switch event.kind {
        case .handshakeSucceeded:
            do throws(EndpointError) {
                try connector?.confirm()
            } catch {
                return report(.failed(error))
            }
            isConnected = true
            absence = nil
            report(.connected)
        case .disconnected where isConnected:
            isConnected = false
            look()
        default:
            break
        }
    }

    private func take(_ message: Multipart) {
        // What is malformed or of a class of a later version is skipped, as the protocol says.
        guard let frames = try? TelemetryFrames.decode(ReceivedFrames(message: message)) else { return }
        report(.event(frames))
    }

    /// Looks whether somebody listens, and again after a while until there is a connection.
    private func look() {
        guard !isConnected else { return }
        let found = Reachability.check(path: path)
        if found == .listening {
            absence = nil
        } else if found != absence {
            absence = found
            report(.absent(found))
        }
        loop.schedule(at: loop.now().advanced(by: Self.lookInterval)) { [weak self] in self?.look() }
    }
}
