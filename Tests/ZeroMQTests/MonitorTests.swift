import CoreTypes
import Glibc
import Testing
import ZeroMQ

@Suite(.timeLimit(.minutes(10)))
struct MonitorTests {
    private let directory = TemporaryDirectory()
    private let context: Context

    init() throws {
        context = try Context()
    }

    /// Another process, which sends 101 messages and then waits until it is killed.
    private func runPeerUntilKilled(_ endpoint: String) async {
        await #expect(processExitsWith: .signal(SIGKILL)) { [endpoint = endpoint as String] in
            let context = try Context()
            let dealer = try Socket(context, .dealer, .worker)
            try dealer.connect(endpoint)
            for index in 0..<100 { try await dealer.sendEventually([Bytes("\(index)")]) }
            try await dealer.sendEventually([Bytes("all sent")])
            // Ends by itself, with an error, if nobody kills it.
            _ = try await dealer.nextMessage()
        }
    }

    @Test func deathOfAPeerIsSeenAndItsMessagesAreNotLost() async throws {
        let endpoint = directory.endpoint()
        let router = try Socket(context, .router, .broker)
        let monitor = try Monitor(of: router)
        try router.bind(endpoint)
        #expect(try await monitor.waitFor(.listening).endpoint == endpoint)

        async let peer: Void = runPeerUntilKilled(endpoint)
        let accepted = try await monitor.waitFor(.accepted)
        let message = Multipart()
        try await router.waitForMessage(message)
        let address = try #require(message.peerAddress)
        #expect(address.uid == geteuid())
        #expect(address.gid == getegid())
        #expect(address.pid > 1 && address.pid != getpid())
        #expect(message.sourceDescriptor == accepted.value)
        let id = message.array(at: 0)
        #expect(kill(address.pid, SIGKILL) == 0)
        let gone = try await monitor.waitFor(.disconnected)
        #expect(gone.value == accepted.value)
        #expect(gone.endpoint == endpoint)
        await peer

        // All of what had arrived is still delivered, in order and naming the same descriptor.
        var texts = [message.array(at: 1)]
        while try router.receive(into: message) {
            #expect(message.array(at: 0) == id)
            #expect(message.sourceDescriptor == accepted.value)
            texts.append(message.array(at: 1))
        }
        let sent = (0..<100).map { [UInt8](text: "\($0)") } + [[UInt8](text: "all sent")]
        #expect(texts == Array(sent.prefix(texts.count)))
        #expect(try router.send([Bytes(id), Bytes("x")]) == .unreachable)
    }

    @Test func tooLargeFrameDisconnectsItsSender() async throws {
        var options = SocketOptions.broker
        options.frameBytesMax = 1_000
        let router = try Socket(context, .router, options)
        let monitor = try Monitor(of: router)
        try router.bind(directory.endpoint())
        let dealer = try Socket(context, .dealer, .agent)
        try dealer.connect(directory.endpoint())
        try await dealer.sendEventually([Bytes([UInt8](repeating: 1, count: 1_000))])
        #expect(try await router.nextMessage().last?.count == 1_000)
        try await dealer.sendEventually([Bytes([UInt8](repeating: 1, count: 1_001))])
        let accepted = try await monitor.waitFor(.accepted)
        #expect(try await monitor.waitFor(.disconnected).value == accepted.value)
    }

    @Test func refusedBindIsReported() async throws {
        let socket = try Socket(context, .router, .broker)
        let monitor = try Monitor(of: socket)
        try socket.bind("tcp://127.0.0.1:*")
        let other = try Socket(context, .router, .broker)
        let failure = try #require(throws: ZeroMQError.self) { try other.bind(socket.lastEndpoint()) }
        #expect(failure.errno == EADDRINUSE)
        #expect(failure.isRetryable)
        #expect(failure.description.contains("tcp://127.0.0.1:"))
        #expect(try await monitor.waitFor(.listening).endpoint.hasPrefix("tcp://127.0.0.1:"))
        try socket.unbind(socket.lastEndpoint())
        _ = try await monitor.waitFor(.closed)
    }

    @Test func unreadEventsDoNotStopTheIOThread() async throws {
        let router = try Socket(context, .router, .broker)
        let monitor = try Monitor(of: router)
        // Three events each, far more than the queues of a PAIR hold by default.
        let rounds = 1_500
        for _ in 0..<rounds {
            try router.bind(directory.endpoint("again"))
            try router.unbind(directory.endpoint("again"))
        }
        try router.bind(directory.endpoint())
        let dealer = try Socket(context, .dealer, .agent)
        try dealer.connect(directory.endpoint())
        try await dealer.sendEventually([Bytes("x")])
        #expect(try await router.nextMessage().count == 2)
        var listening = 0
        while listening < rounds + 1 {
            if try await monitor.waitFor(.listening).endpoint.hasPrefix("ipc://") { listening += 1 }
        }
    }

    @Test func socketOutlivesItsMonitor() async throws {
        let router = try Socket(context, .router, .broker)
        let monitor = try Monitor(of: router)
        try router.bind(directory.endpoint())
        monitor.close()
        monitor.close()
        #expect(throws: ZeroMQError.self) { try monitor.next() }
        // Would hang if libzmq still waited for a reader of its events.
        for _ in 0..<3 {
            let dealer = try Socket(context, .dealer, .agent)
            try dealer.connect(directory.endpoint())
            try await dealer.sendEventually([Bytes("x")])
            #expect(try await router.nextMessage().count == 2)
        }
    }

    @Test func closingTheSocketEndsTheMonitor() async throws {
        let router = try Socket(context, .router, .broker)
        let monitor = try Monitor(of: router)
        router.close()
        _ = try await monitor.waitFor(.monitorStopped)
    }
}
