import BusProtocol
import JSON

// What a broker makes of single messages.
extension BrokerCases {
    static let messages: [ConformanceCase<BrokerExam>] = [
        ConformanceCase("B1", "answers every malformed message of an agent ERROR of its code, with envelope and id") {
            exam in
            let agent = try exam.agent()
            for message in RefusedMessage.ofAgents + (try exam.vectors.map(RefusedMessage.list) ?? [])
            where !message.isFromWorker {
                exam.note("a message of an agent: \(message.name)")
                try exam.send(agent, raw: message.frames)
                try check(exam, try exam.next(agent, "ERROR \(message.code) (\(message.name))"), message)
            }
        },
        ConformanceCase("B2", "answers every malformed message of a worker ERROR of its code, with its id") { exam in
            let worker = try exam.worker()
            for message in RefusedMessage.ofWorkers + (try exam.vectors.map(RefusedMessage.list) ?? [])
            where message.isFromWorker {
                exam.note("a message of a worker: \(message.name)")
                try exam.send(worker.peer, raw: message.frames)
                try check(exam, try exam.next(worker.peer, "ERROR \(message.code) (\(message.name))"), message)
            }
        },
        ConformanceCase("B3", "goes on serving a connection after an ERROR, and its other requests") { exam in
            let agent = try exam.agent()
            let id = try exam.accepted(agent)
            try exam.send(agent, "FLY", id: Array("x".utf8))
            try exam.expect(agent, "ERROR", code: 501)
            try exam.checkServed(agent)
            let worker = try exam.worker(credit: 1)
            let job = try exam.job(worker, id: id)
            try exam.send(worker.peer, "FLY")
            try exam.expect(worker.peer, "ERROR", code: 501)
            try exam.go(worker, job)
            try exam.finish(worker, job)
            try exam.expect(agent, "REPLY", id: Array(id.utf8))
        },
        ConformanceCase("B4", "answers HELLO WELCOME, PING PONG with the same F2, BYE and TASK OK") { exam in
            for kind in [BrokerExam.AgentKind.attached, .lockStep(correlates: false)] {
                let agent = try exam.agent(kind)
                try exam.send(agent, "HELLO", header: #"{"client":"conform"}"#)
                let welcome = try exam.expect(agent, "WELCOME", id: [])
                try exam.check(
                    welcome.int("epoch") ?? 0 > 0 && welcome.int("dedup_ms") ?? 0 >= 3_600_000
                        && welcome.header["durabilities"]?.arrayValue?.isEmpty == false,
                    "WELCOME with epoch, dedup_ms of at least an hour and durabilities; found \(exam.text(welcome))"
                )
                for token in [[], [0, 255, 10], [UInt8](repeating: 0xFE, count: 128)] as [[UInt8]] {
                    try exam.send(agent, "PING", id: token)
                    try exam.expect(agent, "PONG", id: token)
                }
                let task = exam.newID()
                for header in [#"{"status":"completed"}"#, #"{"status":"completed"}"#] {
                    try exam.send(agent, "TASK", id: Array(task.utf8), header: header)
                    try exam.expect(agent, "OK", id: Array(task.utf8))
                }
                let failed = Array(exam.newID().utf8)
                try exam.send(agent, "TASK", id: failed, header: #"{"status":"failed","kind":"llm"}"#)
                try exam.expect(agent, "OK", id: failed)
                try exam.send(agent, "BYE")
                try exam.expect(agent, "OK", id: [])
                try exam.checkServed(agent)
            }
        },
        ConformanceCase("B5", "gives a lock-step message exactly one answer with its envelope, up to 7 frames of route")
        {
            exam in
            let worker = try exam.worker(credit: 3)
            let route = (1...7).map { [UInt8](repeating: UInt8($0), count: 20) } + [[]]
            for kind in [
                BrokerExam.AgentKind.lockStep(correlates: false), .lockStep(correlates: true), .proxied([[]]),
                .proxied(route),
            ] {
                let agent = try exam.agent(kind)
                try exam.checkServed(agent)
                let id = try exam.request(agent)
                try exam.grant(worker, 10)
                let job = try exam.job(worker, id: id)
                try exam.expectNothing(agent, "for a lock-step REQUEST is answered with the terminal only")
                try exam.go(worker, job)
                try exam.finish(worker, job)
                let reply = try exam.expect(agent, "REPLY", id: Array(id.utf8))
                if !agent.envelope.isEmpty {
                    try exam.check(
                        reply.envelope == agent.envelope,
                        "the envelope of the REQUEST, frame by frame; found \(exam.text(reply))"
                    )
                }
                let again = try exam.ask(agent, "GET", id)
                try exam.check(again.verb == "REPLY", "REPLY to GET; found \(exam.text(again))")
                try exam.ask(agent, "ACK", id, gets: "OK")
                try exam.expectNothing(agent, "for every message was answered", for: .milliseconds(100))
            }
        },
        ConformanceCase("B6", "answers a connection that set a routing id ERROR 403") { exam in
            let agent = try exam.agent(routingID: Array("me".utf8))
            try exam.send(agent, "PING", id: Array("token".utf8))
            try exam.expect(agent, "ERROR", code: 403)
            _ = try exam.request(agent)
            try exam.expect(agent, "ERROR", code: 403)
            let worker = try exam.workerConnection(routingID: Array("me".utf8))
            try exam.send(worker, "READY", header: #"{"name":"me","pid":1,"capacity":1}"#)
            try exam.expect(worker, "ERROR", code: 403)
        },
    ]

    private static func check(_ exam: BrokerExam, _ answer: Heard, _ message: RefusedMessage) throws {
        let isRight =
            answer.verb == "ERROR" && answer.int("code") == message.code && answer.id == message.id
            && answer.envelope == message.envelope
        let expected = FrameText.describe(
            [ProtocolVersion.bytes, Array("ERROR".utf8), message.id, Array(#"{"code":\#(message.code)}"#.utf8)],
            envelope: message.envelope
        )
        try exam.check(isRight, "(\(message.name)) \(expected); found \(exam.text(answer))")
        let names = ["symbol", "message", "retry", "billed"]
        try exam.check(
            names.allSatisfy { answer.string($0) != nil },
            "(\(message.name)) an error with \(names.joined(separator: ", ")); found \(exam.text(answer))"
        )
    }
}
