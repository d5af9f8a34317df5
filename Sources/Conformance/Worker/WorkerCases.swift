import BusProtocol
import Glibc
import JSON

/// What a worker is examined for, in the order of `protocol/conformance.md`.
enum WorkerCases {
    static let all: [ConformanceCase<WorkerExam>] =
        (opening + calling + holding + leaving).sorted { $0.place < $1.place }
}

// Opening a session, credit and beats.
extension WorkerCases {
    static let opening: [ConformanceCase<WorkerExam>] = [
        ConformanceCase("W1", "connects without routing id of its own and sends no envelope") { exam in
            let ready = try exam.hear("READY")
            try exam.check(
                ready.route.count == 5 && ready.route[0] == 0,
                "a routing id of 5 bytes that libzmq made; found \(FrameText.frame(ready.route))"
            )
            try exam.check(ready.envelope.isEmpty, "no envelope; found \(exam.text(ready))")
        },
        ConformanceCase("W2", "sends READY first and nothing else until WELCOME") { exam in
            _ = try exam.hearReady()
            let end = ContinuousClock.now.advanced(by: .milliseconds(800))
            try exam.wait("the end of the time without WELCOME") {
                for heard in exam.broker?.inbox ?? [] where heard.verb != "READY" {
                    throw CaseEnd.failed("expected: nothing but READY before WELCOME; found \(exam.text(heard))")
                }
                try exam.check(
                    exam.creditCount == 0 && exam.beats.isEmpty && exam.events.isEmpty,
                    "nothing but READY before WELCOME; found CREDIT, BEAT or EVENT"
                )
                return ContinuousClock.now >= end ? true : nil
            }
            exam.broker?.inbox = []
            try exam.welcome()
            try exam.work()
        },
        ConformanceCase("W3", "sends only messages that fit their grammar") { exam in
            let ready = try exam.hearReady()
            try exam.check(
                (1...100_000).contains(ready.capacity) && !ready.name.isEmpty,
                "a name and a capacity of 1 to 100,000; found \(ready)"
            )
            if let process = exam.process, process.status == nil {
                try exam.check(ready.pid > 0, "its pid; found \(ready.pid)")
            }
            try exam.welcome(drop: ready.held.map(\.key))
            // Every message of the exchange is checked as it comes.
            try exam.work()
            try exam.pause(.milliseconds(500))
        },
        ConformanceCase(
            "W4",
            "starts granted_total at 0 with each READY, never lowers it, never grants beyond its room"
        ) {
            exam in
            try exam.join()
            for _ in 1...3 { try exam.work() }
            let ready = try exam.rejoin()
            try exam.check(ready.held.isEmpty, "nothing held; found \(ready.held.map(\.key))")
            try exam.welcome()
            try exam.wait("CREDIT of the new session") { exam.granted > 0 ? true : nil }
            try exam.work()
        },
        ConformanceCase("W5", "grants a place again after a delivery has left it") { exam in
            try exam.join()
            let count = exam.granted
            guard count <= 200 else { throw CaseEnd.skipped("a capacity of \(count); up to 200 can be filled here") }
            var keys: [DeliveryKey] = []
            for _ in 1...count { keys.append(try exam.deliver()) }
            for _ in keys { _ = try exam.hear("START") }
            try exam.check(
                exam.granted == count,
                "granted_total \(count), for all places are taken; found \(exam.granted)"
            )
            let start = DeliveryKey(job: keys[0].job, delivery: 1, attempt: 1)
            try exam.go(start)
            try exam.hear("REPLY", keys[0])
            try exam.acknowledge(keys[0])
            try exam.wait("CREDIT for the place that is free") { exam.granted == count + 1 ? true : nil }
        },
        ConformanceCase("W6", "sends BEAT every beat_ms, busy or not") { exam in
            try exam.join()
            try exam.wait("5 BEATs in five times as long", within: WorkerExam.beatInterval * 25 + .seconds(5)) {
                exam.beats.count >= 5 ? true : nil
            }
            let key = try exam.deliver("silent")
            try exam.go(try exam.hearStart(key))
            try exam.expectCalls(1)
            let before = exam.beats.count
            try exam.wait("5 BEATs beside a call", within: WorkerExam.beatInterval * 25 + .seconds(5)) {
                exam.beats.count >= before + 5 ? true : nil
            }
        },
    ]
}
