import BusProtocol
import CoreTypes
import Dispatch
import EventLoop
import Glibc
import Testing
import ZeroMQ

@testable import Broker

/// A broker that stops goes when what it said last has been read.
@Suite(.timeLimit(.minutes(2))) struct LeaveTests {
    /// A broker on a loop of its own, and one agent's connection.
    private struct Bus {
        let broker: BrokerService
        let running: Task<Void, any Error>
        let agent: TestAgent
    }

    private func withBus(_ body: (Bus) async throws -> Void) async throws {
        var template = Array("/tmp/broker-test-XXXXXX".utf8CString)
        guard let made = unsafe mkdtemp(&template) else { preconditionFailure("mkdtemp failed: \(errno)") }
        let path = unsafe String(cString: made)
        defer {
            unsafe unlink("\(path)/broker.lock")
            unsafe rmdir(path)
        }
        let loops = [try EventLoop(name: "broker"), try EventLoop(name: "agent")]
        defer { for loop in loops { loop.shutDown() } }
        let directory = try EndpointDirectory(path: path)
        var settings = BrokerSettings(directory: directory)
        // Longer than the test may take: what ends the leave is not the time.
        settings.leave = .seconds(600)
        let context = try Context()
        let broker = BrokerService(settings, context: context, on: loops[0]) { _ in }
        let (ready, continuation) = AsyncStream<Void>.makeStream()
        let running = Task { try await broker.run { continuation.yield() } }
        for await _ in ready { break }
        let agent = try await TestAgent(context, try directory.endpoint(SocketName.agents), on: loops[1])
        try await body(Bus(broker: broker, running: running, agent: agent))
        try await running.value
    }

    @Test(arguments: [true, false]) func theLastAnswersCanBeReadBeforeTheConnectionEnds(isGraceful: Bool) async throws {
        try await withBus { bus in
            try await bus.agent.send("REQUEST", "r1", #"{"durability":"memory"}"#, ["{}"])
            #expect(await bus.agent.nextVerb() == "ACCEPTED")
            // Without a worker the drain is over at once.
            if isGraceful { bus.broker.stop() } else { bus.broker.stopNow() }
            #expect(await bus.agent.nextVerb() == "FAILURE")
            try await bus.agent.send("PING", "p1", "", [])
            #expect(await bus.agent.nextVerb() == "PONG")
            try await bus.agent.send("REQUEST", "r2", "", ["{}"])
            #expect(await bus.agent.nextVerb() == "REJECTED")
            await bus.agent.close()
        }
    }

    @Test func aBrokerThatNobodyTalkedToEndsAtOnce() async throws {
        try await withBus { bus in
            bus.broker.stop()
            try await bus.running.value
            await bus.agent.close()
        }
    }
}

/// A DEALER that says what it is told and hands on what it gets.
private actor TestAgent {
    private nonisolated let loop: EventLoop
    private let socket: Socket
    private var receiver: LoopSocket?
    private var messages: AsyncStream<[[UInt8]]>.Iterator
    nonisolated var unownedExecutor: UnownedSerialExecutor { unsafe loop.asUnownedSerialExecutor() }

    init(_ context: Context, _ endpoint: String, on loop: EventLoop) async throws {
        self.loop = loop
        var options = SocketOptions.agent
        options.connectedPeersOnly = false
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
