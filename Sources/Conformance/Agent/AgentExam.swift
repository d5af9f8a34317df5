import BusProtocol
import CoreTypes
import Glibc
import JSON
import ZeroMQ

/// The stage of cases against an agent: the tester plays the broker and runs a program that asks.
///
/// The program is started as `COMMAND submit` with `UNDERSTUDY_DIR` set. It reads the body of a request from standard
/// input, puts it on the bus, prints what came of it and ends. Its output: a line with the verb, a blank and the header
/// as JSON; then the body. Its exit status: 0 for a `REPLY`, another for all else. When it gives up without an answer of
/// the broker it prints anything, and its exit status is not 0.
final class AgentExam: Exam {
    /// A request as the program should send it: with a key that no agent knows, and text beyond ASCII.
    static let body = Array(
        #"{"messages":[{"role":"user","content":"conformance: gr\u00fc\u00df dich, 世界"}],"x-unknown":[1,{"a":null}]}"#
            .utf8
    )
    static let completion = BrokerExam.completion
    static let meta = #""meta":{"resolved_model":"conform/none","attempts":1,"retries":0,"fallbacks":0}"#

    let directory: EndpointDirectory
    let command: [String]
    /// How long a program may take that waits for its own time-outs.
    let patience: Duration

    private(set) var broker: Peer?
    private var epoch = 1_790_000_000_000

    init(context: Context, stop: StopFlag, directory: EndpointDirectory, command: [String], patience: Duration) {
        self.directory = directory
        self.command = command
        self.patience = patience
        super.init(context: context, stop: stop)
    }

    override func begin(limit time: Duration) throws {
        try super.begin(limit: time)
        try bind()
    }

    override func end() {
        super.end()
        broker = nil
    }

    /// Binds the broker's socket, in place of the one before: what an agent sees of a broker that was started again.
    func bind() throws {
        unbind()
        let endpoint = try directory.endpoint("agents.sock")
        var options = SocketOptions.broker
        options.linger = .zero
        let socket = try Socket(context, .router, options)
        let peer = add(Peer("broker", socket, .agentToBroker))
        try wait("the broker's socket can be bound", within: .seconds(5)) {
            do throws(ZeroMQError) {
                try socket.bind(endpoint)
                return true
            } catch {
                return nil
            }
        }
        peer.onMessage = { [unowned self] heard in try self.serve(heard) }
        broker = peer
        epoch += 1000
    }

    /// Takes the broker away.
    func unbind() {
        if let old = broker { drop(old) }
        broker = nil
    }

    /// Answers what any agent may say at any time: it is no part of a case.
    private func serve(_ heard: Heard) throws -> Bool {
        switch heard.verb {
        case "HELLO":
            let header = #"{"epoch":\#(epoch),"dedup_ms":3600000,"durabilities":["memory"],"x-later":true}"#
            try answerIfThere(heard, "WELCOME", header: header)
        case "PING":
            try answerIfThere(heard, "PONG")
        case "BYE":
            byes += 1
            try answerIfThere(heard, "OK")
        case "TASK":
            try answerIfThere(heard, "OK")
        default:
            return false
        }
        return true
    }

    /// `BYE`s so far.
    private(set) var byes = 0

    // MARK: The program

    /// Starts the program with a request.
    func submit(_ body: [UInt8] = AgentExam.body) throws -> Child {
        let environment = ["UNDERSTUDY_DIR": directory.path]
        let child = add(
            try Child(Child.Command(words: command + ["submit"], environment: environment, input: body))
        )
        // What the program before said last is no part of this one.
        broker?.inbox = []
        note("\(command[0]) begins: pid \(child.pid)")
        return child
    }

    /// What a program said of the outcome.
    struct Outcome {
        let verb: String
        let header: JSONObject
        let body: [UInt8]
        let status: CInt
        let text: String
    }

    /// Waits for the program's end; what it sends meanwhile is answered, `ACK` with `OK`.
    func outcome(_ child: Child, within time: Duration = .seconds(30)) throws -> Outcome {
        let status = try wait("the end of the program", within: time) {
            try acknowledge()
            return child.status
        }
        note("the program ends with status \(status)")
        let lines = child.output.split(separator: UInt8(ascii: "\n"), maxSplits: 1, omittingEmptySubsequences: false)
        let first = String(decoding: lines.first ?? [], as: UTF8.self)
        let words = first.split(separator: " ", maxSplits: 1).map(String.init)
        let header = words.count == 2 ? (try? JSONValue(parsing: words[1]))?.objectValue : nil
        return Outcome(
            verb: words.first ?? "",
            header: header ?? JSONObject(),
            body: lines.count > 1 ? Array(lines[1]) : [],
            status: status,
            text: FrameText.printed(child.output)
        )
    }

    /// Checks that the program told of an outcome of this kind.
    func expect(_ outcome: Outcome, _ verb: String, code: Int? = nil) throws {
        // Both say that the request was not taken; a program need not tell them apart.
        let isRefused = ["REJECTED", "ERROR"].contains(verb) && ["REJECTED", "ERROR"].contains(outcome.verb)
        let isRight =
            (outcome.verb == verb || isRefused) && (outcome.status == 0) == (verb == "REPLY")
            && (code == nil || outcome.header["code"]?.intValue == code)
        try check(
            isRight,
            "the program prints \(verb)\(code.map { " with code \($0)" } ?? "") and ends with "
                + "\(verb == "REPLY" ? "0" : "another status than 0"); found status \(outcome.status) and "
                + outcome.text
        )
    }

    // MARK: What the agent says

    /// `ACK`s so far, by id.
    private(set) var acknowledged: [String: Int] = [:]

    /// Answers every `ACK` that has come.
    private func acknowledge() throws {
        guard let broker else { return }
        while let index = broker.inbox.firstIndex(where: { $0.verb == "ACK" }) {
            let heard = broker.inbox.remove(at: index)
            acknowledged[heard.idText, default: 0] += 1
            try answerIfThere(heard, "OK")
        }
    }

    /// The next message that is no `ACK`.
    func hear(_ what: String, within time: Duration? = nil) throws -> Heard {
        var endSeen: ContinuousClock.Instant?
        return try wait(what, within: time) {
            try acknowledge()
            guard let broker, !broker.inbox.isEmpty else {
                // A program that has ended sends nothing more; what it sent last may still be on its way.
                guard let child = children.last, let status = child.status else { return nil }
                endSeen = endSeen ?? .now
                guard let endSeen, endSeen.duration(to: .now) > .seconds(1) else { return nil }
                let text = FrameText.printed(child.output)
                throw CaseEnd.failed("expected: \(what); the program ended with status \(status) and printed \(text)")
            }
            return broker.inbox.removeFirst()
        }
    }

    /// The next `REQUEST`.
    func hearRequest(like first: Heard? = nil, within time: Duration? = nil) throws -> Heard {
        let heard = try hear("REQUEST", within: time)
        try check(heard.verb == "REQUEST", "REQUEST; found \(text(heard))")
        if let first { try checkSame(first, heard) }
        return heard
    }

    /// Checks that two messages are about the same work.
    func checkSame(_ first: Heard, _ second: Heard) throws {
        try check(
            second.id == first.id && (second.verb != "REQUEST" || second.joinedBody == first.joinedBody),
            "the same id and the same body as in \(text(first)); found \(text(second)), the body "
                + (second.joinedBody == first.joinedBody ? "the same" : "another")
        )
    }

    // MARK: What the broker says

    func answer(_ heard: Heard, _ verb: String, header: String = "", body: [[UInt8]] = []) throws {
        let frames = [ProtocolVersion.bytes, Array(verb.utf8), heard.id, Array(header.utf8)] + body
        try answer(heard, raw: frames)
    }

    /// Sends frames as they are to who sent `heard`.
    func answer(_ heard: Heard, raw frames: [[UInt8]]) throws {
        guard let broker else { return }
        do {
            try send(broker, raw: heard.envelope + frames, to: heard.route)
        } catch CaseEnd.failed(let text) {
            // Most likely the program has ended; its end may be noticed a moment later.
            try? pause(.milliseconds(300))
            guard let child = children.last, let status = child.status else { throw CaseEnd.failed(text) }
            let printed = FrameText.printed(child.output)
            throw CaseEnd.failed(
                "expected: the program waits for its answer; it ended with status \(status) and printed \(printed)"
            )
        }
    }

    /// Answers what the sender need not wait for.
    private func answerIfThere(_ heard: Heard, _ verb: String, header: String = "") throws {
        guard let broker else { return }
        let frames = [ProtocolVersion.bytes, Array(verb.utf8), heard.id, Array(header.utf8)]
        note("broker → \(FrameText.describe(frames, envelope: heard.envelope))")
        _ = try broker.socket.send(([heard.route] + heard.envelope + frames).map { Bytes($0) })
    }

    func accept(_ heard: Heard) throws {
        guard heard.envelope.isEmpty else { return }
        try answer(heard, "ACCEPTED", header: #"{"durability":"memory","duplicate":false}"#)
    }

    func reply(_ heard: Heard) throws {
        try answer(heard, "REPLY", header: "{\(Self.meta)}", body: [Self.completion])
    }

    func fail(
        _ heard: Heard,
        _ verb: String,
        _ code: Int,
        _ symbol: String,
        retry: String = "never",
        after milliseconds: Int? = nil
    ) throws {
        var members = #""code":\#(code),"symbol":"\#(symbol)","message":"played","retry":"\#(retry)","billed":"no""#
        if let milliseconds { members += #","retry_after_ms":\#(milliseconds)"# }
        if verb == "FAILURE" { members += #","class":"\#(symbol)","status":null,"model":null,"meta":null"# }
        try answer(heard, verb, header: "{\(members)}")
    }
}
