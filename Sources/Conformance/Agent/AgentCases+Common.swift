import BusProtocol
import Glibc
import JSON

// Cases of both kinds of agent.
extension AgentCases {
    static func identity(_ number: String) -> ConformanceCase<AgentExam> {
        ConformanceCase(number, "connects to agents.sock without a routing id of its own") { exam in
            let request = try served(exam)
            try exam.check(
                request.route.count == 5 && request.route[0] == 0,
                "a routing id of 5 bytes that libzmq made; found \(FrameText.frame(request.route))"
            )
        }
    }

    static func envelope(_ number: String) -> ConformanceCase<AgentExam> {
        ConformanceCase(number, "sends the envelope's empty frame before F0, and F0 is UBP/1") { exam in
            let request = try served(exam)
            try exam.check(
                request.envelope.last == [] && request.envelope.count <= 2,
                "one empty frame before F0, or REQ_CORRELATE's number and it; found \(exam.text(request))"
            )
        }
    }

    static func frames(_ number: String) -> ConformanceCase<AgentExam> {
        ConformanceCase(number, "sends F0 to F3 always, and F4.. only with REQUEST") { exam in
            // Every message is checked against the grammar as it comes.
            _ = try served(exam)
            try exam.pause(.milliseconds(200))
        }
    }

    static func ids(_ number: String) -> ConformanceCase<AgentExam> {
        ConformanceCase(number, "names each request with an id of the grammar, not beginning with sys.") { exam in
            let request = try served(exam)
            try exam.check(
                RequestID(request.idText)?.isReserved == false,
                "1 to 128 of A-Z a-z 0-9 . _ : -; found \(FrameText.frame(request.id))"
            )
        }
    }

    static func newIDs(_ number: String) -> ConformanceCase<AgentExam> {
        ConformanceCase(number, "uses a new id for each new request") { exam in
            let ids = Set(try (1...3).map { _ in try served(exam).idText })
            try exam.check(ids.count == 3, "3 ids in 3 runs; found \(ids.sorted())")
        }
    }

    static func randomIDs(_ number: String) -> ConformanceCase<AgentExam> {
        .advised(number, "uses ids with at least 64 random bits") { exam in
            let ids = try (1...3).map { _ in try served(exam).id }
            // 64 bits take 11 letters of an alphabet of 66; a sixteenth of them differs by chance.
            let counts = zip(ids, ids.dropFirst()).map { pair in zip(pair.0, pair.1).count { $0 != $1 } }
            try exam.check(
                ids.allSatisfy { $0.count >= 11 } && counts.allSatisfy { $0 >= 9 },
                "ids of 11 letters or more that differ in most; found \(ids.map { FrameText.frame($0) })"
            )
        }
    }

    static func header(_ number: String) -> ConformanceCase<AgentExam> {
        ConformanceCase(number, "sends a header that is empty or a JSON object within the limits of its verb") { exam in
            // Checked against the grammar as it comes, and once more for what a broker forgives.
            let request = try served(exam)
            try exam.check(
                request.headerBytes.count <= Limits.headerBytesMax
                    && (request.headerBytes.isEmpty || request.headerBytes.first == UInt8(ascii: "{")),
                "an object of at most 64 KiB; found \(exam.text(request))"
            )
        }
    }

    static func body(_ number: String) -> ConformanceCase<AgentExam> {
        ConformanceCase(number, "sends a body of 1 to 8 frames, at most 8 MiB, as it wants it answered") { exam in
            let request = try served(exam)
            let found = try? JSONValue(parsing: request.joinedBody)
            let given = try JSONValue(parsing: AgentExam.body)
            try exam.check(
                found == given,
                "the request that it was given, \(given); found \(found.map { "\($0)" } ?? "no JSON")"
            )
            let long = String(repeating: "long ", count: 400_000)
            let child = try exam.submit(Array(#"{"messages":[{"role":"user","content":"\#(long)"}]}"#.utf8))
            let large = try exam.hearRequest()
            // Read after the answer, because the program may not wait long.
            try exam.accept(large)
            try exam.reply(large)
            try exam.expect(try exam.outcome(child), "REPLY")
            let content = (try? JSONValue(parsing: large.joinedBody))?["messages"]?[0]?["content"]?.stringValue
            try exam.check(content == long, "a body of 2 MB unharmed; found \(large.joinedBody.count) bytes")
        }
    }

    static func outcomes(_ number: String) -> ConformanceCase<AgentExam> {
        ConformanceCase(
            number,
            "takes REPLY, FAILURE, REJECTED or ERROR as the answer, joins F4.., and tells which it was"
        ) {
            exam in
            let child = try exam.submit()
            let request = try exam.hearRequest()
            try exam.accept(request)
            let parts = [
                Array(AgentExam.completion.prefix(7)), Array(AgentExam.completion.dropFirst(7).prefix(20)),
                Array(AgentExam.completion.dropFirst(27)),
            ]
            try exam.answer(request, "REPLY", header: "{\(AgentExam.meta)}", body: parts)
            let outcome = try exam.outcome(child)
            try exam.expect(outcome, "REPLY")
            try checkCompletion(exam, outcome)
            for (verb, code, symbol) in [
                ("FAILURE", 607, "auth"), ("REJECTED", 501, "not_implemented"), ("ERROR", 409, "id_conflict"),
            ] {
                let child = try exam.submit()
                let request = try exam.hearRequest()
                try exam.fail(request, verb, code, symbol)
                try checkEnds(exam, child, verb, code)
            }
        }
    }

    static func acknowledges(_ number: String, isRequired: Bool) -> ConformanceCase<AgentExam> {
        let rule = isRequired ? "sends ACK after each terminal" : "sends ACK after REPLY and after FAILURE"
        let play: @Sendable (AgentExam) throws -> Void = { exam in
            for isReply in [true, false] {
                let child = try exam.submit()
                let request = try exam.hearRequest()
                try exam.accept(request)
                if isReply {
                    try exam.reply(request)
                } else {
                    try exam.fail(request, "FAILURE", 607, "auth")
                }
                _ = try exam.outcome(child)
                try exam.pause(.milliseconds(200))
                let count = (exam.broker?.inbox ?? []).count { $0.verb == "ACK" && $0.id == request.id }
                try exam.check(
                    exam.acknowledged[request.idText, default: 0] + count >= 1,
                    "ACK with the id of the \(isReply ? "REPLY" : "FAILURE"); found none"
                )
            }
        }
        return isRequired ? ConformanceCase(number, rule, play) : .advised(number, rule, play)
    }

    static func tolerance(_ number: String) -> ConformanceCase<AgentExam> {
        ConformanceCase(number, "ignores unknown members, null members and body frames that a verb does not have") {
            exam in
            let child = try exam.submit()
            let request = try exam.hearRequest()
            if request.envelope.isEmpty {
                let header = #"{"durability":"memory","duplicate":null,"x-later":{"a":[1,2]}}"#
                try exam.answer(request, "ACCEPTED", header: header, body: [Array("surplus".utf8)])
            }
            let header = #"{"x-later":[{}],\#(AgentExam.meta),"y":null}"#
            try exam.answer(request, "REPLY", header: header, body: [AgentExam.completion])
            try exam.expect(try exam.outcome(child), "REPLY")
            let second = try exam.submit()
            let failed = try exam.hearRequest()
            let failure = """
                {"code":607,"symbol":"auth","message":"played","retry":"never","billed":"no","class":"auth",\
                "status":null,"model":null,"provider_error":null,"meta":null,"retry_after_ms":null,"x-later":true}
                """
            try exam.answer(failed, "FAILURE", header: failure, body: [Array("surplus".utf8)])
            try exam.expect(try exam.outcome(second), "FAILURE", code: 607)
        }
    }

    static func retries(_ number: String) -> ConformanceCase<AgentExam> {
        ConformanceCase(number, "tries again after REJECTED or ERROR only as it says: same id and body, not too soon") {
            exam in
            let child = try exam.submit()
            let first = try exam.hearRequest()
            try exam.fail(first, "REJECTED", 429, "busy", retry: "same_id", after: 1500)
            let begin = ContinuousClock.now
            if let again = try nextTry(exam, child) {
                let pause = begin.duration(to: again.time)
                try exam.check(again.verb == "REQUEST", "REQUEST; found \(exam.text(again))")
                try exam.checkSame(first, again)
                try exam.check(
                    pause >= .milliseconds(1490),
                    "REQUEST after retry_after_ms 1500; found it after \(pause)"
                )
                try exam.accept(again)
                try exam.reply(again)
                try exam.expect(try exam.outcome(child), "REPLY")
            } else {
                try exam.expect(try exam.outcome(child), "REJECTED", code: 429)
            }
            for (verb, code, symbol) in [("REJECTED", 501, "not_implemented"), ("ERROR", 400, "malformed")] {
                let child = try exam.submit()
                try exam.fail(try exam.hearRequest(), verb, code, symbol)
                try checkEnds(exam, child, verb, code)
            }
        }
    }

    static func newTries(_ number: String) -> ConformanceCase<AgentExam> {
        ConformanceCase(number, "tries again after FAILURE only with a new id, and only if retry is new_id") { exam in
            let child = try exam.submit()
            let first = try exam.hearRequest()
            try exam.accept(first)
            try exam.fail(first, "FAILURE", 604, "server_error", retry: "new_id")
            if let again = try nextTry(exam, child) {
                try exam.check(
                    again.verb == "REQUEST" && again.id != first.id,
                    "REQUEST with a new id; found \(exam.text(again))"
                )
                child.end()
            } else {
                try exam.expect(try exam.outcome(child), "FAILURE", code: 604)
            }
            let second = try exam.submit()
            try exam.fail(try exam.hearRequest(), "FAILURE", 521, "poison")
            try checkEnds(exam, second, "FAILURE", 521)
        }
    }

    static func unknownCode(_ number: String) -> ConformanceCase<AgentExam> {
        ConformanceCase(number, "goes by retry and billed where it does not know code") { exam in
            let child = try exam.submit()
            try exam.fail(try exam.hearRequest(), "ERROR", 799, "from_tomorrow")
            try checkEnds(exam, child, "ERROR", 799)
        }
    }

    static func withoutBroker(_ number: String) -> ConformanceCase<AgentExam> {
        .advised(number, "ends soon and not well when no broker is there") { exam in
            exam.unbind()
            let child = try exam.submit()
            let outcome = try exam.outcome(child, within: exam.patience)
            try exam.check(outcome.status != 0, "a status other than 0; found 0 and \(outcome.text)")
        }
    }

    // MARK: Parts

    /// Runs the program once against a broker that answers, and gives its `REQUEST`.
    static func served(_ exam: AgentExam) throws -> Heard {
        let child = try exam.submit()
        let request = try exam.hearRequest()
        try exam.accept(request)
        try exam.reply(request)
        try exam.expect(try exam.outcome(child), "REPLY")
        return request
    }

    /// The next message of a program that may try again; nil when it ended.
    private static func nextTry(_ exam: AgentExam, _ child: Child) throws -> Heard? {
        let heard = try exam.wait("another try, or the end of the program", within: exam.patience) { () -> [Heard]? in
            if let index = exam.broker?.inbox.firstIndex(where: { $0.verb != "ACK" }), let broker = exam.broker {
                return [broker.inbox.remove(at: index)]
            }
            return child.status == nil ? nil : []
        }
        return heard.first
    }

    /// Checks that the program tells of an error and sends nothing more.
    static func checkEnds(_ exam: AgentExam, _ child: Child, _ verb: String, _ code: Int) throws {
        try exam.expect(try exam.outcome(child, within: exam.patience), verb, code: code)
        for heard in exam.broker?.inbox ?? [] where heard.verb == "REQUEST" || heard.verb == "GET" {
            throw CaseEnd.failed("expected: nothing more after \(verb) \(code); found \(exam.text(heard))")
        }
    }

    /// Checks that the program printed the completion it was sent, and nothing else.
    static func checkCompletion(_ exam: AgentExam, _ outcome: AgentExam.Outcome) throws {
        let printed = try? JSONValue(parsing: outcome.body)
        let given = try JSONValue(parsing: AgentExam.completion)
        try exam.check(printed == given, "the body of the REPLY, once; found \(outcome.text)")
    }
}
