import BusProtocol
import Glibc
import ZeroMQ

// Workers that die, fall silent or come back.
extension BrokerCases {
    static let losses: [ConformanceCase<BrokerExam>] = [
        ConformanceCase("B32", "gives the deliveries of a dead worker to others, with attempts beyond every GO") {
            exam in
            let agent = try exam.agent()
            let id = try exam.accepted(agent)
            try exam.killWorker(.started)
            let worker = try exam.worker(credit: 1)
            let job = try exam.job(worker, id: id)
            try exam.check(
                job.key.delivery == 2 && job.header.firstAttempt == 2 && job.header.lost.map(\.delivery) == [1]
                    && job.header.lost.map(\.attempt) == [1],
                "delivery 2 with first_attempt 2 and lost [delivery 1, attempt 1]; found \(job.key), \(job.header)"
            )
            try exam.go(worker, job)
            try exam.finish(worker, job)
            try exam.expect(agent, "REPLY", id: Array(id.utf8))
        },
        ConformanceCase("B33", "after a loss with GO and on_loss fail ends in FAILURE worker_lost, without another JOB")
        { exam in
            let agent = try exam.agent()
            let id = try exam.accepted(agent, header: #"{"on_loss":"fail"}"#)
            try exam.killWorker(.started)
            try exam.expect(agent, "FAILURE", id: Array(id.utf8), code: 520)
            // Without a GO nothing was spent, and on_loss has no say.
            let free = try exam.accepted(agent, header: #"{"on_loss":"fail"}"#)
            try exam.killWorker(.leased)
            let worker = try exam.worker(credit: 2)
            let job = try exam.job(worker, id: free)
            try exam.check(job.header.firstAttempt == 1, "first_attempt 1; found \(job.header)")
            try exam.expectNothing(worker.peer, "for the other request has ended", for: .milliseconds(100))
        },
        ConformanceCase("B34", "after the second loss with GO ends in worker_lost, after the third death in poison") {
            exam in
            let agent = try exam.agent()
            let paid = try exam.accepted(agent)
            try exam.killWorker(.started)
            try exam.killWorker(.started)
            try exam.expect(agent, "FAILURE", id: Array(paid.utf8), code: 520)
            let poison = try exam.accepted(agent)
            for _ in 1...3 { try exam.killWorker(.leased) }
            try exam.expect(agent, "FAILURE", id: Array(poison.utf8), code: 521)
        },
        ConformanceCase(
            "B35",
            "takes a worker that is silent for lease_ms for lost, and one that lost its connection not before"
        ) {
            exam in
            let agent = try exam.agent()
            let silent = try exam.worker(credit: 1)
            let id = try exam.accepted(agent)
            _ = try exam.job(silent, id: id)
            guard let lease = silent.welcome?.lease else { throw CaseEnd.failed("no WELCOME") }
            let begin = ContinuousClock.now
            exam.disconnect(silent)
            exam.extend(lease + .seconds(20))
            let worker = try exam.worker(credit: 1)
            _ = try exam.job(worker, id: id, within: lease + .seconds(15))
            let time = begin.duration(to: .now)
            // Half a second is what the last message may have been late.
            try exam.check(
                time >= lease - .milliseconds(500),
                "the JOB again after the lease of \(lease), for the process lives; found it after \(time)"
            )
        },
        ConformanceCase(
            "B36",
            "uses a REPLY of an older delivery that had a GO when nothing has won yet, and CANCELs the newer"
        ) {
            exam in
            let agent = try exam.agent()
            let first = try exam.worker(credit: 1)
            let id = try exam.accepted(agent)
            let job = try exam.job(first, id: id)
            try exam.go(first, job)
            try exam.giveBack(first, job.key, "draining")
            let second = try exam.worker(credit: 1)
            let newer = try exam.job(second, id: id)
            try exam.go(second, newer)
            try exam.finish(first, job)
            try exam.expect(agent, "REPLY", id: Array(id.utf8))
            try exam.expect(second.peer, "CANCEL", id: newer.key.bytes)
            try exam.finish(second, newer)
            try exam.checkServed(agent)
        },
        ConformanceCase("B37", "drops (and ACKs) a FAILURE of an older delivery") { exam in
            let agent = try exam.agent()
            let first = try exam.worker(credit: 1)
            let id = try exam.accepted(agent)
            let job = try exam.job(first, id: id)
            try exam.go(first, job)
            try exam.giveBack(first, job.key, "draining")
            let second = try exam.worker(credit: 1)
            let newer = try exam.job(second, id: id)
            try exam.fail(first, job.key)
            try exam.expect(first.peer, "ACK", id: job.key.bytes)
            try exam.checkServed(agent)
            try exam.go(second, newer)
            try exam.finish(second, newer)
            try exam.expect(agent, "REPLY", id: Array(id.utf8))
        },
    ]
}

extension BrokerExam {
    /// How far a worker that is to be killed gets.
    enum Reach: String {
        /// It has a `JOB`.
        case leased
        /// It has the `GO` of the first attempt.
        case started
    }

    /// Starts a worker in a process of its own, lets it take one request that waits, and kills it there.
    func killWorker(_ reach: Reach) throws {
        guard !workerProgram.isEmpty else { throw CaseEnd.skipped("no program to start a worker with") }
        let words = workerProgram + ["--directory", directory.path, "--until", reach.rawValue]
        let child = add(try Child(Child.Command(words: words)))
        note("a worker of its own process begins: pid \(child.pid)")
        try wait("a worker of its own process is \(reach.rawValue)") {
            if child.lines.contains(reach.rawValue) { return true }
            guard child.status == nil else {
                throw CaseEnd.failed("expected: a JOB for a new worker; found: \(child.lines.joined(separator: "; "))")
            }
            return nil
        }
        child.signal(SIGKILL)
        note("it is \(reach.rawValue), and killed")
        try wait("its end") { child.status }
    }
}
