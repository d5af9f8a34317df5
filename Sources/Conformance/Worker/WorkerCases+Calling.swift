import BusProtocol
import JSON

// Calls: none without GO, and what comes of them.
extension WorkerCases {
    static let calling: [ConformanceCase<WorkerExam>] = [
        ConformanceCase("W7", "sends START before the first HTTP byte of every attempt, and no byte before the GO") {
            exam in
            try exam.join()
            let key = try exam.deliver()
            let start = try exam.hearStart(key)
            try exam.expectNoCall(beyond: 0)
            try exam.go(start)
            try exam.hear("REPLY", key)
            try exam.check(exam.calls == 1, "1 call; found \(exam.calls)")
        },
        ConformanceCase("W8", "numbers attempts from first_attempt, each higher than the last") { exam in
            try exam.join()
            let key = try exam.deliver("fail-first-2", firstAttempt: 5)
            var last: UInt32 = 4
            for _ in 1...3 {
                let start = try exam.hearStart(key)
                try exam.check(
                    start.attempt > last && start.attempt - last <= 1000 && (last != 4 || start.attempt == 5),
                    "an attempt beyond \(last), the first one 5; found \(start)"
                )
                last = start.attempt
                try exam.go(start)
            }
            try exam.hear("REPLY", key)
        },
        ConformanceCase("W9", "names the lane in START: provider, model and a label for the key") { exam in
            try exam.join()
            let key = try exam.deliver()
            let start = try exam.hear("START", key)
            try exam.check(
                ["provider", "model", "key"].allSatisfy { start.string($0) != nil },
                "START with provider, model and key; found \(exam.text(start))"
            )
        },
        ConformanceCase("W10", "makes exactly one HTTP call for each GO") { exam in
            try exam.join()
            let key = try exam.deliver("fail-first-2")
            for count in 1...3 {
                let start = try exam.hearStart(key)
                try exam.expectNoCall(beyond: count - 1, for: .milliseconds(150))
                try exam.go(start)
                // The same GO again allows nothing more.
                try exam.go(start)
                try exam.expectCalls(count)
            }
            try exam.hear("REPLY", key)
            try exam.expectNoCall(beyond: 3, for: .milliseconds(200))
        },
        ConformanceCase("W11", "ends a good call in REPLY with meta, call record and chat completion") { exam in
            try exam.join()
            let key = try exam.deliver("fail-first-1")
            for _ in 1...2 { try exam.go(try exam.hearStart(key)) }
            let reply = try exam.hear("REPLY", key)
            try checkMeta(exam, reply, resolved: true, attempts: 2)
            let record = reply.body.first.flatMap { try? JSONValue(parsing: $0) }
            try exam.check(record?.objectValue != nil, "F4 an object, the call record; found \(exam.text(reply))")
            let completion = try? JSONValue(parsing: Array(reply.body.dropFirst().joined()))
            try exam.check(
                completion?["choices"]?[0]?["message"]?["content"]?.stringValue != nil,
                "F5.. a chat completion; found \(completion.map { "\($0)" } ?? "no JSON")"
            )
        },
        ConformanceCase("W12", "ends what no model answered in FAILURE with the error of the registry and meta") {
            exam in
            try exam.join()
            let key = try exam.deliver("status-401")
            try exam.go(try exam.hearStart(key))
            let failure = try exam.hear("FAILURE", key)
            try checkError(exam, failure, code: 607)
            try exam.check(
                failure.int("status") == 401 && failure.body.count == 1,
                "status 401 and F4 the call record; found \(exam.text(failure))"
            )
            try checkMeta(exam, failure, resolved: false, attempts: 1)
        },
        ConformanceCase("W13", "ends a body that is no chat request in FAILURE invalid_request without START") { exam in
            try exam.join()
            for body in ["{", "[]", #"{"model":5}"#] {
                let key = try exam.deliver(body: Array(body.utf8))
                try checkError(exam, try exam.hear("FAILURE", key), code: 610)
                try exam.acknowledge(key)
            }
            try exam.check(exam.calls == 0, "no call; found \(exam.calls)")
        },
        ConformanceCase("W14", "answers NOGO with RETURN (or its FAILURE) and makes no call") { exam in
            try exam.join()
            for reason in NoGoReason.allCases where reason != .wait {
                let key = try exam.deliver()
                try exam.noGo(try exam.hearStart(key), reason)
                let answer = try exam.hear("RETURN or FAILURE after NOGO \(reason)")
                try exam.check(
                    ["RETURN", "FAILURE"].contains(answer.verb) && answer.key?.wholeDelivery == key,
                    "RETURN or FAILURE of \(key); found \(exam.text(answer))"
                )
                if answer.verb == "FAILURE" { try exam.acknowledge(key) }
            }
            try exam.expectNoCall(beyond: 0)
        },
        ConformanceCase("W15", "after NOGO wait waits wait_ms and sends START again") { exam in
            try exam.join()
            let key = try exam.deliver()
            let start = try exam.hearStart(key)
            let begin = ContinuousClock.now
            try exam.noGo(start, .wait, wait: .milliseconds(700))
            let again = try exam.hear("START", key)
            let waited = begin.duration(to: again.time)
            try exam.check(waited >= .milliseconds(690), "START after wait_ms 700; found it after \(waited)")
            try exam.expectNoCall(beyond: 0, for: .milliseconds(200))
            if let key = again.key { try exam.go(key) }
            try exam.hear("REPLY", key)
        },
        ConformanceCase("W18", "closes the HTTP call on CANCEL, makes no further one, and answers") { exam in
            try exam.join()
            let called = try exam.deliver("silent")
            let waiting = try exam.deliver()
            try exam.go(try exam.hearStart(called))
            try exam.expectCalls(1)
            _ = try exam.hearStart(waiting)
            let before = exam.aborted
            for key in [called, waiting] {
                try exam.say(BrokerMessage.cancel(key, session: exam.session).encoded())
                let answer = try exam.hear("a terminal or RETURN")
                try exam.check(
                    ["FAILURE", "REPLY", "RETURN"].contains(answer.verb) && answer.key?.wholeDelivery == key,
                    "a terminal or RETURN of \(key); found \(exam.text(answer))"
                )
                if answer.verb != "RETURN" { try exam.acknowledge(key) }
            }
            try exam.wait("the end of the call's connection") { exam.aborted > before ? true : nil }
            try exam.expectNoCall(beyond: 1)
        },
        ConformanceCase("W27", "keeps the deadline: makes no call after remaining_ms and ends in FAILURE deadline") {
            exam in
            try exam.join()
            let key = try exam.deliver("silent", remaining: .seconds(1))
            try exam.go(try exam.hearStart(key))
            let before = exam.aborted
            try checkError(exam, try exam.hear("FAILURE", key), code: 504)
            try exam.wait("the end of the call's connection") { exam.aborted > before ? true : nil }
            try exam.expectNoCall(beyond: 1)
        },
    ]

    /// Checks the `meta` of a terminal.
    static func checkMeta(_ exam: WorkerExam, _ heard: Heard, resolved: Bool, attempts: Int) throws {
        let meta = heard.header["meta"]
        let numbers = ["retries", "fallbacks", "total_attempts", "deliveries", "waited_ms", "duration_ms"]
        try exam.check(
            (meta?["resolved_model"]?.stringValue != nil) == resolved && meta?["attempts"]?.intValue == attempts
                && numbers.allSatisfy { (meta?[$0]?.intValue ?? -1) >= 0 }
                && meta?["trail"]?.arrayValue?.count ?? 0 >= attempts,
            "meta with resolved_model \(resolved ? "set" : "null"), attempts \(attempts), "
                + numbers.joined(separator: ", ") + " and a trail; found \(meta.map { "\($0)" } ?? "none")"
        )
    }

    /// Checks the error in the header of a `FAILURE`.
    static func checkError(_ exam: WorkerExam, _ heard: Heard, code: Int) throws {
        let texts = ["symbol", "class", "message", "retry", "billed"]
        try exam.check(
            heard.int("code") == code && texts.allSatisfy { heard.string($0) != nil }
                && heard.string("symbol") == heard.string("class") && heard.header.contains("meta"),
            "FAILURE \(code) with \(texts.joined(separator: ", ")) and meta; found \(exam.text(heard))"
        )
    }
}
