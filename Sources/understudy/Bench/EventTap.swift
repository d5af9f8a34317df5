import CoreTypes
import EventLoop
import ZeroMQ

/// A reader of telemetry that counts what comes and looks at nothing.
actor EventTap {
    private nonisolated let loop: EventLoop
    private var receiver: LoopSocket?
    private var count = 0

    /// Runs on the loop's thread.
    nonisolated var unownedExecutor: UnownedSerialExecutor { unsafe loop.asUnownedSerialExecutor() }

    /// Makes a reader; it subscribes with ``connect(_:context:)``.
    init(on loop: EventLoop) {
        self.loop = loop
    }

    /// Subscribes to everything, and waits for the first event: the broker sends one to each new reader.
    func connect(_ directory: EndpointDirectory, context: Context) async throws {
        var options = SocketOptions.subscriber
        options.receiveQueueMax = 0
        options.reconnectInterval = .milliseconds(10)
        let socket = try Socket(context, .sub, options)
        try socket.subscribe("evt.")
        try socket.connect(try directory.endpoint("telemetry.sock"))
        receiver = try LoopSocket(socket, on: loop, frameCountMax: 8) { _ in self.count += 1 }
        let until = loop.now().advanced(by: .seconds(20))
        while count == 0 {
            guard loop.now() < until else { throw CommandFailure(.unreachable, "no telemetry comes") }
            try await Task.sleep(for: .milliseconds(2))
        }
    }

    /// Events since the last call.
    func take() -> Int {
        defer { count = 0 }
        return count
    }

    /// Ends the subscription.
    func close() {
        receiver?.detach()
        receiver?.socket.close()
        receiver = nil
    }
}
