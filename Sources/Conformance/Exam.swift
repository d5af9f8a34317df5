import BusProtocol
import CoreTypes
import Glibc
import JSON
import Synchronization
import ZeroMQ

/// Whether the user gave up; set on any thread.
final class StopFlag: Sendable {
    private let value = Atomic(false)

    var isSet: Bool { value.load(ordering: .relaxed) }

    func set() { value.store(true, ordering: .relaxed) }
}

/// What a case plays on: sockets, a clock, the record of what was said. Belongs to one thread, which it blocks.
class Exam {
    /// Lines of the record that are kept.
    private static let recordLineCountMax = 60
    /// Longest time without a look at the user's wish to stop.
    private static let pollMillisecondsMax: CInt = 20

    let context: Context
    let stop: StopFlag
    /// Names the ids of this run, so that they are new to every broker.
    let runName: String
    private(set) var peers: [Peer] = []
    private(set) var children: [Child] = []
    private(set) var record: [String] = []
    private var start = ContinuousClock.now
    private var limit = ContinuousClock.now
    private var buffer = Multipart(frameCountMax: 64)
    private var fault: String?
    private var idCount = 0

    init(context: Context, stop: StopFlag) {
        self.context = context
        self.stop = stop
        var generator = SystemRandomNumberGenerator()
        runName = String(generator.next(), radix: 36)
    }

    // MARK: Cases

    /// Begins a case that may take `time`.
    func begin(limit time: Duration) throws {
        record = []
        fault = nil
        start = .now
        limit = start.advanced(by: time)
    }

    /// Gives another `time` to what follows, such as cleaning up.
    func extend(_ time: Duration) { limit = max(limit, ContinuousClock.now.advanced(by: time)) }

    /// Ends a case: closes its sockets and ends its processes. Never throws.
    func end() {
        for child in children { child.end() }
        children = []
        for peer in peers { peer.socket.close() }
        peers = []
    }

    /// A new id.
    func newID() -> String {
        idCount += 1
        return "conform-\(runName)-\(idCount)"
    }

    // MARK: Taking part

    func add(_ peer: Peer) -> Peer {
        peers.append(peer)
        return peer
    }

    func add(_ child: Child) -> Child {
        children.append(child)
        return child
    }

    func drop(_ peer: Peer) {
        peer.socket.close()
        peers.removeAll { $0 === peer }
        note("\(peer.name) closes its connection")
    }

    /// Adds a line to the record.
    func note(_ text: String) {
        let milliseconds = start.duration(to: .now).wholeMilliseconds
        let place = String(repeating: " ", count: max(0, 6 - "\(milliseconds)".count)) + "\(milliseconds) ms  "
        record.append(place + text)
        if record.count > Self.recordLineCountMax { record.removeFirst() }
    }

    /// Sends frames as they are; to `route` from a ROUTER.
    func send(_ peer: Peer, raw frames: [[UInt8]], to route: [UInt8]? = nil, isQuiet: Bool = false) throws {
        let shown = route == nil ? frames : frames
        if !isQuiet {
            let envelope = Array(shown.prefix(while: { !$0.starts(with: Array("UBP/".utf8)) }))
            let text = FrameText.describe(Array(shown.dropFirst(envelope.count)), envelope: envelope)
            note("\(peer.name) → \(text)")
        }
        let message = ((route.map { [$0] } ?? []) + frames).map { Bytes($0) }
        try wait("\(peer.name) can send") {
            switch try peer.socket.send(message) {
            case .sent:
                peer.awaitsAnswer = true
                return true
            case .wouldBlock:
                return nil
            case .unreachable:
                throw CaseEnd.failed("the connection that \(peer.name) answers is gone")
            }
        }
    }

    /// Sends a message after the peer's own envelope.
    func send(
        _ peer: Peer,
        _ verb: String,
        id: [UInt8] = [],
        header: String = "",
        body: [[UInt8]] = [],
        to route: [UInt8]? = nil,
        isQuiet: Bool = false
    ) throws {
        let frames = [ProtocolVersion.bytes, Array(verb.utf8), id, Array(header.utf8)] + body
        try send(peer, raw: peer.envelope + frames, to: route, isQuiet: isQuiet)
    }

    // MARK: Waiting

    /// Waits until `found` gives something.
    @discardableResult
    func wait<Found>(_ what: String, within time: Duration? = nil, _ found: () throws -> Found?) throws -> Found {
        let begin = ContinuousClock.now
        let end = time.map { min(limit, begin.advanced(by: $0)) } ?? limit
        while true {
            try pump()
            if let value = try found() { return value }
            guard ContinuousClock.now < end else {
                let seconds = Double(begin.duration(to: .now).wholeMilliseconds) / 1000
                throw CaseEnd.failed("expected: \(what); found nothing of the kind in \(seconds) s")
            }
            try poll(until: end)
        }
    }

    /// The next message of `peer`, whatever it is.
    func next(_ peer: Peer, _ what: String, within time: Duration? = nil) throws -> Heard {
        try wait("\(peer.name) gets \(what)", within: time) { peer.inbox.isEmpty ? nil : peer.inbox.removeFirst() }
    }

    /// The next message of `peer`, which must have this verb and, where it is given, this id.
    @discardableResult
    func expect(
        _ peer: Peer,
        _ verb: String,
        id: [UInt8]? = nil,
        code: Int? = nil,
        within time: Duration? = nil
    ) throws -> Heard {
        let what = verb + (code.map { " \($0)" } ?? "") + (id.map { " with F2 \(FrameText.frame($0))" } ?? "")
        let heard = try next(peer, what, within: time)
        guard heard.verb == verb, id == nil || heard.id == id, code == nil || heard.int("code") == code else {
            throw CaseEnd.failed("expected: \(peer.name) gets \(what); found \(text(heard))")
        }
        return heard
    }

    /// Checks that nothing comes for a while.
    func expectNothing(_ peer: Peer, _ why: String, for time: Duration = .milliseconds(400)) throws {
        let end = min(limit, ContinuousClock.now.advanced(by: time))
        while true {
            try pump()
            if let heard = peer.inbox.first {
                throw CaseEnd.failed("expected: \(peer.name) gets nothing, \(why); found \(text(heard))")
            }
            guard ContinuousClock.now < end else { return }
            try poll(until: end)
        }
    }

    /// Lets time pass, taking in what comes.
    func pause(_ time: Duration) throws {
        let end = min(limit, ContinuousClock.now.advanced(by: time))
        while ContinuousClock.now < end {
            try pump()
            try poll(until: end)
        }
    }

    /// Fails the case unless `condition` holds.
    func check(_ condition: Bool, _ expected: @autoclosure () -> String) throws {
        guard condition else { throw CaseEnd.failed("expected: \(expected())") }
    }

    func text(_ heard: Heard) -> String { FrameText.describe(heard.frames, envelope: heard.envelope) }

    /// What happens with time; called in every turn.
    func turn() throws {}

    /// Takes in everything that has come.
    func pump() throws {
        try turn()
        for child in children { child.pump() }
        for peer in peers where peer.isReading {
            // A REQ that has asked nothing may not receive.
            while peer.socket.kind != .req || peer.awaitsAnswer, try peer.socket.receive(into: buffer) {
                peer.awaitsAnswer = false
                let frames = (0..<buffer.count).map { buffer.array(at: $0) }
                try take(Heard(frames, hasRoute: peer.isRouter, time: .now), peer)
            }
        }
        if let fault { throw CaseEnd.failed(fault) }
        if stop.isSet { throw CaseEnd.stopped }
    }

    private func take(_ heard: Heard, _ peer: Peer) throws {
        if heard.verb != "BEAT" { note("\(peer.name) ← \(text(heard))") }
        if let error = peer.fault(of: heard) {
            fault = fault ?? "expected: a well-formed message to \(peer.name); found \(text(heard)): \(error.message)"
        }
        if try peer.onMessage?(heard) != true { peer.inbox.append(heard) }
    }

    private func poll(until end: ContinuousClock.Instant) throws {
        var entries = peers.filter(\.isReading).map {
            pollfd(fd: $0.socket.descriptor, events: Int16(POLLIN), revents: 0)
        }
        for child in children {
            if let output = child.openOutput {
                entries.append(pollfd(fd: output, events: Int16(POLLIN), revents: 0))
            }
        }
        let left = ContinuousClock.now.duration(to: end).wholeMilliseconds
        let time = CInt(clamping: max(1, min(left, Int64(Self.pollMillisecondsMax))))
        unsafe Glibc.poll(&entries, nfds_t(entries.count), time)
    }
}
