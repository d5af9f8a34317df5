import BusProtocol
import CoreTypes
import EventLoop
import ZeroMQ

/// A broker's telemetry socket, played by a test.
actor Publisher {
    nonisolated let loop: EventLoop
    nonisolated let endpoint: String
    private let socket: Socket
    private var receiver: LoopSocket?
    private var subscriptionCount = 0
    private var waiters: [CheckedContinuation<Void, Never>] = []

    nonisolated var unownedExecutor: UnownedSerialExecutor { unsafe loop.asUnownedSerialExecutor() }

    init(_ context: Context, socketPath: String) throws {
        loop = try EventLoop(name: "publisher")
        endpoint = "ipc://" + socketPath
        socket = try Socket(context, .xpub, .publisher)
        try socket.bind(endpoint)
    }

    /// Waits until a subscriber is there; what is sent from then on reaches it.
    func awaitSubscriber() async throws {
        if receiver == nil {
            receiver = try LoopSocket(socket, on: loop) { _ in
                self.subscriptionCount += 1
                for waiter in self.waiters { waiter.resume() }
                self.waiters = []
            }
        }
        guard subscriptionCount == 0 else { return }
        await withCheckedContinuation { waiters.append($0) }
    }

    func send(_ frames: FrameList) throws {
        for (index, frame) in frames.frames.enumerated() {
            _ = try socket.send(frame, more: index < frames.frames.count - 1)
        }
    }

    func close() {
        receiver?.detach()
        socket.close()
        loop.shutDown()
    }
}
