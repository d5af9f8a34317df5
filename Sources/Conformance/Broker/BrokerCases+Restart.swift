import BusProtocol
import CoreTypes
import Glibc

// A broker that is stopped or killed, and the one that comes after it.
extension BrokerCases {
    static let restart: [ConformanceCase<BrokerExam>] = [
        ConformanceCase("B47", "when told to stop rejects new requests and ends or keeps the open ones") { exam in
            let broker = try exam.brokerProcess()
            let offered = try exam.durabilities()
            let agent = try exam.agent()
            let worker = try exam.worker(credit: 3)
            func begun(_ durability: String) throws -> (id: String, job: PlayedJob)? {
                guard offered.contains(durability) else { return nil }
                let id = try exam.accepted(agent, header: #"{"durability":"\#(durability)"}"#)
                let job = try exam.job(worker, id: id)
                try exam.go(worker, job)
                return (id, job)
            }
            let quick = try begun("memory")
            let slow = try begun("memory")
            let kept = try begun("disk")
            broker.signal(SIGTERM)
            exam.note("the broker is told to stop")
            try exam.checkRejectsNew()
            if let quick {
                try exam.finish(worker, quick.job)
                let end = try exam.terminal(agent, quick.id)
                try exam.check(end.verb == "REPLY", "the REPLY within the drain time; found \(exam.text(end))")
            }
            if let slow {
                let end = try exam.terminal(agent, slow.id)
                try exam.check(end.int("code") == 522, "FAILURE 522 shutting_down; found \(exam.text(end))")
            }
            try exam.waitForBrokersEnd()
            if let kept {
                let ends = agent.inbox.filter { $0.idText == kept.id }
                try exam.check(ends.isEmpty, "nothing for the disk request; found \(ends.map(exam.text))")
            }
            exam.drop(agent)
            try exam.startBroker()
            let late = try exam.agent()
            if let kept { try exam.ask(late, "GET", kept.id, gets: "STATE") }
            if let slow { try exam.ask(late, "GET", slow.id, gets: "ERROR", code: 404) }
        },
        ConformanceCase("B48", "(disk) after a kill still knows what was ACCEPTED, and ends it once") { exam in
            _ = try exam.brokerProcess()
            try exam.requireDisk()
            let agent = try exam.agent()
            let worker = try exam.worker(credit: 2)
            func ended() throws -> (id: String, end: Heard) {
                let id = try exam.accepted(agent, header: disk)
                let job = try exam.job(worker, id: id)
                try exam.go(worker, job)
                try exam.finish(worker, job)
                return (id, try exam.expect(agent, "REPLY", id: Array(id.utf8)))
            }
            let shown = try ended()
            let forgotten = try ended()
            try exam.ask(agent, "ACK", forgotten.id, gets: "OK")
            let open = try exam.accepted(agent, header: disk)
            try exam.killBroker()

            let late = try exam.agent()
            let again = try exam.ask(late, "GET", shown.id)
            try exam.check(
                again.frames.dropFirst() == shown.end.frames.dropFirst(),
                "the terminal that was shown, byte for byte; found \(exam.text(again))"
            )
            let gone = try exam.ask(late, "GET", forgotten.id)
            // An ACK that was answered and not on disk yet may be lost: then the terminal is there again.
            try exam.check(
                gone.int("code") == 410 || gone.frames.dropFirst() == forgotten.end.frames.dropFirst(),
                "ERROR 410, or the terminal that was shown; found \(exam.text(gone))"
            )
            for id in [open, shown.id, forgotten.id] {
                _ = try exam.request(late, id: id, body: [Array(#"{"messages":[]}"#.utf8)])
                try exam.expect(late, "ERROR", id: Array(id.utf8), code: 409)
            }
            try exam.ask(late, "GET", open, gets: "STATE")
            try exam.ready(worker)
            try exam.grant(worker, 2)
            let job = try exam.job(worker, id: open)
            try exam.go(worker, job)
            try exam.finish(worker, job)
            let first = try exam.terminal(late, open)
            let second = try exam.ask(try exam.agent(), "GET", open)
            try exam.check(
                first.verb == "REPLY" && first.frames == second.frames,
                "the same REPLY twice; found \(exam.text(first)) and \(exam.text(second))"
            )
            try exam.expectNothing(worker.peer, "for no request is left")
        },
        ConformanceCase("B49", "(disk) after a kill takes a held delivery back from a worker's READY") { exam in
            _ = try exam.brokerProcess()
            try exam.requireDisk()
            let agent = try exam.agent()
            let worker = try exam.worker(credit: 2)
            let id = try exam.accepted(agent, header: disk)
            let called = try exam.job(worker, id: id)
            try exam.go(worker, called)
            let other = try exam.accepted(agent, header: disk)
            let waiting = try exam.job(worker, id: other)
            try exam.killBroker()

            let hash = SHA256.hash(BrokerExam.body)
            let attempt = called.header.firstAttempt
            let held = DeliveryKey(job: called.key.job, delivery: called.key.delivery, attempt: attempt)
            let welcome = try exam.ready(
                worker,
                held: [
                    .init(key: held, bodyHash: hash, state: .calling),
                    .init(key: waiting.key, bodyHash: hash, state: .waiting),
                ]
            )
            try exam.check(
                welcome.keep.map(\.wholeDelivery) == [called.key] && welcome.drop.map(\.wholeDelivery) == [waiting.key],
                "keep \(held), which had a GO, and drop \(waiting.key), which had none; found keep \(welcome.keep), drop "
                    + "\(welcome.drop)"
            )
            let stranger = try exam.worker(credit: 2)
            let again = try exam.job(stranger, id: other)
            try exam.check(again.header.firstAttempt == 1, "first_attempt 1; found \(again.header)")
            try exam.expectNothing(stranger.peer, "for the other request has its worker")
            try exam.finish(worker, called)
            let end = try exam.ask(try exam.agent(), "GET", id)
            try exam.check(end.verb == "REPLY", "the REPLY of the worker that came back; found \(exam.text(end))")
        },
        ConformanceCase("B50", "(disk) after a kill waits orphan_ms before it acts by on_loss") { exam in
            let broker = try exam.brokerProcess()
            try exam.requireDisk()
            let agent = try exam.agent()
            let worker = try exam.worker(credit: 2)
            func begun(_ onLoss: String) throws -> String {
                let id = try exam.accepted(agent, header: #"{"durability":"disk","on_loss":"\#(onLoss)"}"#)
                let job = try exam.job(worker, id: id)
                try exam.go(worker, job)
                return id
            }
            let retried = try begun("retry")
            let failed = try begun("fail")
            let death = ContinuousClock.now
            try exam.killBroker()
            let start = ContinuousClock.now
            exam.disconnect(worker)
            exam.extend(broker.orphan + .seconds(30))

            let late = try exam.agent()
            for id in [retried, failed] {
                let state = try exam.ask(late, "GET", id)
                try exam.check(
                    state.string("state") == "running",
                    "STATE running while its worker may come back; found \(exam.text(state))"
                )
            }
            let other = try exam.worker(credit: 2)
            let job = try exam.job(other, id: retried, within: broker.orphan + .seconds(20))
            // The wait begins within the start.
            let (least, most) = (start.duration(to: .now), death.duration(to: .now))
            try exam.check(
                most >= broker.orphan && least <= broker.orphan + .seconds(10),
                "the JOB again after \(broker.orphan); found it after \(least)"
            )
            try exam.check(
                job.key.delivery == 2 && job.header.firstAttempt == 2 && job.header.lost.map(\.delivery) == [1]
                    && job.header.lost.map(\.attempt) == [1],
                "delivery 2 with first_attempt 2 and lost [delivery 1, attempt 1]; found \(job.key), \(job.header)"
            )
            let end = try exam.terminal(late, failed)
            try exam.check(end.int("code") == 520, "FAILURE 520 worker_lost; found \(exam.text(end))")
            try exam.expectNothing(other.peer, "for the other request has ended", for: .milliseconds(100))
            try exam.go(other, job)
            try exam.finish(other, job)
            let reply = try exam.terminal(late, retried)
            try exam.check(reply.verb == "REPLY", "the REPLY of the second delivery; found \(exam.text(reply))")
        },
        ConformanceCase("B51", "raises epoch with each start") { exam in
            let broker = try exam.brokerProcess()
            var epochs: [Int64] = []
            func note() throws {
                let worker = try exam.worker()
                let agent = try exam.agent()
                try exam.send(agent, "HELLO")
                let welcome = try exam.expect(agent, "WELCOME")
                let epoch = worker.welcome?.epoch ?? 0
                try exam.check(
                    welcome.int("epoch") == Int(epoch),
                    "the same epoch for agents as for workers, \(epoch); found \(exam.text(welcome))"
                )
                exam.drop(agent)
                exam.disconnect(worker)
                epochs.append(epoch)
            }
            try note()
            broker.signal(SIGTERM)
            exam.note("the broker is told to stop")
            try exam.waitForBrokersEnd()
            try exam.startBroker()
            try note()
            try exam.killBroker()
            try note()
            try exam.check(
                epochs[0] < epochs[1] && epochs[1] < epochs[2],
                "a higher epoch after a stop and after a kill; found \(epochs)"
            )
        },
    ]

    private static let disk = #"{"durability":"disk"}"#
}

extension BrokerExam {
    /// Checks that a broker that was told to stop rejects new requests, as soon as it knows.
    fileprivate func checkRejectsNew() throws {
        let agent = try agent()
        let due = ContinuousClock.now.advanced(by: .seconds(5))
        while true {
            let id = try request(agent)
            let answer = try next(agent, "ACCEPTED or REJECTED")
            if answer.verb == "REJECTED" {
                return try check(
                    answer.int("code") == 503 && answer.idText == id,
                    "REJECTED 503; found \(text(answer))"
                )
            }
            try check(ContinuousClock.now < due, "REJECTED 503 within 5 s of the signal; found \(text(answer))")
            _ = try ask(agent, "CANCEL", id)
        }
    }
}
