import BusProtocol

// Ends of requests that no model brought about.
extension BrokerCases {
    static let endings: [ConformanceCase<BrokerExam>] = [
        ConformanceCase("B16", "ends a request on CANCEL, tells the worker, and drops (and ACKs) a later REPLY") {
            exam in
            let agent = try exam.agent()
            let worker = try exam.worker(capacity: 1, credit: 1)
            let id = try exam.accepted(agent)
            let job = try exam.job(worker, id: id)
            try exam.go(worker, job)
            let canceller = try exam.agent(.lockStep(correlates: false))
            try exam.ask(canceller, "CANCEL", id, gets: "FAILURE", code: 499)
            try exam.expect(agent, "FAILURE", id: Array(id.utf8), code: 499)
            let order = try exam.expect(worker.peer, "CANCEL", id: job.key.wholeDelivery.bytes)
            try exam.check(
                order.string("session") == worker.welcome?.session.text,
                "CANCEL with the worker's session; found \(exam.text(order))"
            )
            try exam.grant(worker, 2)
            let next = try exam.accepted(agent)
            try exam.expectNothing(worker.peer, "for the cancelled delivery takes up its only place")
            try exam.finish(worker, job)
            _ = try exam.job(worker, id: next)
            let again = try exam.ask(canceller, "GET", id)
            try exam.check(
                again.verb == "FAILURE" && again.int("code") == 499,
                "FAILURE 499, for the broker's order decides; found \(exam.text(again))"
            )
            try exam.checkServed(agent)
        },
        ConformanceCase("B17", "answers CANCEL of an ended request with its terminal") { exam in
            let agent = try exam.agent()
            let worker = try exam.worker(credit: 1)
            let id = try exam.accepted(agent)
            let job = try exam.job(worker, id: id)
            try exam.go(worker, job)
            try exam.finish(worker, job)
            try exam.expect(agent, "REPLY", id: Array(id.utf8))
            try exam.ask(agent, "CANCEL", id, gets: "REPLY")
        },
        ConformanceCase("B18", "ends a request at its deadline, and gives no GO after it") { exam in
            let agent = try exam.agent()
            let worker = try exam.worker(capacity: 1, credit: 1)
            let begin = ContinuousClock.now
            let leased = try exam.accepted(agent, header: #"{"deadline_ms":1000}"#)
            let job = try exam.job(worker, id: leased)
            try exam.go(worker, job)
            let queued = try exam.accepted(agent, header: #"{"deadline_ms":1000}"#)
            try exam.expect(agent, "FAILURE", id: Array(queued.utf8), code: 504)
            let time = begin.duration(to: .now)
            try exam.check(
                time >= .milliseconds(950),
                "FAILURE deadline not before the deadline; found it after \(time)"
            )
            let late = DeliveryKey(job: job.key.job, delivery: 1, attempt: job.header.firstAttempt + 1)
            try exam.noGo(worker, late, "expired")
            // A second for the worker's own account, and what a busy machine takes.
            try exam.expect(agent, "FAILURE", id: Array(leased.utf8), code: 504, within: .seconds(10))
        },
        ConformanceCase("B19", "cancels on the end of a connection only if cancel_on_disconnect was set, BYE included")
        { exam in
            let asker = try exam.agent(.lockStep(correlates: false))
            let kept = try exam.agent()
            let stays = try exam.accepted(kept)
            let leaving = try exam.agent()
            let goes = try exam.accepted(leaving, header: #"{"cancel_on_disconnect":true}"#)
            let polite = try exam.agent()
            let said = try exam.accepted(polite, header: #"{"cancel_on_disconnect":true}"#)
            exam.drop(kept)
            exam.drop(leaving)
            try exam.send(polite, "BYE")
            try exam.expect(polite, "OK")
            for id in [goes, said] {
                let end = try exam.ask(asker, "GET", id, header: #"{"wait_ms":20000}"#)
                try exam.check(
                    end.verb == "FAILURE" && end.int("code") == 499,
                    "FAILURE 499 after the connection ended; found \(exam.text(end))"
                )
            }
            let open = try exam.ask(asker, "GET", stays)
            try exam.check(open.verb == "STATE", "STATE, for nobody asked for a cancel; found \(exam.text(open))")
        },
        ConformanceCase("B20", "sends a terminal once to each live connection that asked") { exam in
            let agents = try (1...3).map { _ in try exam.agent() }
            let id = try exam.accepted(agents[0])
            _ = try exam.accepted(agents[1], id: id)
            let state = try exam.ask(agents[2], "GET", id)
            try exam.check(state.verb == "STATE", "STATE; found \(exam.text(state))")
            // Asking twice makes no second terminal.
            _ = try exam.ask(agents[2], "GET", id)
            let worker = try exam.worker(credit: 1)
            let job = try exam.job(worker, id: id)
            try exam.go(worker, job)
            try exam.finish(worker, job)
            for agent in agents {
                try exam.expect(agent, "REPLY", id: Array(id.utf8))
                try exam.checkServed(agent)
            }
        },
        ConformanceCase("B21", "forgets a terminal after ttl_ms") { exam in
            let agent = try exam.agent()
            let id = try exam.accepted(agent, header: #"{"ttl_ms":1000}"#)
            try exam.ask(agent, "CANCEL", id, gets: "FAILURE", code: 499)
            try exam.ask(agent, "GET", id, gets: "FAILURE", code: 499)
            try exam.wait("GET answered 410 after the ttl of 1 s", within: .seconds(15)) {
                try exam.pause(.milliseconds(200))
                let answer = try exam.ask(agent, "GET", id)
                return answer.verb == "ERROR" && answer.int("code") == 410 ? true : nil
            }
        },
    ]
}
