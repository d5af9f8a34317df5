import CoreTypes
import Dispatch
import EventLoop
import Glibc
import Testing
import ZeroMQ

@testable import Broker

/// A broker on a loop of its own, without workers, and a loop for its agents.
struct TestBus {
    let broker: BrokerService
    let running: Task<Void, any Error>
    let directory: EndpointDirectory
    let context: Context
    let brokerLoop: EventLoop
    let agentLoop: EventLoop

    /// Runs `body` with a bus, and waits for the end of its broker, which `body` has to bring about.
    static func run(
        adjust: (inout BrokerSettings) -> Void = { _ in },
        _ body: (TestBus) async throws -> Void
    ) async throws {
        var template = Array("/tmp/broker-test-XXXXXX".utf8CString)
        guard let made = unsafe mkdtemp(&template) else { preconditionFailure("mkdtemp failed: \(errno)") }
        let path = unsafe String(cString: made)
        defer {
            unsafe unlink("\(path)/broker.lock")
            unsafe rmdir(path)
        }
        let loops = (broker: try EventLoop(name: "broker"), agent: try EventLoop(name: "agent"))
        defer {
            loops.broker.shutDown()
            loops.agent.shutDown()
        }
        let directory = try EndpointDirectory(path: path)
        var settings = BrokerSettings(directory: directory)
        adjust(&settings)
        let context = try Context()
        let broker = BrokerService(settings, context: context, on: loops.broker) { _ in }
        let (ready, continuation) = AsyncStream<Void>.makeStream()
        let running = Task { try await broker.run { continuation.yield() } }
        for await _ in ready { break }
        try await body(
            TestBus(
                broker: broker,
                running: running,
                directory: directory,
                context: context,
                brokerLoop: loops.broker,
                agentLoop: loops.agent
            )
        )
        try await running.value
    }

    /// A new connection of an agent.
    func agent() async throws -> TestAgent {
        try await TestAgent(context, try directory.endpoint(SocketName.agents), on: agentLoop)
    }

    /// Connections to `agents.sock` that the broker's side has accepted and not closed.
    func connectionCount() throws -> Int {
        let path = try directory.socketPath(SocketName.agents)
        guard let file = unsafe fopen("/proc/net/unix", "re") else { preconditionFailure("fopen failed: \(errno)") }
        defer { unsafe fclose(file) }
        var count = -1  // The listener.
        var line = [CChar](repeating: 0, count: 512)
        while unsafe fgets(&line, CInt(line.count), file) != nil {
            let text = line.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }
            if String(decoding: text, as: UTF8.self).contains(path) { count += 1 }
        }
        return count
    }
}

/// A DEALER that says what it is told and hands on what it gets.
actor TestAgent {
    private nonisolated let loop: EventLoop
    private let socket: Socket
    private var receiver: LoopSocket?
    private var messages: AsyncStream<[[UInt8]]>.Iterator
    nonisolated var unownedExecutor: UnownedSerialExecutor { unsafe loop.asUnownedSerialExecutor() }

    init(_ context: Context, _ endpoint: String, on loop: EventLoop) async throws {
        self.loop = loop
        var options = SocketOptions.agent
        options.connectedPeersOnly = false
        options.linger = .seconds(5)
        socket = try Socket(context, .dealer, options)
        let (stream, continuation) = AsyncStream<[[UInt8]]>.makeStream()
        messages = stream.makeAsyncIterator()
        receiver = try LoopSocket(
            socket,
            on: loop,
            frameCountMax: 16,
            onFailure: { _ in continuation.finish() },
            onMessage: { message in continuation.yield((0..<message.count).map { message.array(at: $0) }) }
        )
        try socket.connect(endpoint)
    }

    func send(_ verb: String, _ id: String, _ header: String, _ body: [String]) throws {
        #expect(try socket.send((["UBP/1", verb, id, header] + body).map { Bytes($0) }) == .sent)
    }

    /// The verb of the next message; nil when the socket failed.
    func nextVerb() async -> String? {
        var messages = self.messages
        let frames = await messages.next(isolation: self)
        self.messages = messages
        return frames.map { String(decoding: $0[1], as: UTF8.self) }
    }

    func close() {
        receiver?.detach()
        receiver = nil
        socket.close()
    }
}
