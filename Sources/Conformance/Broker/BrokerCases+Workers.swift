import BusProtocol

// Sessions, credit and the money rule.
extension BrokerCases {
    static let workers: [ConformanceCase<BrokerExam>] = [
        ConformanceCase("B22", "answers READY WELCOME, with a new session each time") { exam in
            let worker = try exam.worker()
            let first = worker.welcome
            let second = try exam.ready(worker)
            try exam.check(first?.session != second.session, "another session after the second READY; found the same")
            try exam.check(
                second.epoch > 0 && second.beatInterval > .zero && second.lease > second.beatInterval,
                "WELCOME with epoch, beat_ms and a longer lease_ms; found \(second)"
            )
            let agent = try exam.agent()
            try exam.send(agent, "HELLO")
            let welcome = try exam.expect(agent, "WELCOME")
            try exam.check(
                welcome.int("epoch") == Int(second.epoch),
                "the same epoch for agents and workers, \(second.epoch); found \(exam.text(welcome))"
            )
        },
        ConformanceCase("B23", "sends no JOB beyond granted_total, and none beyond the capacity less what is held") {
            exam in
            let agent = try exam.agent()
            let worker = try exam.worker(capacity: 2)
            for _ in 1...4 { _ = try exam.accepted(agent) }
            try exam.expectNothing(worker.peer, "for no CREDIT was given")
            try exam.grant(worker, 1)
            let first = try exam.job(worker)
            try exam.grant(worker, 1)
            try exam.expectNothing(worker.peer, "for granted_total is still 1")
            try exam.grant(worker, 100)
            _ = try exam.job(worker)
            try exam.expectNothing(worker.peer, "for two deliveries are all that a capacity of 2 holds")
            try exam.go(worker, first)
            try exam.finish(worker, first)
            _ = try exam.job(worker)
            try exam.expectNothing(worker.peer, "for the place of the first delivery is taken again")
        },
        ConformanceCase("B24", "answers a smaller granted_total ERROR 405 and goes on with the old") { exam in
            let agent = try exam.agent()
            let worker = try exam.worker(credit: 2)
            try exam.grant(worker, 1)
            try exam.expect(worker.peer, "ERROR", code: 405)
            for _ in 1...3 { _ = try exam.accepted(agent) }
            _ = try exam.job(worker)
            _ = try exam.job(worker)
            try exam.expectNothing(worker.peer, "for granted_total is 2")
        },
        ConformanceCase("B25", "answers START of the current delivery GO, the same START again the same GO") { exam in
            let agent = try exam.agent()
            let worker = try exam.worker(credit: 1)
            let job = try exam.job(worker, id: try exam.accepted(agent))
            try exam.go(worker, job)
            try exam.go(worker, job)
            try exam.go(worker, job, attempt: 4)
            try exam.go(worker, job, attempt: 4)
        },
        ConformanceCase("B26", "answers START of what may not begin NOGO: superseded, cancelled or ended") { exam in
            let agent = try exam.agent()
            let worker = try exam.worker(credit: 3)
            let other = try exam.worker()
            let id = try exam.accepted(agent)
            let job = try exam.job(worker, id: id)
            func key(_ delivery: UInt32, _ attempt: UInt32, job number: JobNumber? = nil) -> DeliveryKey {
                DeliveryKey(job: number ?? job.key.job, delivery: delivery, attempt: attempt)
            }
            try exam.noGo(other, key(1, 1), "superseded")
            try exam.noGo(worker, key(2, 1), "superseded")
            try exam.noGo(worker, key(1, 1, job: JobNumber(.max)), "superseded")
            try exam.noGo(worker, key(1, 2000), "superseded")
            try exam.go(worker, job, attempt: 2)
            try exam.noGo(worker, key(1, 1), "superseded")
            try exam.ask(agent, "CANCEL", id, gets: "FAILURE", code: 499)
            try exam.expect(worker.peer, "CANCEL")
            try exam.noGo(worker, key(1, 3), "cancelled")
            try exam.giveBack(worker, job.key, "nogo")
            let second = try exam.job(worker, id: try exam.accepted(agent))
            try exam.go(worker, second)
            try exam.finish(worker, second)
            try exam.expect(agent, "REPLY")
            try exam.noGo(worker, key(1, 9, job: second.key.job), "ended")
            let third = try exam.job(worker, id: try exam.accepted(agent))
            try exam.giveBack(worker, third.key, "full")
            try exam.noGo(worker, key(1, 1, job: third.key.job), "superseded")
        },
        ConformanceCase("B27", "takes no REPLY of a delivery without GO: ERROR 405, ACK, and the request goes on") {
            exam in
            let agent = try exam.agent()
            let worker = try exam.worker(credit: 2)
            let id = try exam.accepted(agent)
            let job = try exam.job(worker, id: id)
            try exam.reply(worker, job.key)
            try exam.expect(worker.peer, "ERROR", id: job.key.bytes, code: 405)
            try exam.expect(worker.peer, "ACK", id: job.key.bytes)
            let again = try exam.job(worker, id: id)
            try exam.check(again.key.delivery == 2, "delivery 2; found \(again.key)")
            try exam.checkServed(agent)
        },
        ConformanceCase("B28", "takes a FAILURE without GO") { exam in
            let agent = try exam.agent()
            let worker = try exam.worker(credit: 1)
            let id = try exam.accepted(agent, body: [Array("{".utf8)])
            let job = try exam.job(worker, id: id)
            try exam.fail(worker, job.key, code: 610, symbol: "invalid_request")
            try exam.expect(worker.peer, "ACK", id: job.key.bytes)
            try exam.expect(agent, "FAILURE", id: Array(id.utf8), code: 610)
        },
        ConformanceCase(
            "B29",
            "sends ACK for every terminal of a worker, also for one that nobody wants; the first one wins"
        ) {
            exam in
            let agent = try exam.agent()
            let worker = try exam.worker(credit: 1)
            let id = try exam.accepted(agent)
            let job = try exam.job(worker, id: id)
            try exam.go(worker, job)
            try exam.finish(worker, job)
            try exam.fail(worker, job.key)
            try exam.expect(worker.peer, "ACK", id: job.key.bytes)
            try exam.finish(worker, job)
            let unknown = DeliveryKey(job: JobNumber(.max), delivery: 1)
            try exam.reply(worker, unknown)
            try exam.expect(worker.peer, "ACK", id: unknown.bytes)
            try exam.expect(agent, "REPLY", id: Array(id.utf8))
            try exam.checkServed(agent)
            try exam.ask(agent, "GET", id, gets: "REPLY")
        },
        ConformanceCase("B30", "gives out again what was RETURNed without GO, with the delivery one higher") { exam in
            let agent = try exam.agent()
            let worker = try exam.worker(credit: 2)
            let id = try exam.accepted(agent)
            let first = try exam.job(worker, id: id)
            try exam.giveBack(worker, first.key, "nogo")
            let second = try exam.job(worker, id: id)
            try exam.check(
                second.key == DeliveryKey(job: first.key.job, delivery: 2) && second.header.firstAttempt == 1,
                "delivery 2 of the same job with first_attempt 1; found \(second.key), \(second.header)"
            )
            try exam.giveBack(worker, second.key, "full")
            try exam.expectNothing(
                worker.peer,
                "for the worker is full until its next CREDIT or a beat",
                for: .milliseconds(100)
            )
            try exam.grant(worker, 3)
            let third = try exam.job(worker, id: id)
            try exam.giveBack(worker, third.key, "draining")
            try exam.grant(worker, 9)
            try exam.expectNothing(worker.peer, "for it takes nothing more in this session")
            let other = try exam.worker(credit: 1)
            let fourth = try exam.job(other, id: id)
            try exam.go(other, fourth)
            try exam.finish(other, fourth)
            try exam.expect(agent, "REPLY", id: Array(id.utf8))
        },
        ConformanceCase("B31", "sends BEAT every beat_ms, and answers a worker without session BEAT rejoin") { exam in
            let worker = try exam.worker()
            guard let interval = worker.welcome?.beatInterval else { throw CaseEnd.failed("no WELCOME") }
            try exam.wait("3 BEATs of the broker", within: interval * 10 + .seconds(5)) {
                worker.beats.count { $0.state == "run" || $0.state == "quiet" } >= 3 ? true : nil
            }
            let stranger = try exam.workerConnection()
            try exam.send(stranger, "CREDIT", header: #"{"granted_total":5}"#)
            let answer = try exam.expect(stranger, "BEAT")
            try exam.check(answer.string("state") == "rejoin", "BEAT rejoin; found \(exam.text(answer))")
            try exam.send(stranger, "BYE")
            try exam.send(stranger, "EVENT", id: Array("worker".utf8), header: #"{"event":"x","time_ms":1}"#)
            try exam.expectNothing(stranger, "for BYE and EVENT are not answered", for: .milliseconds(300))
        },
        ConformanceCase("B38", "in WELCOME keeps what is still the worker's, and drops the rest") { exam in
            let agent = try exam.agent()
            let worker = try exam.worker(credit: 4)
            let ids = try (1...4).map { _ in try exam.accepted(agent) }
            let jobs = try ids.map { try exam.job(worker, id: $0) }
            try exam.go(worker, jobs[1])
            try exam.ask(agent, "CANCEL", ids[2], gets: "FAILURE", code: 499)
            try exam.expect(worker.peer, "CANCEL")
            let hash = SHA256.hash(BrokerExam.body)
            let other = SHA256.hash([1, 2, 3])
            let called = DeliveryKey(job: jobs[1].key.job, delivery: 1, attempt: jobs[1].header.firstAttempt)
            let unknown = DeliveryKey(job: JobNumber(.max), delivery: 1)
            let welcome = try exam.ready(
                worker,
                held: [
                    .init(key: jobs[0].key, bodyHash: hash, state: .waiting),
                    .init(key: called, bodyHash: hash, state: .calling),
                    .init(key: jobs[2].key, bodyHash: hash, state: .calling),
                    .init(key: jobs[3].key, bodyHash: other, state: .waiting),
                    .init(key: unknown, bodyHash: hash, state: .finished),
                ]
            )
            let kept = Set(welcome.keep.map(\.wholeDelivery))
            let dropped = Set(welcome.drop.map(\.wholeDelivery))
            try exam.check(
                kept == [jobs[0].key, jobs[1].key] && dropped == [jobs[2].key, jobs[3].key, unknown],
                "keep \(jobs[0].key) and \(called); drop a cancelled one, one with another hash and an unknown one; "
                    + "found keep \(welcome.keep), drop \(welcome.drop)"
            )
            // The GO before counts: the same START is answered again.
            try exam.go(worker, jobs[1].in(welcome))
            try exam.finish(worker, jobs[1])
            try exam.expect(agent, "REPLY", id: Array(ids[1].utf8))
            try exam.grant(worker, 1)
            let again = try exam.job(worker, id: ids[3])
            try exam.check(again.key.delivery == 2, "delivery 2 of what was dropped; found \(again.key)")
        },
        ConformanceCase("B39", "on BYE of a worker gives out what it had") { exam in
            let agent = try exam.agent()
            let worker = try exam.worker(credit: 2)
            let ids = try (1...2).map { _ in try exam.accepted(agent) }
            let jobs = try ids.map { try exam.job(worker, id: $0) }
            try exam.go(worker, jobs[1])
            try exam.send(worker.peer, "BYE")
            worker.isAlive = false
            let other = try exam.worker(credit: 2)
            var found: [String: PlayedJob] = [:]
            for _ in 1...2 {
                let job = try exam.job(other)
                found[job.header.id.text] = job
            }
            try exam.check(
                found[ids[0]]?.header.firstAttempt == 1 && found[ids[1]]?.header.firstAttempt == 2
                    && found[ids[1]]?.key.delivery == 2,
                "both requests again, the one that had a GO from attempt 2 on; found \(found.values.map(\.header))"
            )
        },
    ]
}

extension PlayedJob {
    /// The same delivery in another session.
    fileprivate func `in`(_ welcome: WorkerWelcome) -> PlayedJob {
        var header = header
        header.session = welcome.session
        return PlayedJob(key: key, header: header, body: body)
    }
}
