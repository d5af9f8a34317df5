import BusProtocol
import CoreTypes
import JSON
import Telemetry
import Testing

@testable import understudy

@Suite struct TailTests {
    private let text = TailText(idCountMax: 12, nameCountMax: 30) { "@\($0)" }

    private func line(_ json: String) throws -> String {
        text.line(try JSONValue(parsing: Array(json.utf8))).plain
    }

    private func frames(_ eventClass: EventClass, tenant: Tenant? = .user(1000), json: String = "{}") -> TelemetryFrames
    {
        TelemetryFrames(eventClass, tenant: tenant, epoch: 7, sequence: 3, json: Bytes(json))
    }

    @Test func requestsAreShownByIdFateAndEffort() throws {
        #expect(
            try line(
                #"{"event":"request.accepted","time_ms":1,"id":"0123456789abcdef","priority":4,"durability":"memory"}"#
            ) == "@1  request.accepted  01234567…def  priority 4  memory"
        )
        #expect(
            try line(
                #"""
                {"event":"request.ended","time_ms":2,"id":"r","outcome":"reply","by":"worker","deliveries":2,
                 "waited_ms":4,"duration_ms":1250,"task":"t","call":{"resolved_model":"openai/gpt","total_attempts":3,
                 "fallbacks":1}}
                """#
            ) == "@2  request.ended     r             reply  openai/gpt  1.2 s  3 attempts, 1 fallback, 2 deliveries"
                + "  task t"
        )
        #expect(
            try line(
                #"{"event":"request.ended","time_ms":2,"id":"r","outcome":"failure","class":"deadline","by":"broker"}"#
            ) == "@2  request.ended     r             deadline  by the broker"
        )
        #expect(
            try line(#"{"event":"request.rejected","time_ms":2,"id":"r","code":429,"symbol":"busy"}"#)
                == "@2  request.rejected  r             429 busy"
        )
    }

    @Test func attemptsWorkersAndTasksAreShownInWords() throws {
        #expect(
            try line(
                #"""
                {"event":"attempt.ended","time_ms":1,"id":"r","attempt":2,"model":"mock/x",
                 "http.response.status_code":503,"error.type":"server_error","duration_ms":12,"wait_ms":500,"next":"retry"}
                """#
            ) == "@1  attempt.ended     r             attempt 2  mock/x  503 server_error  12 ms  → retry in 500 ms"
        )
        #expect(
            try line(
                #"{"event":"worker.lost","time_ms":1,"worker":"w.1","pid":5,"reason":"lease","requeued":2,"failed":0}"#
            )
                == "@1  worker.lost       w.1           pid 5  silent too long  2 requeued  0 failed"
        )
        #expect(
            try line(#"{"event":"task.ended","time_ms":1,"task":"t","outcome":"failed","kind":"llm"}"#)
                == "@1  task.ended        t             failed  by llm"
        )
    }

    @Test func whatIsNotKnownIsShownAsItIsAndWithoutControlCharacters() throws {
        #expect(
            try line(#"{"event":"later.news","x":"\u001b[2J"}"#)
                == #"?  later.news        {"event":"later.news","x":"\u001b[2J"}"#
        )
        #expect(try line(#"{"event":"worker.left","worker":"\u001b[2J\n"}"#) == "?  worker.left       ?[2J?       ")
        #expect(try line("{}").hasPrefix("?  ?"))
    }

    @Test func everyEventOfTheBrokerHasWords() throws {
        for (name, _) in TailFilter.names {
            #expect(try !line(#"{"event":"\#(name)","time_ms":5}"#).contains("{"), "\(name)")
        }
    }

    @Test func gapsAndRestartsAreShown() {
        #expect(
            text.line(.gap(.request, epoch: 7, first: 5, last: 1004), time: 9).plain
                == "@9  gap               1,000 events of class request missed, numbers 5 to 1004"
        )
        #expect(
            text.line(.gap(.worker, epoch: 7, first: 5, last: 5), time: 9).plain
                == "@9  gap               1 event of class worker missed, number 5"
        )
        #expect(
            text.line(.restart(epoch: 8, before: 7), time: 9).plain
                == "@9  restart           the broker was started again, epoch 8"
        )
    }

    @Test func programsGetOneObjectALine() throws {
        let json = "{\"event\":\"x\",\r\n \"n\": 1.50}"
        #expect(
            String(decoding: TailJSON.line(frames(.request, json: json)), as: UTF8.self)
                == #"{"topic":"evt.request.uid-1000.","epoch":7,"seq":3,"event":{"event":"x",   "n": 1.50}}"# + "\n"
        )
        #expect(
            String(decoding: TailJSON.line(.gap(.task, epoch: 7, first: 2, last: 4)), as: UTF8.self)
                == #"{"gap":"task","epoch":7,"first":2,"last":4,"missed":3}"# + "\n"
        )
        #expect(
            String(decoding: TailJSON.line(.restart(epoch: 8, before: 7)), as: UTF8.self)
                == #"{"restart":true,"epoch":8,"epoch_before":7}"# + "\n"
        )
    }

    @Test func withoutPrefixAllIsShownAndPeopleAreSparedTheSnapshots() throws {
        let people = try #require(TailFilter([], isForPeople: true))
        let programs = try #require(TailFilter([], isForPeople: false))
        #expect(people.classes == Set(EventClass.allCases))
        #expect(people.shows(frames(.task), name: "task.ended"))
        #expect(!people.shows(frames(.snapshot, tenant: nil), name: "snapshot"))
        #expect(programs.shows(frames(.snapshot, tenant: nil), name: "snapshot"))
    }

    @Test func aPrefixIsOfANameOrOfATopic() throws {
        let ended = try #require(TailFilter(["request.en"], isForPeople: true))
        #expect(ended.topics == ["evt.request.", "evt.snapshot."])
        #expect(ended.shows(frames(.request), name: "request.ended"))
        #expect(!ended.shows(frames(.request), name: "request.accepted"))
        #expect(!ended.shows(frames(.snapshot), name: "snapshot"))

        let delivery = try #require(TailFilter(["delivery"], isForPeople: true))
        #expect(delivery.shows(frames(.worker), name: "delivery.lost"))
        #expect(!delivery.shows(frames(.worker), name: "worker.lost"))

        for prefix in ["evt.request.uid-1000.", "request.uid-1000."] {
            // The whole class is subscribed to: numbers count per class, so that a part of it has holes.
            let mine = try #require(TailFilter([prefix], isForPeople: true))
            #expect(mine.topics == ["evt.request.", "evt.snapshot."])
            #expect(mine.shows(frames(.request), name: "request.ended"))
            #expect(!mine.shows(frames(.request, tenant: .user(10)), name: "request.ended"))
        }
        let two = try #require(TailFilter(["worker", "snapshot"], isForPeople: true))
        #expect(two.classes == [.worker, .snapshot])
        #expect(two.shows(frames(.snapshot), name: "snapshot"))
        #expect(two.shows(.gap(.worker, epoch: 1, first: 1, last: 1)))
        #expect(!ended.shows(.gap(.snapshot, epoch: 1, first: 1, last: 1)))
        #expect(ended.shows(.gap(.request, epoch: 1, first: 1, last: 1)))
        #expect(ended.shows(.restart(epoch: 2, before: 1)))
        #expect(try #require(TailFilter(["evt."], isForPeople: true)).classes == Set(EventClass.allCases))
    }

    @Test(arguments: ["", "nothing", "evt.nothing.", "request.nothing", "Request"])
    func aPrefixThatFitsNothingIsRefused(prefix: String) {
        #expect((TailFilter([prefix], isForPeople: true) == nil) == (prefix != ""))
    }
}
