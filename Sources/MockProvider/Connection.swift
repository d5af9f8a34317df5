import CoreTypes
import EventLoop

/// One client's connection: reads requests, hands them to the server one at a time, sends the responses.
///
/// Lives on the loop's thread. While nothing is read or sent it holds no buffer. It goes from reading to answering
/// with each request; from answering back to reading, to ending, or to closed; from ending to closed; from each to
/// closed when the client leaves.
final class Connection {
    /// Bytes of further requests that may come while one is being answered.
    ///
    /// A client that sends more is no longer read while the response is sent, and cut off while it is only waited for:
    /// without reading its leaving would go unseen.
    static let earlyBytesMax = 64 * 1024

    /// How long a connection that was answered with "close" may go on sending.
    static let endingTime = Duration.seconds(2)

    /// How long the headers travel before a reset follows: a reset at once may overtake them.
    static let resetDelay = Duration.milliseconds(20)

    private enum State {
        /// A request is awaited or half read.
        case reading
        /// A request is with the server, or its response is being sent.
        case answering
        /// All is sent and our direction closed; bytes that come are dropped.
        case ending
        case closed
    }

    private let descriptor: CInt
    private let server: Server
    private var state = State.reading
    private var parser = RequestParser()
    /// Received bytes that the parser has not taken.
    private var early: [UInt8] = []
    /// The response as far as the socket did not take it.
    private var unsent: [UInt8] = []
    private var unsentStart = 0
    private var ending = Response.Ending.keepAlive
    private var interest = Interest.read
    private var timer: TimerID?
    /// True while a call was counted and its response is not sent.
    private(set) var owesAnswer = false
    /// The server's tick when bytes came last, or the last response was sent.
    private var activeTick: UInt32

    init(descriptor: CInt, server: Server) {
        self.descriptor = descriptor
        self.server = server
        activeTick = server.idleTick
    }

    deinit {
        if state != .closed { Sockets.close(descriptor) }
    }

    /// Starts reading.
    func start() throws(SystemError) {
        try server.loop.watch(descriptor, .read) { self.handle($0) }
    }

    private func handle(_ readiness: Readiness) {
        if readiness.contains(.write), !unsent.isEmpty { flush() }
        if state != .closed, readiness.contains(.read) || !readiness.isDisjoint(with: [.hangUp, .error]) { receive() }
    }

    // MARK: Reading

    private func receive() {
        switch Sockets.receive(descriptor, into: &server.scratch) {
        case .bytes(let count):
            take(count)
        case .end:
            // The rest of a response can still reach a client that has only ended its own direction.
            if state == .answering, !unsent.isEmpty {
                if ending == .keepAlive { ending = .close }
                want(.write)
            } else {
                close()
            }
        case .failed:
            close()
        case .wouldBlock:
            break
        }
    }

    private func take(_ count: Int) {
        activeTick = server.idleTick
        switch state {
        case .reading:
            if early.isEmpty {
                // The bytes are parsed where they lie; only what is left of them is copied.
                var scratch: [UInt8] = []
                swap(&scratch, &server.scratch)
                let taken = parse(scratch.span.extracting(first: count))
                keep(scratch[taken..<count])
                swap(&scratch, &server.scratch)
            } else {
                early.append(contentsOf: server.scratch[..<count])
                parseEarlyBytes()
            }
        case .answering:
            early.append(contentsOf: server.scratch[..<count])
            guard early.count > Self.earlyBytesMax else { return }
            if unsent.isEmpty { close() } else { want(.write) }
        case .ending, .closed:
            break
        }
    }

    private func parseEarlyBytes() {
        guard state == .reading, !early.isEmpty else { return }
        var bytes: [UInt8] = []
        swap(&bytes, &early)
        let taken = parse(bytes.span)
        keep(bytes[taken...])
    }

    /// Keeps bytes that the parser has not taken.
    private func keep(_ bytes: ArraySlice<UInt8>) {
        guard state == .reading || state == .answering else { return }
        early = Array(bytes)
    }

    /// Lets the parser take bytes until a request is with the server or more bytes are needed; says how many it took.
    private func parse(_ bytes: Span<UInt8>) -> Int {
        var offset = 0
        while state == .reading {
            switch parser.advance(over: bytes, from: &offset) {
            case .needsMore:
                return offset
            case .wantsContinue:
                // Sent at once or not at all: the client goes on without it after a second.
                _ = Sockets.send(descriptor, Array("HTTP/1.1 100 Continue\r\n\r\n".utf8), from: 0)
            case .request(let request):
                state = .answering
                server.answer(request, on: self)
                if offset == bytes.count { return offset }
            case .refused(let status, let reason):
                state = .answering
                server.refuse(status: status, reason: reason, on: self)
                return bytes.count
            }
        }
        return offset
    }

    // MARK: Idleness

    /// Closes a connection that was silent for a whole idle timeout while nothing of it was to be answered.
    func closeIfIdle(at tick: UInt32) {
        guard state == .reading, tick &- activeTick > Server.idleTicks else { return }
        guard parser.isIdle, early.isEmpty else {
            state = .answering
            return server.refuse(status: 408, reason: "the rest of it did not come in time", on: self)
        }
        close()
    }

    // MARK: Answering

    /// Says that the request in hand is a counted call: the client's leaving before the end of the answer is counted.
    func oweAnswer() {
        owesAnswer = true
    }

    /// Calls `action` after `delay`, unless the client leaves before.
    func wait(_ delay: Duration, then action: @escaping () -> Void) {
        timer = server.loop.schedule(at: server.loop.now().advanced(by: delay)) {
            self.timer = nil
            action()
        }
    }

    /// Sends the response to the request in hand.
    func send(_ response: Response) {
        guard state == .answering else { return }
        ending = response.ending
        unsentStart = 0
        unsent = response.bytes
        flush()
    }

    /// Resets the connection (RST).
    func reset() {
        finish(resetting: true)
    }

    private func flush() {
        while unsentStart < unsent.count {
            switch Sockets.send(descriptor, unsent, from: unsentStart) {
            case .bytes(let count): unsentStart += count
            case .wouldBlock: return want(interest.union(.write))
            case .failed: return close()
            }
        }
        unsent = []
        unsentStart = 0
        responseIsSent()
    }

    private func responseIsSent() {
        switch ending {
        case .keepAlive:
            owesAnswer = false
            activeTick = server.idleTick
            state = .reading
            want(.read)
            // Inside `parse` nothing is early yet; its loop goes on with what it has.
            parseEarlyBytes()
        case .close:
            owesAnswer = false
            state = .ending
            early = []
            Sockets.endSending(descriptor)
            want(.read)
            wait(Self.endingTime) { self.close() }
        case .reset:
            owesAnswer = false
            want(.read)
            wait(Self.resetDelay) { self.reset() }
        }
    }

    private func want(_ wanted: Interest) {
        guard wanted != interest, state != .closed else { return }
        interest = wanted
        server.loop.update(descriptor, wanted)
    }

    // MARK: End

    /// Closes the connection; a second call does nothing.
    func close() {
        finish(resetting: false)
    }

    private func finish(resetting: Bool) {
        guard state != .closed else { return }
        state = .closed
        if let timer { server.loop.cancel(timer) }
        timer = nil
        early = []
        unsent = []
        server.loop.unwatch(descriptor)
        if resetting { Sockets.reset(descriptor) } else { Sockets.close(descriptor) }
        server.forget(descriptor, owedAnswer: owesAnswer && !resetting)
    }
}
