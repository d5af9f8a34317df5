import BusProtocol
import JSON

/// What agents are examined for, in the order of `protocol/conformance.md`.
enum AgentCases {
    /// Agents with an envelope.
    static let lockStep: [ConformanceCase<AgentExam>] =
        [
            identity("L1"), envelope("L2"), frames("L3"), ids("L4"), newIDs("L5"), randomIDs("L6"), header("L7"),
            body("L8"),
            ConformanceCase("L9", "has at most one message without answer on a connection") { exam in
                let child = try exam.submit()
                let request = try exam.hearRequest()
                let end = ContinuousClock.now.advanced(by: .seconds(2))
                try exam.wait("the end of the time without answer") {
                    for heard in exam.broker?.inbox ?? [] where heard.route == request.route {
                        throw CaseEnd.failed(
                            "expected: nothing more on a connection that waits; found \(exam.text(heard))"
                        )
                    }
                    return ContinuousClock.now >= end ? true : nil
                }
                child.end()
            },
            outcomes("L10"),
            acknowledges("L11", isRequired: false),
            tolerance("L12"),
            ConformanceCase("L13", "after a time-out asks on a new connection by the same id, never under a new one") {
                exam in
                let child = try exam.submit()
                let request = try exam.hearRequest()
                let heard = try exam.wait("another message, or the end of the program", within: exam.patience) {
                    () -> [Heard]? in
                    if let first = exam.broker?.inbox.first { return [first] }
                    if child.status != nil { return [] }
                    return nil
                }
                guard let again = heard.first else {
                    let outcome = try exam.outcome(child)
                    try exam.check(
                        outcome.status != 0,
                        "a status other than 0 without an answer; found \(outcome.text)"
                    )
                    return
                }
                try exam.check(again.route != request.route, "a new connection; found the same: \(exam.text(again))")
                try exam.check(["GET", "REQUEST"].contains(again.verb), "GET or REQUEST; found \(exam.text(again))")
                try exam.checkSame(request, again)
                try exam.reply(again)
                try exam.expect(try exam.outcome(child), "REPLY")
            },
            retries("L14"), newTries("L15"), unknownCode("L16"),
            .unseen("L17", "does not use ZMQ_HEARTBEAT_IVL", "only the source can tell"),
            withoutBroker("L18"),
            .unseen("L19", "connects to the fallback in /tmp only if it is its user's alone", "takes a second user"),
        ]

    /// Agents without an envelope.
    static let full: [ConformanceCase<AgentExam>] =
        [
            ConformanceCase(
                "F1",
                "does what a lock-step agent does about ids, headers, bodies, retries and unknown members"
            ) {
                exam in
                // Each as a case of its own, so that a broken one is named; the processes of one are ended before the next.
                for part in [
                    identity("L1"), frames("L3"), ids("L4"), newIDs("L5"), header("L7"), body("L8"), outcomes("L10"),
                    tolerance("L12"), retries("L14"), newTries("L15"), unknownCode("L16"),
                ] {
                    exam.note("part \(part.number): \(part.rule)")
                    do {
                        try part.play(exam)
                    } catch CaseEnd.failed(let text) {
                        throw CaseEnd.failed("(\(part.number)) \(text)")
                    }
                    for child in exam.children { child.end() }
                    try exam.bind()
                }
            },
            ConformanceCase("F2", "sends no envelope: F0 is the first frame") { exam in
                let child = try exam.submit()
                let request = try exam.hearRequest()
                try exam.check(request.envelope.isEmpty, "no envelope; found \(exam.text(request))")
                try exam.accept(request)
                try exam.reply(request)
                try exam.expect(try exam.outcome(child), "REPLY")
            },
            .unseen("F3", "matches answers by F2 alone, in any order", "the program sends one request"),
            ConformanceCase("F4", "sends REQUEST again until it is answered: same id, same body, at most once a second")
            {
                exam in
                let child = try exam.submit()
                let first = try exam.hearRequest()
                var last = first
                for _ in 1...2 {
                    let again = try exam.hearRequest(like: first, within: exam.patience)
                    let pause = last.time.duration(to: again.time)
                    try exam.check(pause >= .milliseconds(950), "a second between them; found \(pause)")
                    last = again
                }
                try exam.accept(last)
                try exam.reply(last)
                try exam.expect(try exam.outcome(child), "REPLY")
            },
            ConformanceCase("F5", "after ACCEPTED takes silence for work: no REQUEST, GET at most every 5 s") { exam in
                let child = try exam.submit()
                let first = try exam.hearRequest()
                try exam.accept(first)
                var last: ContinuousClock.Instant?
                let end = ContinuousClock.now.advanced(by: .seconds(12))
                while ContinuousClock.now < end {
                    try exam.pause(.milliseconds(100))
                    guard let broker = exam.broker, !broker.inbox.isEmpty else { continue }
                    let heard = broker.inbox.removeFirst()
                    try exam.check(
                        heard.verb == "GET" && heard.id == first.id,
                        "GET of the same id; found \(exam.text(heard))"
                    )
                    if let last {
                        let pause = last.duration(to: heard.time)
                        try exam.check(pause >= .milliseconds(4900), "5 s between two GETs; found \(pause)")
                    }
                    last = heard.time
                    let state = #"{"state":"running","deliveries":1,"attempts":1,"age_ms":5,"remaining_ms":60000}"#
                    try exam.answer(heard, "STATE", header: state)
                }
                try exam.reply(first)
                try exam.expect(try exam.outcome(child), "REPLY")
            },
            ConformanceCase("F6", "after a lost connection sends REQUEST for what was not accepted, GET for what was") {
                exam in
                let child = try exam.submit()
                let first = try exam.hearRequest()
                try exam.bind()
                let second = try exam.hearRequest(like: first, within: exam.patience)
                try exam.accept(second)
                try exam.pause(.milliseconds(300))
                try exam.bind()
                let third = try exam.hear("GET of the same id", within: exam.patience)
                try exam.check(
                    third.verb == "GET" && third.id == first.id,
                    "GET of the same id; found \(exam.text(third))"
                )
                try exam.reply(third)
                try exam.expect(try exam.outcome(child), "REPLY")
            },
            ConformanceCase("F7", "takes a terminal that comes without ACCEPTED") { exam in
                let child = try exam.submit()
                try exam.reply(try exam.hearRequest())
                try exam.expect(try exam.outcome(child), "REPLY")
            },
            ConformanceCase("F8", "gives each request one outcome, however often answers come") { exam in
                let child = try exam.submit()
                let request = try exam.hearRequest()
                for _ in 1...2 { try exam.accept(request) }
                for _ in 1...3 { try exam.reply(request) }
                let outcome = try exam.outcome(child)
                try exam.expect(outcome, "REPLY")
                try checkCompletion(exam, outcome)
            },
            acknowledges("F9", isRequired: true),
            ConformanceCase("F10", "treats ERROR 404 of an accepted request as lost: the same REQUEST again") { exam in
                let child = try exam.submit()
                let first = try exam.hearRequest()
                try exam.accept(first)
                try exam.pause(.milliseconds(300))
                try exam.bind()
                let get = try exam.hear("GET", within: exam.patience)
                try exam.check(get.verb == "GET" && get.id == first.id, "GET; found \(exam.text(get))")
                try exam.fail(get, "ERROR", 404, "unknown_request", retry: "same_id")
                let again = try exam.hearRequest(like: first, within: exam.patience)
                try exam.accept(again)
                try exam.reply(again)
                try exam.expect(try exam.outcome(child), "REPLY")
            },
            ConformanceCase("F11", "treats ERROR 410 as the end: the request is not sent again") { exam in
                let child = try exam.submit()
                let request = try exam.hearRequest()
                try exam.fail(request, "ERROR", 410, "gone", retry: "new_id")
                try checkEnds(exam, child, "ERROR", 410)
            },
            ConformanceCase(
                "F12",
                "ignores messages about ids that it does not wait for, and CHUNKs it did not ask for"
            ) {
                exam in
                let child = try exam.submit()
                let request = try exam.hearRequest()
                try exam.accept(request)
                let foreign = Heard(
                    [request.route, ProtocolVersion.bytes, request.frames[1], Array("foreign".utf8), []],
                    hasRoute: true,
                    time: request.time
                )
                try exam.answer(request, "CHUNK", header: #"{"attempt":1,"seq":0}"#, body: [Array("piece".utf8)])
                try exam.reply(foreign)
                try exam.fail(foreign, "FAILURE", 604, "server_error")
                try exam.fail(foreign, "ERROR", 409, "id_conflict")
                try exam.pause(.milliseconds(300))
                try exam.check(child.status == nil, "the program still waits; found its end")
                try exam.reply(request)
                let outcome = try exam.outcome(child)
                try exam.expect(outcome, "REPLY")
                try checkCompletion(exam, outcome)
            },
            .unseen(
                "F13",
                "when CHUNKs come goes by attempt and seq, and takes the REPLY for the whole",
                "streaming is reserved"
            ),
            .unseen(
                "F14",
                "sends CANCEL when its user gives up, or documents that it does not",
                "only its documentation can tell"
            ),
            .unseen("F15", "takes whatever terminal answers a CANCEL", "the program does not cancel"),
            ConformanceCase("F16", "survives a message it cannot understand") { exam in
                let child = try exam.submit()
                let request = try exam.hearRequest()
                try exam.accept(request)
                try exam.answer(request, "FLY", header: #"{"x":1}"#)
                let id = request.id
                for frames in [
                    [Array("UBP/2".utf8), Array("REPLY".utf8), id, Array("{}".utf8), Array("{}".utf8)],
                    [ProtocolVersion.bytes, Array("STATE".utf8), id, Array("no JSON".utf8)],
                    [ProtocolVersion.bytes],
                ] { try exam.answer(request, raw: frames) }
                try exam.pause(.milliseconds(300))
                try exam.reply(request)
                try exam.expect(try exam.outcome(child), "REPLY")
            },
            .advised("F17", "sends BYE before it closes") { exam in
                let before = exam.byes
                let child = try exam.submit()
                let request = try exam.hearRequest()
                try exam.accept(request)
                try exam.reply(request)
                _ = try exam.outcome(child)
                try exam.pause(.milliseconds(300))
                try exam.check(exam.byes > before, "BYE; found none")
            },
            withoutBroker("F18"),
            .advised("F19", "lowers deadline_ms to what is left when REQUEST is repeated") { exam in
                let child = try exam.submit()
                let first = try exam.hearRequest()
                guard let deadline = first.int("deadline_ms") else {
                    throw CaseEnd.skipped("the program sends no deadline_ms")
                }
                let again = try exam.hearRequest(like: first, within: exam.patience)
                try exam.check(
                    again.int("deadline_ms") ?? .max < deadline,
                    "deadline_ms below \(deadline); found \(exam.text(again))"
                )
                child.end()
            },
        ]
}
