import BusProtocol
import JSON

// What a worker keeps, and what it lets go of.
extension WorkerCases {
    static let holding: [ConformanceCase<WorkerExam>] = [
        ConformanceCase("W16", "keeps its terminal until ACK, lists it in READY, sends it again when WELCOME says keep")
        {
            exam in
            try exam.join()
            let key = try exam.deliver()
            try exam.go(try exam.hearStart(key))
            let first = try exam.hear("REPLY", key)
            let ready = try exam.rejoin()
            try checkHeld(exam, ready, [(key, .finished, exam.body("ok"))])
            try exam.welcome(keep: [key])
            let second = try exam.hear("REPLY", key)
            try exam.check(second.frames == first.frames, "the same REPLY again; found \(exam.text(second))")
            try exam.acknowledge(key)
            try exam.expectNoCall(beyond: 1, for: .milliseconds(200))
        },
        ConformanceCase("W17", "forgets a delivery after the ACK of its terminal") { exam in
            try exam.join()
            try exam.work()
            let ready = try exam.rejoin()
            try exam.check(ready.held.isEmpty, "nothing held; found \(ready.held.map(\.key))")
        },
        ConformanceCase("W19", "drops JOB, GO, NOGO and CANCEL of another session") { exam in
            try exam.join()
            let foreign = SessionToken("another")
            _ = try exam.deliver(session: foreign, awaitsCredit: false)
            try exam.expectSilence("for the JOB is of another session")
            let key = try exam.deliver()
            let start = try exam.hearStart(key)
            try exam.go(start, session: foreign)
            try exam.say(
                BrokerMessage.noGo(start, session: foreign, reason: .superseded, wait: nil).encoded()
            )
            try exam.say(BrokerMessage.cancel(key, session: foreign).encoded())
            try exam.expectSilence("for GO, NOGO and CANCEL are of another session")
            try exam.check(exam.calls == 0, "no call; found \(exam.calls)")
            try exam.go(start)
            try exam.hear("REPLY", key)
        },
        ConformanceCase("W20", "on BEAT rejoin sends READY; on quiet grants nothing more until run") { exam in
            try exam.join()
            exam.order = "quiet"
            try exam.say("BEAT", header: #"{"state":"quiet"}"#)
            let before = exam.granted
            try exam.work()
            try exam.pause(.milliseconds(700))
            try exam.check(exam.granted == before, "granted_total \(before) while quiet; found \(exam.granted)")
            exam.order = "run"
            try exam.say("BEAT", header: #"{"state":"run"}"#)
            // It may keep a rise to itself while the broker has more than half of what could be granted.
            for _ in 1..<max(2, before) where exam.granted == before { try exam.work() }
            try exam.wait("CREDIT after run") { exam.granted > before ? true : nil }
            _ = try exam.rejoin()
        },
        ConformanceCase("W21", "reconnects after a lost connection and sends READY with everything it holds") { exam in
            try exam.join()
            let keys = try hold(exam)
            try exam.bind()
            let ready = try exam.hearReady()
            try checkHeld(
                exam,
                ready,
                [
                    (keys.calling, .calling, exam.body("ok+3000")), (keys.waiting, .waiting, exam.body("ok")),
                    (keys.finished, .finished, exam.body("ok+1")),
                ]
            )
        },
        ConformanceCase("W22", "lets go of what WELCOME does not keep, and makes no call for it") { exam in
            try exam.join()
            let keys = try hold(exam, calling: "silent")
            let before = exam.aborted
            _ = try exam.rejoin()
            try exam.welcome(drop: [keys.waiting])
            try exam.expectSilence("for nothing is kept")
            try exam.wait("the end of the call's connection") { exam.aborted > before ? true : nil }
            try exam.expectNoCall(beyond: 2, for: .milliseconds(200))
            let ready = try exam.rejoin()
            try exam.check(ready.held.isEmpty, "nothing held; found \(ready.held.map(\.key))")
        },
        ConformanceCase("W23", "on WELCOME keep goes on: a call to its end, an unanswered START by sending it again") {
            exam in
            try exam.join()
            let keys = try hold(exam)
            try exam.bind()
            let ready = try exam.hearReady()
            try exam.welcome(keep: ready.held.map(\.key))
            var missing: Set<DeliveryKey> = [keys.calling, keys.waiting, keys.finished]
            while !missing.isEmpty {
                let heard = try exam.hear("REPLYs of three deliveries, and one START")
                guard let key = heard.key else { throw CaseEnd.failed("expected: a key; found \(exam.text(heard))") }
                switch heard.verb {
                case "START":
                    try exam.check(
                        key.wholeDelivery == keys.waiting,
                        "START of \(keys.waiting); found \(exam.text(heard))"
                    )
                    try exam.go(key)
                case "REPLY":
                    missing.remove(key.wholeDelivery)
                    try exam.acknowledge(key)
                default:
                    throw CaseEnd.failed("expected: REPLY or START; found \(exam.text(heard))")
                }
            }
            try exam.expectNoCall(beyond: 3, for: .milliseconds(200))
        },
        ConformanceCase("W24", "answers a key in keep that it does not hold with RETURN") { exam in
            let ready = try exam.hearReady()
            let unknown = DeliveryKey(job: JobNumber(9_999_999), delivery: 1)
            try exam.welcome(keep: [unknown], drop: ready.held.map(\.key))
            try exam.hear("RETURN", unknown)
        },
        ConformanceCase("W25", "gives back with RETURN full what it has no room for") { exam in
            try exam.join()
            let count = exam.granted
            guard count <= 200 else { throw CaseEnd.skipped("a capacity of \(count); up to 200 can be filled here") }
            var keys: Set<DeliveryKey> = []
            for _ in 1...count { keys.insert(try exam.deliver()) }
            for _ in 1...count {
                let start = try exam.hear("START")
                try exam.check(start.verb == "START", "START; found \(exam.text(start))")
            }
            let surplus = try exam.deliver(awaitsCredit: false)
            let answer = try exam.hear("RETURN", surplus)
            try exam.check(answer.string("reason") == "full", "RETURN full; found \(exam.text(answer))")
        },
        ConformanceCase(
            "W28",
            "ignores unknown header members, surplus frames and unknown verbs; survives what it cannot read"
        ) {
            exam in
            let ready = try exam.hearReady()
            try exam.welcome(drop: ready.held.map(\.key))
            try exam.say("FLY", id: Array("x".utf8), header: "{}")
            try exam.say("HEALTH")
            try exam.say("REQUEST", id: Array("x".utf8), body: [Array("{}".utf8)])
            try exam.say("BEAT", header: #"{"state":"dance"}"#)
            try exam.say("BEAT", header: #"{"state":"run","x-later":{"deep":[1]}}"#, body: [Array("surplus".utf8)])
            try exam.say("GO", id: Array("short".utf8), header: "{}")
            try exam.say("ACK", id: DeliveryKey(job: JobNumber(9_999_999), delivery: 1).bytes)
            try exam.say("WELCOME", header: "no JSON")
            if let broker = exam.broker {
                for frames in [["UBP/2", "BEAT", "", ""], ["UBP/1"], ["hello", "", "", ""]] {
                    try exam.send(broker, raw: frames.map { Array($0.utf8) }, to: exam.route)
                }
            }
            try exam.expectSilence("for none of this asks for anything", for: .milliseconds(400))
            try exam.work()
        },
        ConformanceCase("W29", "after ERROR that names one of its terminals lets go of that delivery") { exam in
            try exam.join()
            let key = try exam.deliver()
            try exam.go(try exam.hearStart(key))
            let reply = try exam.hear("REPLY", key)
            try exam.refuse(reply)
            let ready = try exam.rejoin()
            try exam.check(ready.held.isEmpty, "nothing held; found \(ready.held.map(\.key))")
        },
        .advised("W31", "opens a new session when the broker was silent for lease_ms") { exam in
            let ready = try exam.hearReady()
            exam.order = nil
            try exam.welcome(drop: ready.held.map(\.key), lease: .seconds(1))
            _ = try exam.hearReady(within: .seconds(20))
        },
    ]

    /// Has the worker hold a running call, an unanswered START and a terminal without ACK.
    private static func hold(
        _ exam: WorkerExam,
        calling model: String = "ok+3000"
    ) throws -> (calling: DeliveryKey, waiting: DeliveryKey, finished: DeliveryKey) {
        let finished = try exam.deliver("ok+1")
        try exam.go(try exam.hearStart(finished))
        try exam.hear("REPLY", finished)
        let waiting = try exam.deliver("ok")
        _ = try exam.hearStart(waiting)
        let calling = try exam.deliver(model)
        try exam.go(try exam.hearStart(calling))
        try exam.expectCalls(2)
        return (calling, waiting, finished)
    }

    /// Checks what `READY` lists.
    private static func checkHeld(
        _ exam: WorkerExam,
        _ ready: WorkerReady,
        _ expected: [(key: DeliveryKey, state: WorkerReady.Held.State, body: [UInt8])]
    ) throws {
        func line(_ key: DeliveryKey, _ state: WorkerReady.Held.State, _ hash: BodyHash) -> String {
            "\(key.wholeDelivery) \(state) \("\(hash)".prefix(8))"
        }
        let wanted = expected.map { line($0.key, $0.state, SHA256.hash($0.body)) }.sorted()
        let found = ready.held.map { line($0.key, $0.state, $0.bodyHash) }.sorted()
        try exam.check(wanted == found, "READY with \(wanted) (key, state, SHA-256 of the body); found \(found)")
    }
}
