import CoreTypes
import JSON
import Testing
import UnderstudyClient

@testable import understudy

@Suite struct StatusTests {
    private static let health = #"""
        {"protocol":"UBP/1","version":"0.1.0","epoch":1767225600000,"uptime_ms":7980000,"state":"running","workers":1,
         "queued":1200,"queued_by_priority":[7,0,0,0,1190,0,0,0,0,3],"in_flight":34,"orphaned":0,"open":1234,
         "open_bytes":12897484,"kept":1,"kept_bytes":2048,"remembered":3,
         "limits":{"open":100000,"open_bytes":1073741824,"kept":1000000,"kept_bytes":1073741824,"remembered":16000000},
         "full":[],"totals":{"accepted":12345,"rejected":12,"replied":11000,"failed":111,"deliveries":12000,"go":13000,
         "nogo":0,"lost_deliveries":2,"late":0},"rejections":{"busy":10,"not_implemented":2}}
        """#
    private static let workers = #"""
        {"workers":[{"name":"worker.1","pid":4242,"state":"joined","capacity":1000,"held":34,"credit":966,
         "lease_remaining_ms":14200,"joined_ms":7920000,"deliveries":12000}],"truncated":false}
        """#
    private static let requests = #"""
        {"requests":[{"id":"0123456789abcdef0123456789abcdef","task":"t","state":"running","priority":9,"age_ms":1234,
         "remaining_ms":58766,"deliveries":1,"attempts":2,"worker":"worker.1"},{"id":"b","state":"failed","priority":4,
         "age_ms":90000,"deliveries":1,"attempts":3}],"truncated":true}
        """#

    private func reading(
        _ health: String = Self.health,
        _ workers: String = Self.workers,
        requests: String? = nil
    ) throws -> StatusReading {
        try StatusReading(health: Bytes(health), workers: Bytes(workers), requests: requests.map { Bytes($0) })
    }

    private func lines(_ reading: StatusReading, since before: StatusReading? = nil) -> [String] {
        StatusText(directory: "/run/bus", nameCountMax: 12) { "@\($0)" }.lines(reading, since: before).map(\.plain)
    }

    @Test func theBrokerIsShownInUnitsThatPeopleRead() throws {
        #expect(
            lines(try reading()) == [
                "Understudy 0.1.0  running, up 2 h 13 min",
                "bus       /run/bus, started @1767225600000, epoch 1767225600000",
                "",
                "open      1,234 of 100,000, 1,200 queued, 34 in flight, 12.3 MiB of 1 GiB",
                "queue     3 of priority 9, 1,190 of priority 4, 7 of priority 0",
                "kept      1 answer until ACK, 2 KiB of 1 GiB; 3 ids remembered",
                "total     12,345 accepted, 11,000 answered, 111 failed, 12 rejected",
                "calls     13,000 allowed, 12,000 deliveries, 2 lost",
                "rejected  10 busy, 2 not_implemented",
                "",
                "worker     pid  state   load             held     of  credit  delivered  lease  joined        ",
                "worker.1  4242  joined  #.........  3 %    34  1,000     966     12,000   14 s  2 h 12 min ago",
            ]
        )
    }

    @Test func requestsAreListedWhenAskedFor() throws {
        #expect(
            lines(try reading(requests: Self.requests)).suffix(4) == [
                "request       state           age  left  priority  deliveries  attempts  worker    task",
                "01234567…def  running       1.2 s  58 s         9           1         2  worker.1  t   ",
                "b             failed   1 min 30 s     -         4           1         3  -         -   ", "and more",
            ]
        )
    }

    @Test func whatIsWrongIsSaidFirst() throws {
        let health = Self.health.replacing(#""full":[]"#, with: #""full":["open","kept_bytes"]"#)
            .replacing(#""kept":1,"#, with: #""kept":1,"journal_bytes":4096,"journal_refusal":"507 store_full: disk","#)
        let shown = lines(try reading(health, #"{"workers":[],"truncated":false}"#))
        #expect(
            shown[2...5] == [
                "problem   new requests are rejected: open reached its limit of 100,000",
                "problem   new requests are rejected: kept_bytes reached its limit of 1 GiB",
                "problem   requests that are to survive the broker are rejected: 507 store_full: disk",
                "problem   no workers, so requests wait; start one: understudy worker",
            ]
        )
        #expect(shown.contains("journal   4 KiB"))
        #expect(shown.last == "no workers")
    }

    @Test func ratesComeFromTwoReadingsOfTheSameBroker() throws {
        let before = try reading()
        let later = Self.health.replacing(#""uptime_ms":7980000"#, with: #""uptime_ms":7984000"#)
            .replacing(#""accepted":12345"#, with: #""accepted":12347"#)
            .replacing(#""go":13000"#, with: #""go":14000"#)
        #expect(
            lines(try reading(later), since: before).contains(
                "a second  0.5 accepted, 0 answered, 0 failed, 250 calls"
            )
        )
        let restarted = later.replacing("1767225600000", with: "1767225600001")
        for (reading, before) in [(try reading(restarted), before), (before, before)] {
            #expect(!lines(reading, since: before).contains { $0.hasPrefix("a second") })
        }
    }

    @Test func aBrokerThatTellsMoreIsReadAndOneThatTellsNonsenseIsRefused() throws {
        let more = Self.health.replacing(#""state":"running""#, with: #""state":"running","news":[1]"#)
        #expect(try reading(more).state == "running")
        for text in ["", "[]", "{}", Self.health.replacing(#""queued":1200"#, with: #""queued":"many""#)] {
            let error = #expect(throws: ClientError.self) { try reading(text) }
            #expect(error?.code == .badAnswer)
        }
    }

    @Test func programsGetOneObject() throws {
        let documents = StatusSource.Documents(
            health: Bytes(Self.health),
            workers: Bytes(Self.workers),
            requests: Bytes(Self.requests)
        )
        let json = try documents.json(directory: "/run/bus")
        #expect(json.objectValue?.keys == ["directory", "health", "workers", "requests", "truncated"])
        #expect(json["health"]?["totals"]?["go"] == 13000)
        #expect(json["workers"]?[0]?["held"] == 34)
        #expect(json["requests"]?.arrayValue?.count == 2)
        #expect(json["truncated"] == true)
    }

    @Test(arguments: [
        (0, "0 ms"), (999, "999 ms"), (1000, "1 s"), (1290, "1.2 s"), (9999, "9.9 s"), (10_000, "10 s"),
        (59_999, "59 s"), (60_000, "1 min"), (125_000, "2 min 5 s"), (3_600_000, "1 h"), (187_200_000, "2 d 4 h"),
        (-5, "0 ms"),
    ])
    func timesHaveTwoUnitsAtMost(milliseconds: Int, text: String) {
        #expect(HumanText.time(milliseconds: milliseconds) == text)
    }

    @Test func whatAModelWroteDoesNotSteerATerminal() {
        let hostile = "a\u{1B}]0;title\u{07}b\u{9B}2Jc\rd\u{7F}e\u{85}f\u{00}"
        #expect(HumanText.cleanLines(hostile) == "a?]0;title?b?2Jc?d?e?f?")
        let plain = "line\n\tindented \u{1F469}\u{200D}\u{1F4BB} \u{E9}\u{301} ok"
        #expect(HumanText.cleanLines(plain) == plain)
    }

    @Test func figuresAreGroupedAndRounded() {
        #expect(
            [0, 999, 1000, 1_234_567, -1234].map { HumanText.count($0) } == [
                "0", "999", "1,000", "1,234,567", "-1,234",
            ]
        )
        #expect(HumanText.count(1, "answer") == "1 answer")
        #expect(
            [0, 1023, 1024, 1536, 1 << 20, 1_048_575, 5 << 40].map(HumanText.bytes)
                == ["0 B", "1023 B", "1 KiB", "1.5 KiB", "1 MiB", "1 MiB", "5 TiB"]
        )
        #expect([0, 0.44, 99.94, 1234.4].map(HumanText.rate) == ["0", "0.4", "99.9", "1,234"])
        #expect(
            [0, 0.001, 0.5, 1, 7].map(StatusText.bar) == [
                "..........", "#.........", "#####.....", "##########", "##########",
            ]
        )
    }

    @Test func namesOfOthersCannotSteerATerminal() {
        #expect(HumanText.clean("a\u{1B}[2J\n\u{202E}b é") == "a?[2J??b é")
        #expect(HumanText.shortened("0123456789abcdef", to: 12) == "01234567…def")
        #expect(HumanText.shortened("0123456789abcdef", to: nil) == "0123456789abcdef")
    }

    @Test func linesAreCutToTheTerminalBeforeTheyAreColoured() {
        var line = StyledLine("red", .red)
        line.add("  ")
        line.add(String(repeating: "x", count: 100))
        line.add("   ")
        let terminal = Console(descriptor: -1, isTerminal: true, usesColor: true)
        #expect(line.text(on: terminal) == "\u{1B}[31mred\u{1B}[0m  " + String(repeating: "x", count: 74) + "…")
        let file = Console(descriptor: -1, isTerminal: false, usesColor: false)
        #expect(line.text(on: file) == "red  " + String(repeating: "x", count: 100))
    }
}
