import BusProtocol
import JSON

// From REQUEST to terminal.
extension BrokerCases {
    static let requests: [ConformanceCase<BrokerExam>] = [
        ConformanceCase("B7", "answers REQUEST of an attached agent ACCEPTED, then the terminal, in that order") {
            exam in
            let agent = try exam.agent()
            let worker = try exam.worker(credit: 2)
            let id = try exam.request(agent)
            let accepted = try exam.expect(agent, "ACCEPTED", id: Array(id.utf8))
            try exam.check(
                ["memory", "disk"].contains(accepted.string("durability"))
                    && accepted.header["duplicate"]?.boolValue != true,
                "ACCEPTED that names the durability and is no duplicate; found \(exam.text(accepted))"
            )
            let job = try exam.job(worker, id: id)
            try exam.check(
                job.key.attempt == 0 && job.key.delivery == 1 && job.header.firstAttempt == 1
                    && job.header.remaining <= .seconds(1800) && job.header.lost.isEmpty,
                "JOB of delivery 1 with attempt 0 in the key and first_attempt 1; found \(job.key), \(job.header)"
            )
            try exam.go(worker, job)
            try exam.fail(worker, job.key)
            try exam.expect(worker.peer, "ACK", id: job.key.bytes)
            try exam.expect(agent, "FAILURE", id: Array(id.utf8), code: 604)
            try exam.checkServed(agent)
        },
        ConformanceCase(
            "B8",
            "hands bodies on byte for byte and frame by frame, and the terminal's header byte for byte"
        ) {
            exam in
            let agent = try exam.agent()
            let worker = try exam.worker(credit: 1)
            let body = [BrokerExam.body, [], [0, 1, 254, 255], [UInt8](repeating: 0x20, count: 3 << 20)]
            let id = try exam.accepted(agent, body: body)
            let job = try exam.job(worker, id: id)
            try exam.check(
                job.body == body,
                "the body in frames of \(body.map(\.count)) bytes; found \(job.body.map(\.count))"
            )
            try exam.go(worker, job)
            let answer = [BrokerExam.completion, [UInt8](repeating: 0x20, count: 100_000), [255]]
            try exam.reply(worker, job.key, body: answer)
            let reply = try exam.expect(agent, "REPLY", id: Array(id.utf8))
            try exam.check(
                reply.body == answer && reply.headerBytes == Array(BrokerExam.replyHeader.utf8),
                "the worker's header and F5.. as they were; found \(exam.text(reply))"
            )
        },
        ConformanceCase("B9", "answers the same id with the same body ACCEPTED duplicate, and makes no second JOB") {
            exam in
            let agent = try exam.agent()
            let worker = try exam.worker(credit: 5)
            let id = try exam.accepted(agent)
            let job = try exam.job(worker, id: id)
            for body in [[BrokerExam.body], [Array(BrokerExam.body.prefix(9)), Array(BrokerExam.body.dropFirst(9))]] {
                _ = try exam.request(agent, id: id, header: #"{"priority":9}"#, body: body)
                let again = try exam.expect(agent, "ACCEPTED", id: Array(id.utf8))
                try exam.check(
                    again.header["duplicate"]?.boolValue == true,
                    "ACCEPTED with duplicate true; found \(exam.text(again))"
                )
            }
            try exam.expectNothing(worker.peer, "for the request was delivered already")
            try exam.go(worker, job)
            try exam.finish(worker, job)
            try exam.expect(agent, "REPLY", id: Array(id.utf8))
            _ = try exam.request(agent, id: id)
            let again = try exam.expect(agent, "ACCEPTED", id: Array(id.utf8))
            try exam.check(again.header["duplicate"]?.boolValue == true, "duplicate true; found \(exam.text(again))")
            try exam.expect(agent, "REPLY", id: Array(id.utf8))
            try exam.expectNothing(worker.peer, "for the request has ended")
        },
        ConformanceCase("B10", "answers the same id with another body ERROR 409: open, ended or remembered") { exam in
            let agent = try exam.agent()
            let other = [Array(#"{"messages":[]}"#.utf8)]
            let id = try exam.accepted(agent)
            _ = try exam.request(agent, id: id, body: other)
            try exam.expect(agent, "ERROR", id: Array(id.utf8), code: 409)
            try exam.ask(agent, "CANCEL", id, gets: "FAILURE", code: 499)
            _ = try exam.request(agent, id: id, body: other)
            try exam.expect(agent, "ERROR", id: Array(id.utf8), code: 409)
            try exam.ask(agent, "ACK", id, gets: "OK")
            _ = try exam.request(agent, id: id, body: other)
            try exam.expect(agent, "ERROR", id: Array(id.utf8), code: 409)
        },
        ConformanceCase("B11", "keeps the terminal until ACK and sends it to everyone who asks") { exam in
            let agent = try exam.agent()
            let worker = try exam.worker(credit: 1)
            let id = try exam.accepted(agent)
            let job = try exam.job(worker, id: id)
            try exam.go(worker, job)
            try exam.finish(worker, job)
            let first = try exam.expect(agent, "REPLY", id: Array(id.utf8))
            for kind in [BrokerExam.AgentKind.attached, .lockStep(correlates: false)] {
                let other = try exam.agent(kind)
                for verb in ["GET", "CANCEL"] {
                    let again = try exam.ask(other, verb, id)
                    try exam.check(
                        again.frames == first.frames,
                        "the same REPLY to \(verb); found \(exam.text(again))"
                    )
                }
            }
            let other = try exam.agent(.lockStep(correlates: false))
            _ = try exam.request(other, id: id)
            try exam.expect(other, "REPLY", id: Array(id.utf8))
        },
        ConformanceCase("B12", "after ACK answers a second ACK OK, and REQUEST, GET and CANCEL ERROR 410") { exam in
            let agent = try exam.agent()
            let id = try exam.accepted(agent)
            try exam.ask(agent, "CANCEL", id, gets: "FAILURE", code: 499)
            try exam.ask(agent, "ACK", id, gets: "OK")
            try exam.ask(agent, "ACK", id, gets: "OK")
            try exam.ask(agent, "GET", id, gets: "ERROR", code: 410)
            try exam.ask(agent, "CANCEL", id, gets: "ERROR", code: 410)
            _ = try exam.request(agent, id: id)
            try exam.expect(agent, "ERROR", id: Array(id.utf8), code: 410)
            let worker = try exam.worker(credit: 1)
            try exam.expectNothing(worker.peer, "for the request is over")
        },
        ConformanceCase("B13", "answers GET, CANCEL and ACK of an unknown id ERROR 404, ACK before the terminal 405") {
            exam in
            for kind in [BrokerExam.AgentKind.attached, .lockStep(correlates: false)] {
                let agent = try exam.agent(kind)
                for verb in ["GET", "CANCEL", "ACK"] {
                    try exam.ask(agent, verb, exam.newID(), gets: "ERROR", code: 404)
                }
            }
            let agent = try exam.agent()
            let id = try exam.accepted(agent)
            try exam.ask(agent, "ACK", id, gets: "ERROR", code: 405)
        },
        ConformanceCase(
            "B14",
            "answers GET of an open request: lock-step after wait_ms or with the terminal, attached at once"
        ) {
            exam in
            let agent = try exam.agent()
            let id = try exam.accepted(agent)
            let lockStep = try exam.agent(.lockStep(correlates: false))
            let now = try exam.ask(lockStep, "GET", id)
            try exam.check(now.verb == "STATE", "STATE at once; found \(exam.text(now))")
            let begin = ContinuousClock.now
            let later = try exam.ask(lockStep, "GET", id, header: #"{"wait_ms":600}"#)
            let waited = begin.duration(to: later.time)
            try exam.check(
                later.verb == "STATE" && waited >= .milliseconds(590),
                "STATE after wait_ms 600; found \(exam.text(later)) after \(waited)"
            )
            let attached = try exam.agent()
            let state = try exam.ask(attached, "GET", id)
            try exam.check(state.verb == "STATE", "STATE at once; found \(exam.text(state))")
            try exam.send(lockStep, "GET", id: Array(id.utf8), header: #"{"wait_ms":60000}"#)
            let worker = try exam.worker(credit: 1)
            let job = try exam.job(worker, id: id)
            try exam.go(worker, job)
            try exam.expectNothing(lockStep, "for the terminal is not there yet", for: .milliseconds(200))
            try exam.finish(worker, job)
            for peer in [agent, attached, lockStep] { try exam.expect(peer, "REPLY", id: Array(id.utf8)) }
        },
        ConformanceCase("B15", "tells queued, leased and running truly in STATE") { exam in
            let agent = try exam.agent()
            let asker = try exam.agent(.lockStep(correlates: false))
            let id = try exam.accepted(agent)
            func expectState(_ word: String, deliveries: Int, attempts: Int) throws {
                let state = try exam.ask(asker, "GET", id)
                try exam.check(
                    state.verb == "STATE" && state.string("state") == word && state.int("deliveries") == deliveries
                        && state.int("attempts") == attempts && state.int("age_ms") != nil
                        && (1...1_800_000).contains(state.int("remaining_ms") ?? 0),
                    "STATE \(word) with deliveries \(deliveries) and attempts \(attempts); found \(exam.text(state))"
                )
            }
            try expectState("queued", deliveries: 0, attempts: 0)
            let worker = try exam.worker(credit: 1)
            let job = try exam.job(worker, id: id)
            try expectState("leased", deliveries: 1, attempts: 0)
            try exam.go(worker, job)
            try expectState("running", deliveries: 1, attempts: 1)
            try exam.go(worker, job, attempt: job.header.firstAttempt + 1)
            try expectState("running", deliveries: 1, attempts: 2)
        },
    ]
}
