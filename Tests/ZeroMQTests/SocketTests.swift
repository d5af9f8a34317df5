import CoreTypes
import Glibc
import Testing
import ZeroMQ

@Suite(.timeLimit(.minutes(10)))
struct SocketTests {
    let directory = TemporaryDirectory()
    let context: Context

    init() throws {
        context = try Context()
    }

    /// A bound ROUTER and a DEALER that is connected to it, as the routing id in the ROUTER's first message shows.
    private func connectedPair(
        _ routerOptions: SocketOptions = .broker,
        _ dealerOptions: SocketOptions = .agent
    ) async throws -> (router: Socket, dealer: Socket, id: [UInt8]) {
        let router = try Socket(context, .router, routerOptions)
        try router.bind(directory.endpoint())
        let dealer = try Socket(context, .dealer, dealerOptions)
        try dealer.connect(directory.endpoint())
        try await dealer.sendEventually([Bytes("hello")])
        let first = try await router.nextMessage()
        #expect(first.count == 2)
        #expect(first.last == [UInt8](text: "hello"))
        return (router, dealer, first[0])
    }

    @Test func messagesTravelBothWaysWithTheirFrames() async throws {
        let (router, dealer, id) = try await connectedPair()
        #expect(id.count == 5)
        #expect(id.first == 0)
        #expect(try router.send(id, more: true) == .sent)
        #expect(try router.send("UBP/1", more: true) == .sent)
        #expect(try router.send([UInt8](), more: true) == .sent)
        #expect(try router.send(Message(copying: [1, 2, 3]), more: true) == .sent)
        #expect(try router.send(Bytes("end")) == .sent)
        #expect(try await dealer.nextMessage() == [[UInt8](text: "UBP/1"), [], [1, 2, 3], [UInt8](text: "end")])
    }

    @Test func nothingToReceiveIsFalse() async throws {
        let (router, dealer, id) = try await connectedPair()
        let message = Multipart()
        #expect(try !router.receive(into: message))
        #expect(message.count == 0)
        #expect(try router.send([Bytes(id), Bytes("x")]) == .sent)
        try await dealer.waitForMessage(message)
        #expect(message.count == 1)
        // A receive that finds nothing leaves nothing behind either.
        #expect(try !dealer.receive(into: message))
        #expect(message.count == 0)
        #expect(message.peerAddress == nil)
        #expect(message.sourceDescriptor == nil)
    }

    @Test func surplusFramesAreDroppedAndTold() async throws {
        let (router, dealer, _) = try await connectedPair()
        let many = (0..<40).map { Bytes("frame \($0)") }
        #expect(try dealer.send(many) == .sent)
        #expect(try dealer.send([Bytes("next")]) == .sent)
        let message = Multipart(frameCountMax: 8)
        try await router.waitForMessage(message)
        #expect(message.wasTruncated)
        #expect(message.count == 8)
        #expect(message.frameCount == 41)
        #expect(message.allFrames.dropFirst() == many.prefix(7).map(\.array)[...])
        #expect(message.peerAddress?.pid == getpid())
        try await router.waitForMessage(message)
        #expect(!message.wasTruncated)
        #expect(message.allFrames.last == [UInt8](text: "next"))
        #expect(message.count == 2)
    }

    @Test func aBufferHoldsTheLastMessageOnly() async throws {
        let (router, dealer, _) = try await connectedPair()
        let message = Multipart(frameCountMax: 8)
        for count in [5, 1, 8, 2, 7] {
            #expect(try dealer.send((1..<count).map { Bytes("\($0)") } + [Bytes("last")]) == .sent)
            try await router.waitForMessage(message)
            #expect(message.frameCount == count + 1)
            #expect(message.count == min(8, count + 1))
        }
        message.clear()
        #expect(message.count == 0)
    }

    @Test func aMissingFrameStopsTheProcess() async {
        await #expect(processExitsWith: .failure) { _ = Multipart().array(at: 0) }
    }

    @Test(arguments: [0, 1, 33, 34, 4095, 4096, 100_000, 3_000_000])
    func keptFramesAreWholeAndLargeOnesAreNotCopied(size: Int) async throws {
        let (router, dealer, id) = try await connectedPair()
        let body = (0..<size).map { UInt8(truncatingIfNeeded: $0 &* 31) }
        #expect(try dealer.send([Bytes("head"), Bytes(body)]) == .sent)
        let message = Multipart()
        try await router.waitForMessage(message)
        #expect(message.byteCount(at: 2) == size)
        let place = unsafe message.withBytes(at: 2) { UInt(bitPattern: $0.baseAddress) }
        let kept = message.takeBytes(at: 2)
        #expect(kept.array == body)
        if size >= Multipart.moveBytesMin {
            #expect(unsafe kept.withUnsafeBytes { UInt(bitPattern: $0.baseAddress) } == place)
            #expect(message.byteCount(at: 2) == 0)
            #expect(kept.owner != nil)
        } else {
            #expect(kept.owner == nil)
        }
        // It outlives the buffer's next use, and can be sent more than once.
        message.clear()
        for _ in 0..<3 {
            #expect(try router.send([Bytes(id), kept, Bytes("tail")]) == .sent)
            #expect(try await dealer.nextMessage() == [body, [UInt8](text: "tail")])
        }
        #expect(kept.array == body)
    }

    @Test func keptBytesMayBeSentByManyThreads() async throws {
        let body = [UInt8](repeating: 9, count: 50_000)
        let (router, dealer, _) = try await connectedPair()
        #expect(try dealer.send([Bytes(body)]) == .sent)
        let message = Multipart()
        try await router.waitForMessage(message)
        let kept = message.takeBytes(at: 1)
        let context = context
        try await withThrowingTaskGroup(of: Int.self) { group in
            for index in 0..<4 {
                group.addTask {
                    let near = try Socket(context, .pair)
                    let far = try Socket(context, .pair)
                    try near.bind("inproc://shared-\(index)")
                    try far.connect("inproc://shared-\(index)")
                    var good = 0
                    for _ in 0..<500 {
                        guard try near.send(kept) == .sent else { continue }
                        if try await far.nextMessage() == [body] { good += 1 }
                    }
                    return good
                }
            }
            for try await good in group { #expect(good == 500) }
        }
    }

    @Test func aReceivedFrameIsForwardedByItsHandle() async throws {
        let (router, dealer, _) = try await connectedPair()
        let body = [UInt8](repeating: 5, count: 20_000)
        #expect(try dealer.send([Bytes(body), Bytes("z")]) == .sent)
        let message = Multipart()
        try await router.waitForMessage(message)
        for index in 0..<message.count {
            #expect(try router.send(frame: index, of: message, more: index < message.count - 1) == .sent)
        }
        #expect(message.byteCount(at: 1) == 0)
        #expect(try await dealer.nextMessage() == [body, [UInt8](text: "z")])
    }

    @Test func anUnknownPeerIsUnreachableAndNothingIsSent() async throws {
        let (router, dealer, id) = try await connectedPair()
        #expect(try router.send([Bytes([0, 1, 2, 3, 4]), Bytes("a"), Bytes("b")]) == .unreachable)
        #expect(try router.send([Bytes(id), Bytes("c")]) == .sent)
        #expect(try await dealer.nextMessage() == [[UInt8](text: "c")])
    }

    @Test func aFullPeerWouldBlockAndNothingIsSent() async throws {
        var routerOptions = SocketOptions.broker
        routerOptions.sendQueueMax = 5
        var dealerOptions = SocketOptions.agent
        dealerOptions.receiveQueueMax = 5
        let (router, dealer, id) = try await connectedPair(routerOptions, dealerOptions)
        let body = Bytes([UInt8](repeating: 1, count: 100_000))
        var sent = 0
        while try router.send([Bytes(id), Bytes("\(sent)"), body]) == .sent {
            sent += 1
            try #require(sent < 1_000)
        }
        #expect(try router.send([Bytes(id), Bytes("\(sent)"), body]) == .wouldBlock)
        for index in 0..<sent {
            #expect(try await dealer.nextMessage() == [[UInt8](text: "\(index)"), body.array])
        }
        // The writer hears of the room by its descriptor, if anything woke it; sending goes on where it stopped.
        var result = SendResult.wouldBlock
        while result == .wouldBlock {
            result = try router.send([Bytes(id), Bytes("again")])
            if result == .wouldBlock, try !router.receive(into: Multipart()) { try await router.waitForEdge() }
        }
        #expect(result == .sent)
        #expect(try await dealer.nextMessage() == [[UInt8](text: "again")])
    }

    @Test func withoutAPeerADealerWouldBlock() async throws {
        let dealer = try Socket(context, .dealer, .agent)
        try dealer.connect(directory.endpoint("nobody"))
        #expect(try dealer.send([Bytes("a"), Bytes("b")]) == .wouldBlock)
        #expect(try !dealer.events().contains(.send))
    }

    @Test func aLostConnectionDropsTheBegunMessageOnly() async throws {
        let (router, dealer, _) = try await connectedPair()
        let monitor = try Monitor(of: router)
        #expect(try dealer.send("one", more: true) == .sent)
        try dealer.disconnect(directory.endpoint())
        // The connection goes when both ends have agreed, for which the dealer must be called now and then.
        while try monitor.next()?.kind != .disconnected {
            _ = try dealer.events()
            await Task.yield()
        }
        #expect(try dealer.send("two", more: true) == .sent)
        #expect(try dealer.send("three") == .sent)
        try dealer.connect(directory.endpoint())
        try await dealer.sendEventually([Bytes("x"), Bytes("y")])
        #expect(try await router.nextMessage().dropFirst() == [[UInt8](text: "x"), [UInt8](text: "y")])
    }

    @Test func subscribersGetWhatTheyAskedFor() async throws {
        var options = SocketOptions.publisher
        options.welcomeMessage = [UInt8](text: "evt.hello")
        let publisher = try Socket(context, .xpub, options)
        try publisher.bind(directory.endpoint())
        let subscriber = try Socket(context, .sub, .subscriber)
        try subscriber.subscribe("evt.")
        try subscriber.connect(directory.endpoint())
        // The welcome leaves when the publisher is next called.
        #expect(try await publisher.nextMessage() == [[1] + [UInt8](text: "evt.")])
        #expect(try await subscriber.nextMessage() == [[UInt8](text: "evt.hello")])
        #expect(try publisher.send([Bytes("other.x"), Bytes("no")]) == .sent)
        #expect(try publisher.send([Bytes("evt.x"), Bytes("yes")]) == .sent)
        #expect(try await subscriber.nextMessage() == [[UInt8](text: "evt.x"), [UInt8](text: "yes")])
        try subscriber.unsubscribe("evt.")
        #expect(try await publisher.nextMessage() == [[0] + [UInt8](text: "evt.")])
    }

    @Test func requestSocketsPutAnEnvelope() async throws {
        let router = try Socket(context, .router, .broker)
        try router.bind("tcp://127.0.0.1:*")
        var options = SocketOptions.agent
        options.correlatesRequests = true
        let request = try Socket(context, .req, options)
        let endpoint = try router.lastEndpoint()
        #expect(endpoint.hasPrefix("tcp://127.0.0.1:"))
        try request.connect(endpoint)
        try await request.sendEventually([Bytes("q")])
        let message = Multipart()
        try await router.waitForMessage(message)
        #expect(message.count == 4)
        #expect(message.byteCount(at: 1) == 4)
        #expect(message.byteCount(at: 2) == 0)
        #expect(message.peerAddress == nil)
        #expect(message.sourceDescriptor != nil)
        #expect(try router.send([0, 1, 2].map { Bytes(message.array(at: $0)) } + [Bytes("a")]) == .sent)
        #expect(try await request.nextMessage() == [[UInt8](text: "a")])
        // Two requests in a row are against the rules of a REQ.
        #expect(try request.send("q") == .sent)
        let failure = #expect(throws: ZeroMQError.self) { try request.send("q") }
        #expect(failure?.call == "zmq_send")
        #expect(failure?.isShutdown == false)
    }

    @Test func aShutDownContextEndsEveryCall() async throws {
        let (router, dealer, id) = try await connectedPair()
        context.shutDown()
        // libzmq looks for it after a few messages or a millisecond, and whenever there is nothing to receive.
        let atReceive = #expect(throws: ZeroMQError.self) {
            while true { _ = try router.receive(into: Multipart()) }
        }
        #expect(atReceive?.isShutdown == true)
        let atSend = #expect(throws: ZeroMQError.self) {
            while true { _ = try dealer.send("x") }
        }
        #expect(atSend?.isShutdown == true)
        #expect(throws: ZeroMQError.self) { try router.send([Bytes(id), Bytes("x")]) }
        #expect(throws: ZeroMQError.self) { try Socket(context, .dealer) }
    }

    @Test func aClosedSocketRefusesCalls() async throws {
        let socket = try Socket(context, .dealer, .agent)
        socket.close()
        socket.close()
        let failure = #expect(throws: ZeroMQError.self) { try socket.connect(directory.endpoint()) }
        #expect(failure?.errno == ENOTSOCK)
        #expect(failure?.context == directory.endpoint())
        #expect(throws: ZeroMQError.self) { try socket.receive(into: Multipart()) }
        #expect(throws: ZeroMQError.self) { try socket.send("x") }
    }

    @Test func wrongOptionsAreNamed() async throws {
        var options = SocketOptions()
        options.welcomeMessage = [1]
        let ofAnotherKind = #expect(throws: ZeroMQError.self) { try Socket(context, .dealer, options) }
        #expect(ofAnotherKind?.description.contains("ZMQ_XPUB_WELCOME_MSG") == true)
        options = SocketOptions()
        options.linger = .seconds(-1)
        let unlimited = #expect(throws: ZeroMQError.self) { try Socket(context, .dealer, options) }
        #expect(unlimited?.context.hasPrefix("ZMQ_LINGER") == true)
        options = SocketOptions()
        options.sendQueueMax = 1 << 40
        let tooLarge = #expect(throws: ZeroMQError.self) { try Socket(context, .dealer, options) }
        #expect(tooLarge?.context == "ZMQ_SNDHWM 1099511627776")
    }

    @Test func ofTwoPeersThatChoseOneIdOnlyTheFirstIsHeard() async throws {
        let router = try Socket(context, .router, .broker)
        let monitor = try Monitor(of: router)
        try router.bind(directory.endpoint())
        var options = SocketOptions.agent
        options.routingID = [UInt8](text: "mine")
        let first = try Socket(context, .dealer, options)
        try first.connect(directory.endpoint())
        try await first.sendEventually([Bytes("1")])
        #expect(try await router.nextMessage() == [[UInt8](text: "mine"), [UInt8](text: "1")])
        let second = try Socket(context, .dealer, options)
        try second.connect(directory.endpoint())
        _ = try await monitor.waitFor(.handshakeSucceeded)
        _ = try await monitor.waitFor(.handshakeSucceeded)
        #expect(try router.send([Bytes("mine"), Bytes("answer")]) == .sent)
        #expect(try await first.nextMessage() == [[UInt8](text: "answer")])
        #expect(try !second.receive(into: Multipart()))
    }

    @Test func featuresAreThereAndHeartbeatsNot() {
        #expect(Context.has("ipc"))
        #expect(!Context.has("no such feature"))
        #expect(Context.version.major == 4)
        // A socket with ZMTP heartbeats can abort its process: no option may set them.
        let names = Mirror(reflecting: SocketOptions()).children.compactMap(\.label)
        #expect(names.count > 10)
        #expect(!names.contains { $0.lowercased().contains("heartbeat") })
    }

    @Test func peerAddressesAreReadStrictly() {
        #expect(PeerAddress(property: "localhost:1000:100:4711") == PeerAddress(uid: 1000, gid: 100, pid: 4711))
        #expect(PeerAddress(property: "localhost:4294967295:0:0") == PeerAddress(uid: .max, gid: 0, pid: 0))
        for text in [
            "", "localhost", "127.0.0.1", "::1", "fe80::1:2:3", "localhost:1:2", "localhost:1:2:3:4", "localhost:a:2:3",
            "localhost:1:2:-3", "localhost::2:3", "x:1:2:3", "localhost:1:2:99999999999", "localhost:1:2:3 ",
        ] {
            #expect(PeerAddress(property: text) == nil, "\(text)")
        }
    }
}
