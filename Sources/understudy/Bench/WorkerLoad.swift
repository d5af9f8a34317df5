import Benchmarks
import BusProtocol
import CoreTypes
import EventLoop
import ZeroMQ

/// Workers that call nobody: each `JOB` is answered as a real worker would, at once and with the same reply.
///
/// `JOB`, `START`, `GO`, `EVENT`, `REPLY`, `ACK`, and `CREDIT` at the end of a turn that leaves the broker no more than half
/// of what could be granted. Raw sockets, frames made once.
actor WorkerLoad {
    /// A connection to the broker.
    private struct Link {
        let socket: Socket
        var receiver: LoopSocket?
        var isOpen = false
        var received: UInt64 = 0
        var held = 0
        var granted: UInt64 = 0
    }

    private nonisolated let loop: EventLoop
    private let capacity: Int
    private var links: [Link] = []
    private var body: [UInt8]
    private var messages = 0
    private var jobTimes = Latencies()
    /// When the first `JOB` came, by ``Machine/nanoseconds``.
    private(set) var firstJobAt: Int64?
    private var turn: TurnID?
    private var beat: TimerID?
    private var trouble: String?

    /// Runs on the loop's thread.
    nonisolated var unownedExecutor: UnownedSerialExecutor { unsafe loop.asUnownedSerialExecutor() }

    /// Makes workers of a capacity; they are connected by ``connect(_:context:count:)``.
    init(on loop: EventLoop, capacity: Int, replyBody: [UInt8]) {
        self.loop = loop
        self.capacity = capacity
        body = replyBody
    }

    /// Connects so many workers and waits until the broker has welcomed each.
    func connect(_ directory: EndpointDirectory, context: Context, count: Int) async throws {
        var options = SocketOptions.worker
        options.sendQueueMax = 0
        options.reconnectInterval = .milliseconds(10)
        for index in 0..<count {
            let socket = try Socket(context, .dealer, options)
            links.append(Link(socket: socket))
            try socket.connect(try directory.endpoint("workers.sock"))
            links[index].receiver = try LoopSocket(
                socket,
                on: loop,
                frameCountMax: Limits.frameCountMax,
                onFailure: { self.trouble = "\($0)" },
                onMessage: { self.receive($0, index) }
            )
        }
        turn = loop.addTurn { _ in self.grant() }
        sayBeat()
        let until = loop.now().advanced(by: .seconds(20))
        for index in links.indices {
            let ready = WorkerReady(name: "bench-\(index)", pid: 0, capacity: capacity)
            let message = WorkerMessage.ready(ready).encoded()
            let frames = [ProtocolVersion.bytes, message.verb.bytes, message.id, message.header].map { Bytes($0) }
            while try links[index].socket.send(frames) != .sent || loop.now() >= until {
                guard loop.now() < until else { throw CommandFailure(.unreachable, "the broker cannot be reached") }
                try await Task.sleep(for: .milliseconds(2))
            }
        }
        while !links.allSatisfy(\.isOpen) {
            guard loop.now() < until else { throw CommandFailure(.unreachable, "the broker does not say WELCOME") }
            try await Task.sleep(for: .milliseconds(2))
        }
    }

    /// Answers with other bodies from here on.
    func use(replyBody: [UInt8]) { body = replyBody }

    /// Messages sent and received since the last call.
    func takeMessages() throws -> Int {
        if let trouble { throw CommandFailure(.failed, trouble) }
        defer { messages = 0 }
        return messages
    }

    /// Times from the stamps of requests to their `JOB`s since the last call.
    func takeJobTimes() -> Latencies {
        defer { jobTimes = Latencies() }
        return jobTimes
    }

    /// Ends the connections.
    func close() {
        if let turn { loop.removeTurn(turn) }
        if let beat { loop.cancel(beat) }
        for link in links {
            link.receiver?.detach()
            link.socket.close()
        }
        links = []
    }

    private func receive(_ message: Multipart, _ index: Int) {
        messages += 1
        guard message.count >= 4 else { return }
        let (size, first) = unsafe message.withBytes(at: 1) { verb in (verb.count, unsafe verb.first ?? 0) }
        do throws(ZeroMQError) {
            switch (size, first) {
            case (3, UInt8(ascii: "J")):
                noteJob(message)
                links[index].received += 1
                links[index].held += 1
                try send(index, "START", message, attempt: 1, header: BenchMessages.lane, more: false)
            case (2, UInt8(ascii: "G")):
                try sendEvent(index)
                try send(index, "REPLY", message, attempt: 0, header: BenchMessages.replyHeader, more: true)
                try links[index].socket.send(BenchMessages.record, more: true)
                try links[index].socket.send(body)
            case (3, UInt8(ascii: "A")):
                links[index].held -= 1
            case (7, UInt8(ascii: "W")):
                links[index].isOpen = true
            case (4, UInt8(ascii: "B")):
                break
            default:
                let header = unsafe message.withBytes(at: 3) { unsafe String(decoding: $0, as: UTF8.self) }
                trouble = "the broker said to a worker: \(header)"
            }
        } catch {
            trouble = "a worker cannot send: \(error)"
        }
    }

    private func noteJob(_ message: Multipart) {
        if firstJobAt == nil { firstJobAt = Machine.nanoseconds }
        if message.count == 6, let stamp = BenchMessages.time(ofStamp: message.array(at: 5)) {
            jobTimes.add(nanoseconds: Machine.nanoseconds - stamp)
        }
    }

    /// Sends the first four frames of a message about the delivery that `message` names.
    private func send(
        _ index: Int,
        _ verb: StaticString,
        _ message: Multipart,
        attempt: UInt8,
        header: [UInt8],
        more: Bool
    ) throws(ZeroMQError) {
        var key = message.array(at: 2)
        key[key.count - 1] = attempt
        let socket = links[index].socket
        try socket.send("UBP/1", more: true)
        try socket.send(verb, more: true)
        try socket.send(key, more: true)
        try socket.send(header, more: more)
        messages += 1
    }

    private func sendEvent(_ index: Int) throws(ZeroMQError) {
        let socket = links[index].socket
        try socket.send("UBP/1", more: true)
        try socket.send("EVENT", more: true)
        try socket.send("attempt", more: true)
        try socket.send(BenchMessages.attemptEvent)
        messages += 1
    }

    /// Says `CREDIT` where there is room for more; true when something was said.
    private func grant() -> Bool {
        var hasSaid = false
        for index in links.indices where links[index].isOpen {
            let room = UInt64(max(0, capacity - links[index].held))
            let total = links[index].received + room
            guard total > links[index].granted, links[index].granted - links[index].received <= room / 2 else {
                continue
            }
            links[index].granted = total
            send(index, WorkerMessage.credit(grantedTotal: total).encoded())
            hasSaid = true
        }
        return hasSaid
    }

    private func sayBeat() {
        for index in links.indices where links[index].isOpen {
            send(index, WorkerMessage.beat(WorkerBeat(held: links[index].held)).encoded())
        }
        beat = loop.schedule(at: loop.now().advanced(by: .seconds(1))) { self.sayBeat() }
    }

    private func send(_ index: Int, _ message: OutgoingMessage) {
        let frames = [ProtocolVersion.bytes, message.verb.bytes, message.id, message.header].map { Bytes($0) }
        do throws(ZeroMQError) {
            _ = try links[index].socket.send(frames)
            messages += 1
        } catch {
            trouble = "a worker cannot send: \(error)"
        }
    }
}
