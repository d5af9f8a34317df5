import BusProtocol
import CoreTypes
import JSON
import ZeroMQ

// What concerns the broker as a service: order, refusals, telemetry.
extension BrokerCases {
    static let service: [ConformanceCase<BrokerExam>] = [
        ConformanceCase("B40", "gives higher priorities more places and starves none") { exam in
            let agent = try exam.agent()
            var low: Set<String> = []
            for _ in 1...5 { low.insert(try exam.accepted(agent, header: #"{"priority":0}"#)) }
            for _ in 1...70 { _ = try exam.accepted(agent, header: #"{"priority":9}"#) }
            let worker = try exam.worker(capacity: 100, credit: 60)
            var order: [String] = []
            for _ in 1...60 { order.append(try exam.job(worker).header.id.text) }
            let first = order.firstIndex { low.contains($0) }
            let most = order.prefix(20).count { low.contains($0) }
            try exam.check(
                first != nil && most <= 10,
                "of the first 60 JOBs one of priority 0, and of the first 20 at most 10; found the first at "
                    + "\(first.map { "\($0 + 1)" } ?? "none"), \(most) of the first 20"
            )
        },
        ConformanceCase("B41", "refuses a durability that is not on offer with REJECTED 501, names the one in force") {
            exam in
            let agent = try exam.agent()
            let offered = try exam.durabilities()
            for durability in ["memory", "disk"] {
                let id = try exam.request(agent, header: #"{"durability":"\#(durability)"}"#)
                let answer = try exam.next(agent, "ACCEPTED or REJECTED")
                let isRight =
                    offered.contains(durability)
                    ? answer.verb == "ACCEPTED" && answer.string("durability") == durability
                    : answer.verb == "REJECTED" && answer.int("code") == 501
                try exam.check(
                    isRight && answer.idText == id,
                    "\(durability) \(offered.contains(durability) ? "ACCEPTED" : "REJECTED 501"); found "
                        + exam.text(answer)
                )
            }
        },
        ConformanceCase("B42", "does not remember what it REJECTED") { exam in
            let agent = try exam.agent()
            let offered = try exam.durabilities()
            guard let missing = ["memory", "disk"].first(where: { !offered.contains($0) }) else {
                throw CaseEnd.skipped("the broker offers every durability, and nothing else is surely rejected")
            }
            let id = try exam.request(agent, header: #"{"durability":"\#(missing)"}"#)
            try exam.expect(agent, "REJECTED", id: Array(id.utf8))
            try exam.ask(agent, "GET", id, gets: "ERROR", code: 404)
            _ = try exam.request(agent, id: id, body: [Array(#"{"messages":[]}"#.utf8)])
            let accepted = try exam.expect(agent, "ACCEPTED", id: Array(id.utf8))
            try exam.check(
                accepted.header["duplicate"]?.boolValue != true,
                "no duplicate; found \(exam.text(accepted))"
            )
        },
        ConformanceCase("B43", "ignores unknown header members, and answers must with an unknown name ERROR 501") {
            exam in
            let agent = try exam.agent()
            let header = #"{"x-later":{"a":[1]},"must":["priority"],"priority":5.0,"task":null}"#
            _ = try exam.accepted(agent, header: header)
            let id = exam.newID()
            try exam.send(agent, "GET", id: Array(id.utf8), header: #"{"must":["x-later"]}"#)
            try exam.expect(agent, "ERROR", id: Array(id.utf8), code: 501)
            let worker = try exam.worker()
            try exam.send(worker.peer, "CREDIT", header: #"{"granted_total":1,"x-later":true}"#)
            _ = try exam.job(worker)
        },
        .unseen("B44", "keeps tenants apart: the id of one is unknown to another", "takes a second user of the system"),
        ConformanceCase("B45", "answers GET of sys. names STATE, of unknown ones 404, all else on a sys. id ERROR 400")
        { exam in
            let agent = try exam.agent()
            let first = try exam.ask(agent, "GET", "sys.health")
            if first.verb == "ERROR", first.int("code") == 501 {
                throw CaseEnd.skipped("this broker offers no sys. names (ERROR 501)")
            }
            for name in ["sys.health", "sys.workers", "sys.requests"] {
                for kind in [BrokerExam.AgentKind.attached, .lockStep(correlates: false)] {
                    let answer = try exam.ask(try exam.agent(kind), "GET", name)
                    let document = (try? JSONValue(parsing: answer.joinedBody))?.objectValue
                    try exam.check(
                        answer.verb == "STATE" && answer.idText == name && answer.string("state") == "sys"
                            && document != nil && answer.body.count == 1,
                        "STATE sys with one JSON object in F4; found \(exam.text(answer))"
                    )
                }
            }
            try exam.ask(agent, "GET", "sys.nothing", gets: "ERROR", code: 404)
            for verb in ["CANCEL", "ACK"] { try exam.ask(agent, verb, "sys.health", gets: "ERROR", code: 400) }
        },
        .unseen(
            "B46",
            "answers a tenant beyond its limits REJECTED 430 tenant_limit",
            "takes limits that are reached soon"
        ),
        ConformanceCase("B52", "publishes telemetry: frames, topics, seq without holes, snapshots") { exam in
            let socket = try Socket(exam.context, .sub, .subscriber)
            let all = exam.add(Peer("subscriber", socket, .anything))
            try socket.connect(try exam.directory.endpoint("telemetry.sock"))
            try socket.subscribe("evt.")
            let narrow = exam.add(Peer("narrow subscriber", try Socket(exam.context, .sub, .subscriber), .anything))
            try narrow.socket.connect(try exam.directory.endpoint("telemetry.sock"))
            try narrow.socket.subscribe("evt.task.")
            var events: [TelemetryFrames] = []
            all.onMessage = { heard in
                do throws(BusError) {
                    events.append(try TelemetryFrames.decode(FrameList(heard.frames)))
                } catch  where error.code == .notImplemented {
                    // A class that is not known here.
                } catch {
                    throw CaseEnd.failed("expected: an event; found \(exam.text(heard)): \(error.message)")
                }
                return true
            }
            try exam.wait("a snapshot within 5 s", within: .seconds(9)) {
                events.contains { $0.eventClass == .snapshot } ? true : nil
            }
            let agent = try exam.agent()
            let worker = try exam.worker(credit: 1)
            let id = try exam.accepted(agent, header: #"{"task":"conform-task"}"#)
            let job = try exam.job(worker, id: id)
            try exam.go(worker, job)
            try exam.finish(worker, job)
            try exam.expect(agent, "REPLY")
            try exam.send(agent, "TASK", id: Array("conform-task".utf8), header: #"{"status":"completed"}"#)
            try exam.expect(agent, "OK")
            func named(_ name: String) -> JSONValue? {
                for event in events {
                    guard let json = try? JSONValue(parsing: event.json), json["event"]?.stringValue == name,
                        json["time_ms"]?.intValue != nil
                    else { continue }
                    if name == "worker.joined" || event.json.description.contains(id)
                        || event.json.description.contains("conform-task")
                    {
                        return json
                    }
                }
                return nil
            }
            for name in ["worker.joined", "request.accepted", "request.ended", "task.ended"] {
                try exam.wait("the event \(name)", within: .seconds(10)) { named(name) }
            }
            try exam.wait("the event task.ended by its own topic", within: .seconds(10)) { narrow.inbox.first }
            let epochs = Set(events.map(\.epoch))
            try exam.check(
                epochs == [UInt64(worker.welcome?.epoch ?? 0)],
                "the epoch of WELCOME in every event; found \(epochs)"
            )
            for (eventClass, list) in Dictionary(grouping: events, by: \.eventClass) {
                for (event, next) in zip(list, list.dropFirst()) where next.sequence != event.sequence + 1 {
                    throw CaseEnd.failed(
                        "expected: seq \(event.sequence + 1) of class \(eventClass) after \(event.sequence); "
                            + "found \(next.sequence)"
                    )
                }
            }
            try exam.check(
                narrow.inbox.allSatisfy { $0.frames[0].starts(with: Array("evt.task.".utf8)) },
                "only events of the prefix evt.task."
            )
        },
        ConformanceCase("B53", "does not slow down for a subscriber that does not read") { exam in
            let sleeper = exam.add(Peer("sleeping subscriber", try Socket(exam.context, .sub, .subscriber), .anything))
            sleeper.isReading = false
            try sleeper.socket.connect(try exam.directory.endpoint("telemetry.sock"))
            try sleeper.socket.subscribe("evt.")
            let agent = try exam.agent()
            for _ in 1...300 {
                let task = exam.newID()
                try exam.send(agent, "TASK", id: Array(task.utf8), header: #"{"status":"completed"}"#, isQuiet: true)
            }
            for _ in 1...300 { try exam.expect(agent, "OK") }
            try exam.checkServed(agent)
        },
        ConformanceCase("B54", "has mode 0700 on its directory and 0600 on its sockets") { exam in
            do {
                try exam.directory.check()
            } catch {
                throw CaseEnd.failed("expected: a directory of this user with mode 0700; found: \(error)")
            }
        },
        ConformanceCase("B55", "does not let one connection's silence, flood or full pipe stop the others") { exam in
            let worker = try exam.worker(credit: 1)
            let greedy = try exam.agent()
            let id = try exam.accepted(greedy)
            let job = try exam.job(worker, id: id)
            try exam.go(worker, job)
            try exam.reply(worker, job.key, body: [[UInt8](repeating: 0x20, count: 2 << 20)])
            try exam.expect(worker.peer, "ACK")
            try exam.expect(greedy, "REPLY")
            greedy.isReading = false
            for _ in 1...60 { try exam.send(greedy, "GET", id: Array(id.utf8), isQuiet: true) }
            let other = try exam.agent()
            try exam.checkServed(other)
            let next = try exam.accepted(other)
            try exam.grant(worker, 2)
            let second = try exam.job(worker, id: next)
            try exam.go(worker, second)
            try exam.finish(worker, second)
            try exam.expect(other, "REPLY", id: Array(next.utf8))
        },
        .unseen("B56", "(disk) answers STATE only after the commit of the acceptance", "takes a slow disk"),
        .unseen(
            "B57",
            "(disk) answers a REQUEST whose acceptance could not be written REJECTED 507",
            "takes a disk that is full"
        ),
    ]
}
