import CoreTypes
import EventLoop
import Glibc
import ZeroMQ

/// A broker's side of `agents.sock`, played by a test: answers each message as it is told, and notes what came.
actor ScriptedBroker {
    /// What is sent back to a message, in this order.
    struct Answer: Sendable {
        var verb: String
        var header: String
        var body: [String]

        init(_ verb: String, _ header: String = "", _ body: String...) {
            self.verb = verb
            self.header = header
            self.body = body
        }

        static let accepted = Answer("ACCEPTED", #"{"durability":"memory","duplicate":false}"#)
        static let running = Answer(
            "STATE",
            #"{"state":"running","deliveries":1,"attempts":2,"age_ms":3,"remaining_ms":4}"#
        )
        static let reply = Answer("REPLY", #"{"meta":null}"#, #"{"choices":[]}"#)
        static let cancelled = error("FAILURE", 499, "cancelled", #","class":"cancelled","meta":null"#)
        static let unknown = error("ERROR", 404, "unknown_request")
        static let gone = error("ERROR", 410, "gone")
        static let ok = Answer("OK")

        static func error(_ verb: String, _ code: Int, _ symbol: String, _ more: String = "") -> Answer {
            let advice = #""retry":"never","billed":"no""#
            return Answer(verb, #"{"code":\#(code),"symbol":"\#(symbol)","message":"a message",\#(advice)\#(more)}"#)
        }
    }

    /// Gives the answers to the nth message (from 1) with a verb.
    typealias Script = @Sendable (_ verb: String, _ count: Int) -> [Answer]

    nonisolated let loop: EventLoop
    nonisolated var unownedExecutor: UnownedSerialExecutor { unsafe loop.asUnownedSerialExecutor() }

    private let context: Context
    private let endpoint: String
    private var script: Script
    private var receiver: LoopSocket?
    private var counts: [String: Int] = [:]
    private var waiters: [(verb: String, count: Int, continuation: CheckedContinuation<Void, Never>)] = []

    /// Verbs of the messages that came since the broker was opened.
    private(set) var heard: [String] = []

    init(_ directory: TemporaryDirectory, _ script: @escaping Script) throws {
        context = try Context()
        endpoint = "ipc://\(directory.path)/agents.sock"
        self.script = script
        loop = try EventLoop(name: "scripted broker")
    }

    deinit { loop.shutDown() }

    /// Binds and answers.
    func open() throws {
        let socket = try Socket(context, .router, .broker)
        try socket.bind(endpoint)
        receiver = try LoopSocket(socket, on: loop) { self.receive($0) }
    }

    /// Ends every connection and forgets what came, as a broker that is started again with another script.
    func restart(_ script: @escaping Script) throws {
        close()
        self.script = script
        counts = [:]
        heard = []
        try open()
    }

    func close() {
        receiver?.detach()
        receiver?.socket.close()
        receiver = nil
    }

    /// Waits until so many messages with this verb have come.
    func hear(_ verb: String, times count: Int = 1) async {
        guard counts[verb, default: 0] < count else { return }
        await withCheckedContinuation { waiters.append((verb, count, $0)) }
    }

    private func receive(_ message: Multipart) {
        let frames = (0..<message.count).map { message.array(at: $0) }
        let verb = String(decoding: frames[2], as: UTF8.self)
        heard.append(verb)
        counts[verb, default: 0] += 1
        for answer in script(verb, counts[verb] ?? 0) {
            let head = [frames[0], Array("UBP/1".utf8), Array(answer.verb.utf8), frames[3], Array(answer.header.utf8)]
            let all = head + answer.body.map { Array($0.utf8) }
            do {
                _ = try receiver?.socket.send(all.map { Bytes($0) })
            } catch {
                preconditionFailure("\(error)")
            }
        }
        let ready = waiters.filter { counts[$0.verb, default: 0] >= $0.count }
        waiters.removeAll { counts[$0.verb, default: 0] >= $0.count }
        for waiter in ready { waiter.continuation.resume() }
    }
}

/// A directory of mode 0700 that goes with the object.
final class TemporaryDirectory: Sendable {
    let path: String

    init() {
        var template = Array("/tmp/understudy-test-XXXXXX".utf8CString)
        precondition(unsafe mkdtemp(&template) != nil)
        path = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }

    deinit {
        unsafe unlink("\(path)/agents.sock")
        unsafe rmdir(path)
    }
}
