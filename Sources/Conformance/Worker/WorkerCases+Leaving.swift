import BusProtocol
import CoreTypes
import Glibc
import JSON

// The end of a worker, and what it tells of its calls.
extension WorkerCases {
    static let leaving: [ConformanceCase<WorkerExam>] = [
        ConformanceCase("W26", "when told to stop returns what is not begun, finishes the rest, sends BYE and ends") {
            exam in
            guard let process = exam.process else { throw CaseEnd.skipped("the worker was not started by the tester") }
            try exam.join()
            guard exam.granted >= 3 else { throw CaseEnd.skipped("a capacity of \(exam.granted); this takes 3") }
            let calling = try exam.deliver("ok+4000")
            try exam.go(try exam.hearStart(calling))
            try exam.expectCalls(1)
            let waiting = try exam.deliver()
            let start = try exam.hearStart(waiting)
            let before = exam.granted
            exam.note("the worker gets SIGTERM")
            process.signal(SIGTERM)
            try exam.pause(.seconds(1))
            var ended: Set<DeliveryKey> = []
            // What was asked for is decided by the answer; a worker may as well give it back at once.
            if exam.broker?.inbox.isEmpty == true { try exam.noGo(start, .superseded) }
            let late = try exam.deliver(awaitsCredit: false)
            while !ended.isSuperset(of: [waiting, late]) {
                let heard = try exam.hear("RETURN of what was not begun")
                guard heard.verb == "RETURN" || heard.verb == "FAILURE", let key = heard.key?.wholeDelivery else {
                    throw CaseEnd.failed("expected: RETURN of what was not begun; found \(exam.text(heard))")
                }
                try exam.check(
                    key != late || heard.string("reason") == "draining",
                    "RETURN draining of a JOB that came after the signal; found \(exam.text(heard))"
                )
                ended.insert(key)
            }
            try exam.hear("REPLY", calling)
            try exam.acknowledge(calling)
            let bye = try exam.hear("BYE")
            try exam.check(bye.verb == "BYE", "BYE; found \(exam.text(bye))")
            try exam.check(exam.granted == before, "no further CREDIT; found \(exam.granted) after \(before)")
            let status = try exam.wait("the end of the worker's process") { process.status }
            try exam.check(status == 0, "exit status 0; found \(status)")
            try exam.check(exam.calls == 1, "1 call; found \(exam.calls)")
        },
        ConformanceCase("W30", "never puts a prompt or an answer into EVENT, call record or meta") { exam in
            try exam.join()
            let mark = "marked-\(exam.runName)"
            for model in ["ok", "status-400"] {
                let key = try exam.deliver(body: exam.body(model, prompt: mark))
                try exam.go(try exam.hearStart(key))
                let heard = try exam.hear("a terminal")
                // The answer of the mock provider repeats the prompt, so that one mark serves for both.
                let meta = heard.header["meta"].map { "\($0)" } ?? ""
                let record = String(decoding: heard.body.first ?? [], as: UTF8.self)
                for (place, text) in [("meta", meta), ("the call record", record)] {
                    try exam.check(!text.contains(mark), "\(place) without the prompt; found \(text)")
                }
                try exam.acknowledge(key)
            }
            try exam.pause(.milliseconds(500))
            for event in exam.events {
                let text = String(decoding: event.header, as: UTF8.self)
                try exam.check(!text.contains(mark), "EVENT without the prompt; found \(text)")
            }
        },
        .advised("W32", "sends EVENT attempt with attempt.ended after each attempt") { exam in
            try exam.join()
            let key = try exam.deliver("fail-first-1")
            for _ in 1...2 { try exam.go(try exam.hearStart(key)) }
            try exam.hear("REPLY", key)
            func ended() -> [JSONValue] {
                exam.events.filter { $0.eventClass == "attempt" }.compactMap { try? JSONValue(parsing: $0.header) }
                    .filter { $0["event"]?.stringValue == "attempt.ended" }
            }
            try exam.wait("two EVENTs attempt.ended", within: .seconds(5)) { ended().count == 2 ? true : nil }
            try exam.check(
                ended().allSatisfy { $0["time_ms"]?.intValue != nil && $0["tenant"]?.stringValue != nil },
                "time_ms and tenant in each; found \(ended())"
            )
        },
        .advised("W33", "shows deliveries of lost as entries of the trail") { exam in
            try exam.join()
            let lost = LostDelivery(delivery: 1, attempt: 1, held: .milliseconds(40))
            let key = try exam.deliver(firstAttempt: 2, lost: [lost])
            try exam.go(try exam.hearStart(key))
            let reply = try exam.hear("REPLY", key)
            let trail = reply.header["meta"]?["trail"]?.arrayValue ?? []
            try exam.check(
                trail.contains { $0["lost_delivery"]?.intValue == 1 },
                "an entry with lost_delivery 1; found \(trail)"
            )
        },
        .unseen("W34", "sends at most 50 CHUNKs per second and request, when stream", "streaming is reserved"),
        .unseen("W35", "connects to the fallback in /tmp only if it is its user's alone", "takes a second user"),
    ]
}
