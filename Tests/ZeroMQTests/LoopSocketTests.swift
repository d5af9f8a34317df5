import CoreTypes
import EventLoop
import Glibc
import Synchronization
import Testing
import ZeroMQ

/// A ROUTER that sends everything back, living on a loop.
private actor Echo {
    nonisolated let loop: EventLoop
    nonisolated var unownedExecutor: UnownedSerialExecutor { unsafe loop.asUnownedSerialExecutor() }

    private let context: Context
    private var socket: LoopSocket?
    private var monitor: Monitor?
    private(set) var messages = 0
    private(set) var events: [MonitorEvent.Kind] = []
    private(set) var failures: [ZeroMQError] = []

    init(_ loop: EventLoop, _ context: Context) {
        self.loop = loop
        self.context = context
    }

    func open(_ endpoint: String) throws {
        let socket = try Socket(context, .router, .broker)
        let monitor = try Monitor(of: socket)
        try monitor.attach(to: loop) { self.events.append($0.kind) }
        try socket.bind(endpoint)
        self.monitor = monitor
        self.socket = try LoopSocket(socket, on: loop, onFailure: { self.failures.append($0) }) { message in
            self.answer(message)
        }
    }

    private func answer(_ message: Multipart) {
        messages += 1
        loop.checkIsolated()
        for index in 0..<message.count {
            let result = try? socket?.socket.send(frame: index, of: message, more: index < message.count - 1)
            guard result == .sent else { return }
        }
    }

    func ping() -> Int { messages }

    func close() {
        socket?.detach()
        socket?.detach()
        monitor?.close()
        socket?.socket.close()
        socket = nil
        monitor = nil
    }
}

/// Two ROUTERs that pass messages on to each other's last peer: what a broker does.
private actor Relay {
    nonisolated let loop: EventLoop
    nonisolated var unownedExecutor: UnownedSerialExecutor { unsafe loop.asUnownedSerialExecutor() }

    private let context: Context
    private var sockets: [LoopSocket] = []
    private var peers: [[UInt8]?] = [nil, nil]

    init(_ loop: EventLoop, _ context: Context) {
        self.loop = loop
        self.context = context
    }

    func open(_ endpoints: [String]) throws {
        for (index, endpoint) in endpoints.enumerated() {
            let socket = try Socket(context, .router, .broker)
            try socket.bind(endpoint)
            sockets.append(try LoopSocket(socket, on: loop) { self.pass($0, from: index) })
        }
    }

    var knowsFirst: Bool { peers[0] != nil }

    private func pass(_ message: Multipart, from index: Int) {
        peers[index] = message.array(at: 0)
        guard let target = peers[1 - index] else { return }
        let result = try? sockets[1 - index].socket.send([Bytes(target), message.takeBytes(at: 1)])
        precondition(result == .sent)
    }

    func close() {
        for socket in sockets {
            socket.detach()
            socket.socket.close()
        }
        sockets = []
    }
}

/// A socket pair that keeps itself busy for ever: each message that arrives sends the next.
private actor PerpetualMotion {
    nonisolated let loop: EventLoop
    nonisolated var unownedExecutor: UnownedSerialExecutor { unsafe loop.asUnownedSerialExecutor() }

    private let context: Context
    private var sockets: [LoopSocket] = []
    private(set) var messages = 0

    init(_ loop: EventLoop, _ context: Context) {
        self.loop = loop
        self.context = context
    }

    func start() throws {
        let pair = [try Socket(context, .pair), try Socket(context, .pair)]
        try pair[0].bind("inproc://motion")
        try pair[1].connect("inproc://motion")
        for (index, socket) in pair.enumerated() {
            sockets.append(
                try LoopSocket(socket, on: loop) { _ in
                    self.messages += 1
                    _ = try? self.sockets[index].socket.send("x")
                }
            )
        }
        // More than one turn's budget is always on its way.
        for _ in 0..<800 { try sockets[0].socket.send("x") }
    }

    func timerFires() async {
        await withCheckedContinuation { continuation in
            loop.schedule(at: loop.now().advanced(by: .milliseconds(2))) { continuation.resume() }
        }
    }

    func stop() {
        for socket in sockets { socket.detach() }
        sockets = []
    }
}

@Suite(.timeLimit(.minutes(10)))
struct LoopSocketTests {
    private let directory = TemporaryDirectory()
    private let context: Context

    init() throws {
        context = try Context()
    }

    @Test func everyMessageIsAnsweredWhileTheActorStaysReachable() async throws {
        try await withLoop { loop in
            let echo = Echo(loop, context)
            try await echo.open(directory.endpoint())
            let dealer = try Socket(context, .dealer, .agent)
            try dealer.connect(directory.endpoint())
            let message = Multipart()
            var sent = 0
            var received = 0
            while received < 20_000 {
                while sent < 20_000, sent - received < 700 {
                    try await dealer.sendEventually([Bytes("\(sent)"), Bytes("body")])
                    sent += 1
                }
                try await dealer.waitForMessage(message)
                #expect(message.array(at: 0) == [UInt8](text: "\(received)"))
                received += 1
                if received % 1_000 == 0 { #expect(await echo.ping() >= received) }
            }
            #expect(await echo.events.contains(.accepted))
            await echo.close()
        }
    }

    @Test func lockStepMessagesThroughTwoSocketsAreNeverForgotten() async throws {
        // Each hop sends on one socket while the other's edge may be pending.
        try await withLoop { loop in
            let relay = Relay(loop, context)
            let ends = [directory.endpoint("a"), directory.endpoint("b")]
            try await relay.open(ends)
            let sockets = try ends.map { end in
                let socket = try Socket(context, .dealer, .agent)
                try socket.connect(end)
                return socket
            }
            // The first message makes its sender known, the second one reaches it.
            try await sockets[0].sendEventually([Bytes("first")])
            while await !relay.knowsFirst {}
            try await sockets[1].sendEventually([Bytes("second")])
            #expect(try await sockets[0].nextMessage() == [[UInt8](text: "second")])
            let message = Multipart()
            for round in 0..<3_000 {
                let (from, to) = round % 2 == 0 ? (sockets[0], sockets[1]) : (sockets[1], sockets[0])
                let text = Bytes("round \(round)")
                #expect(try from.send(text) == .sent)
                try await to.waitForMessage(message)
                #expect(message.array(at: 0) == text.array)
            }
            await relay.close()
        }
    }

    @Test func floodStarvesNeitherJobsNorTimers() async throws {
        try await withLoop { loop in
            let motion = PerpetualMotion(loop, context)
            try await motion.start()
            var before = -1
            for _ in 0..<20 {
                await motion.timerFires()
                let now = await motion.messages
                #expect(now > before)
                before = now
            }
            await motion.stop()
        }
    }

    @Test func shutDownOfTheContextIsToldOnce() async throws {
        try await withLoop { loop in
            let context = try Context()
            let echo = Echo(loop, context)
            try await echo.open(directory.endpoint())
            context.shutDown()
            var failures: [ZeroMQError] = []
            while failures.isEmpty { failures = await echo.failures }
            #expect(failures.map(\.isShutdown) == [true])
            _ = await echo.ping()
            #expect(await echo.failures.count == 1)
            await echo.close()
        }
    }

    @Test func drainReceivesWhatIsThere() async throws {
        try await withLoop { loop in
            let context = context
            let counts = try await withCheckedThrowingContinuation {
                (continuation: CheckedContinuation<[Int], any Error>) in
                loop.execute {
                    continuation.resume(
                        with: Result {
                            let near = try Socket(context, .pair)
                            let far = try Socket(context, .pair)
                            try near.bind("inproc://drain")
                            try far.connect("inproc://drain")
                            var seen = 0
                            let receiver = try LoopSocket(near, on: loop) { _ in seen += 1 }
                            for _ in 0..<10 { try far.send("x") }
                            let first = receiver.drain(limit: 4)
                            let rest = receiver.drain(limit: 100)
                            let none = receiver.drain(limit: 100)
                            receiver.detach()
                            try far.send("x")
                            let detached = receiver.drain(limit: 100)
                            return [first, rest, none, detached, seen]
                        }
                    )
                }
            }
            #expect(counts == [4, 6, 0, 0, 10])
        }
    }

    @Test func detachInsideAHandlerStopsAtOnce() async throws {
        try await withLoop { loop in
            let context = context
            let seen = try await withCheckedThrowingContinuation {
                (continuation: CheckedContinuation<Int, any Error>) in
                loop.execute {
                    do {
                        let near = try Socket(context, .pair)
                        let far = try Socket(context, .pair)
                        try near.bind("inproc://detach")
                        try far.connect("inproc://detach")
                        for _ in 0..<10 { try far.send("x") }
                        var seen = 0
                        var receiver: LoopSocket?
                        receiver = try LoopSocket(near, on: loop) { _ in
                            seen += 1
                            if seen == 3 {
                                receiver?.detach()
                                receiver = nil
                                loop.schedule(at: loop.now().advanced(by: .milliseconds(2))) {
                                    continuation.resume(returning: seen)
                                    withExtendedLifetime((near, far)) {}
                                }
                            }
                        }
                    } catch {
                        continuation.resume(throwing: error)
                    }
                }
            }
            #expect(seen == 3)
        }
    }
}
