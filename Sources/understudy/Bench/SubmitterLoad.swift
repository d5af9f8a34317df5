import Benchmarks
import BusProtocol
import CoreTypes
import EventLoop
import ZeroMQ

/// Agents of which each waits for its `ACCEPTED` before its next `REQUEST`, and that fetch the answers when they are told.
///
/// A connection for each. Lives on a loop of its own.
actor SubmitterLoad {
    /// What every agent is doing.
    private enum Phase {
        case still
        case submitting
        case fetching
    }

    /// How long nothing may come in before it is given up.
    private static let silenceMax: Duration = .seconds(60)

    private nonisolated let loop: EventLoop
    private let name: String
    private let body: [UInt8]
    private var sockets: [Socket] = []
    private var receivers: [LoopSocket] = []
    private var phase = Phase.still
    /// What each agent asked last.
    private var current: [Int]
    private var begun: [Int64]
    /// The next number to be asked, and the end of the numbers.
    private var next = 0
    private var end = 0
    private var open = 0
    private var ponged = 0
    private var tally = AgentLoad.Tally()
    private var trouble: String?
    private var waiter: CheckedContinuation<Void, any Error>?
    private var heardAt = Moment.zero

    /// Runs on the loop's thread.
    nonisolated var unownedExecutor: UnownedSerialExecutor { unsafe loop.asUnownedSerialExecutor() }

    /// Makes `count` agents; they are connected by ``connect(_:context:)``.
    init(on loop: EventLoop, name: String, count: Int, body: [UInt8]) {
        self.loop = loop
        self.name = name
        self.body = body
        current = Array(repeating: 0, count: count)
        begun = Array(repeating: 0, count: count)
    }

    /// Connects all of them, and waits until the broker answers each.
    func connect(_ directory: EndpointDirectory, context: Context) async throws {
        var options = SocketOptions.agent
        options.reconnectInterval = .milliseconds(10)
        for index in current.indices {
            let socket = try Socket(context, .dealer, options)
            try socket.connect(try directory.endpoint("agents.sock"))
            let receiver = try LoopSocket(
                socket,
                on: loop,
                frameCountMax: Limits.frameCountMax,
                onFailure: { self.fail("\($0)") },
                onMessage: { self.receive($0, index) }
            )
            sockets.append(socket)
            receivers.append(receiver)
        }
        try await reach()
    }

    /// Waits until the broker answers each of them.
    func reach() async throws {
        ponged = 0
        let until = loop.now().advanced(by: .seconds(30))
        for index in sockets.indices {
            while try !send(index, "PING", Array("bench".utf8), [], nil) {
                guard loop.now() < until else { throw CommandFailure(.unreachable, "the broker cannot be reached") }
                try await Task.sleep(for: .milliseconds(2))
            }
        }
        while ponged < sockets.count {
            guard loop.now() < until else { throw CommandFailure(.unreachable, "the broker does not answer") }
            try await Task.sleep(for: .milliseconds(2))
        }
    }

    /// Puts `count` requests on the bus, and returns when all are accepted. Their answers are left alone.
    func submit(_ count: Int) async throws -> AgentLoad.Tally { try await go(.submitting, next..<next + count) }

    /// Fetches the answers to the requests from number `first` on, acknowledges them, and returns when all are there.
    func fetch(from first: Int = 0) async throws -> AgentLoad.Tally { try await go(.fetching, first..<end) }

    /// Ends the connections.
    func close() {
        for receiver in receivers { receiver.detach() }
        for socket in sockets { socket.close() }
        receivers = []
        sockets = []
    }

    // MARK: Asking

    private func go(_ phase: Phase, _ numbers: Range<Int>) async throws -> AgentLoad.Tally {
        tally = AgentLoad.Tally()
        (next, end) = (numbers.lowerBound, numbers.upperBound)
        self.phase = phase
        heardAt = loop.now()
        for index in sockets.indices { ask(index) }
        watch()
        if trouble == nil, open > 0 { try await withCheckedThrowingContinuation { waiter = $0 } }
        self.phase = .still
        if let trouble { throw CommandFailure(.failed, trouble) }
        return tally
    }

    /// Asks the next thing, or ends when nothing is left.
    private func ask(_ index: Int) {
        guard next < end else {
            if open == 0 {
                waiter?.resume()
                waiter = nil
            }
            return
        }
        current[index] = next
        begun[index] = Machine.nanoseconds
        next += 1
        open += 1
        do throws(ZeroMQError) {
            let isSent =
                phase == .submitting
                ? try send(index, "REQUEST", id(of: current[index]), BenchMessages.diskHeader, body)
                : try send(index, "GET", id(of: current[index]), [], nil)
            if !isSent { fail("an agent has no connection") }
        } catch {
            fail("an agent cannot send: \(error)")
        }
    }

    private func id(of number: Int) -> [UInt8] { Array("bench-\(name)-\(number)".utf8) }

    private func send(
        _ index: Int,
        _ verb: StaticString,
        _ id: [UInt8],
        _ header: [UInt8],
        _ body: [UInt8]?
    ) throws(ZeroMQError) -> Bool {
        let socket = sockets[index]
        guard try socket.send("UBP/1", more: true) == .sent else { return false }
        try socket.send(verb, more: true)
        try socket.send(id, more: true)
        try socket.send(header, more: body != nil)
        if let body { try socket.send(body) }
        return true
    }

    // MARK: Answers

    private func receive(_ message: Multipart, _ index: Int) {
        guard message.count >= 4 else { return fail("an answer has \(message.count) frames") }
        heardAt = loop.now()
        switch (String(decoding: message.array(at: 1), as: UTF8.self), phase) {
        case ("PONG", _):
            ponged += 1
        case ("ACCEPTED", .submitting):
            tally.latencies.add(nanoseconds: Machine.nanoseconds - begun[index])
            settle(index)
        case ("STATE", .fetching):
            // The terminal follows.
            break
        case ("REPLY", .fetching):
            tally.replies += 1
            do throws(ZeroMQError) {
                _ = try send(index, "ACK", message.array(at: 2), [], nil)
            } catch {
                fail("an agent cannot send: \(error)")
            }
        case ("OK", .fetching):
            settle(index)
        case (let verb, _):
            let header = String(decoding: message.array(at: 3), as: UTF8.self)
            fail("request \(current[index]): the broker answered \(verb) \(header)")
        }
    }

    private func settle(_ index: Int) {
        open -= 1
        ask(index)
    }

    private func fail(_ text: String) {
        guard trouble == nil else { return }
        trouble = text
        waiter?.resume(throwing: CommandFailure(.failed, text))
        waiter = nil
    }

    /// Gives up when nothing comes in any more.
    private func watch() {
        loop.schedule(at: loop.now().advanced(by: .seconds(1))) {
            guard self.waiter != nil else { return }
            if self.heardAt.duration(to: self.loop.now()) > Self.silenceMax {
                self.fail("\(self.open) agents wait and nothing was heard for \(Self.silenceMax)")
            } else {
                self.watch()
            }
        }
    }
}
