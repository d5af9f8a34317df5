import CoreTypes
import Testing

@testable import HTTPTransport

struct HeadParserTests {
    @Test func finalHeadIsTakenAfterInterimOnes() {
        var parser = HeadParser(bytesMax: 1000)
        let lines = [
            "HTTP/1.1 100 Continue\r\n", "A: 1\r\n", "\r\n", "HTTP/2 404 \r\n", "B:2\r\n", "c:  x:y \r\n", "\r\n",
        ]
        var heads: [HTTPResponseHead] = []
        for line in lines {
            if case .complete(let head) = parser.add(line: Array(line.utf8)) { heads.append(head) }
        }
        #expect(heads.count == 1)
        #expect(heads.first?.status == 404)
        #expect(heads.first?.httpVersion == "2")
        #expect(heads.first?.headers.map(\.0) == ["B", "c"])
        #expect(heads.first?.headers.map(\.1) == ["2", "x:y"])
    }

    @Test(arguments: ["", "HTTP/1.1\r\n", "HTTP/1.1 abc OK\r\n", "ICY 200 OK\r\n", "HTTP/1.1 20 OK\r\n"])
    func badStatusLineIsMalformed(_ line: String) {
        var parser = HeadParser(bytesMax: 1000)
        guard case .malformed = parser.add(line: Array(line.utf8)) else {
            Issue.record("\(line) was taken")
            return
        }
    }

    @Test func limitCountsEveryByte() {
        var parser = HeadParser(bytesMax: 20)
        guard case .more = parser.add(line: Array("HTTP/1.1 200 OK\r\n".utf8)) else {
            Issue.record("17 bytes are within the limit")
            return
        }
        guard case .tooLarge = parser.add(line: Array("A: 1\r\n".utf8)) else {
            Issue.record("23 bytes are above the limit")
            return
        }
    }

    @Test func anyBytesAreTakenOrRefusedWithoutHarm() {
        var generator = SeededGenerator(seed: 7)
        let alphabet = Array("HTTP/1.1 200 :\r\n\t abc".utf8) + [0, 0xC3, 0xFF]
        var complete = 0
        for _ in 0..<5_000 {
            var parser = HeadParser(bytesMax: 200)
            if Bool.random(using: &generator) { _ = parser.add(line: Array("HTTP/1.1 200 OK\r\n".utf8)) }
            for _ in 0..<8 {
                let count = Int.random(in: 0...40, using: &generator)
                let line = (0..<count).map { _ in alphabet.randomElement(using: &generator)! }
                if case .complete(let head) = parser.add(line: line) {
                    complete += 1
                    #expect((200...999).contains(head.status))
                    #expect(head.headers.allSatisfy { !$0.0.isEmpty })
                }
            }
        }
        #expect(complete > 0)
    }
}

struct CallTimersTests {
    private func request() -> HTTPRequest {
        HTTPRequest(
            method: .get,
            url: "http://a/",
            connectTimeout: .seconds(5),
            firstByteTimeout: .seconds(60),
            silenceTimeout: .seconds(90),
            totalTimeout: .seconds(600)
        )
    }

    private func at(_ seconds: Int64) -> Moment { Moment(nanoseconds: seconds * 1_000_000_000) }

    @Test func eachStageHasItsOwnLimit() {
        var timers = CallTimers(request(), startedAt: at(100))
        #expect(timers.next?.code == .connectTimeout)
        #expect(timers.next?.at == at(105))
        timers.requestLeaves()
        #expect(timers.next?.code == .firstByteTimeout)
        #expect(timers.next?.at == at(160))
        timers.bytesReceived(at: at(150))
        #expect(timers.next?.code == .silenceTimeout)
        #expect(timers.next?.at == at(240))
        timers.bytesReceived(at: at(200))
        #expect(timers.next?.at == at(290))
        timers.paused()
        #expect(timers.next?.code == .totalTimeout)
        #expect(timers.next?.at == at(700))
        timers.bytesReceived(at: at(300))
        #expect(timers.next?.code == .totalTimeout)
        timers.resumed(at: at(400))
        #expect(timers.next?.at == at(490))
        timers.bytesReceived(at: at(650))
        #expect(timers.next?.code == .totalTimeout)
        #expect(timers.next?.at == at(700))
    }

    @Test func limitsThatAreNotSetNeverRunOut() {
        var timers = CallTimers(HTTPRequest(method: .get, url: "http://a/"), startedAt: at(0))
        #expect(timers.next?.code == .connectTimeout)
        timers.requestLeaves()
        #expect(timers.next == nil)
        timers.bytesReceived(at: at(1))
        #expect(timers.next == nil)
    }
}

/// An admission queue that expectations can change.
private final class Line<ID: Hashable> {
    private var queue: AdmissionQueue<ID>

    init(perOriginMax: Int, totalMax: Int, waitingMax: Int, lookups: Int = .max) {
        queue = AdmissionQueue(
            perOriginMax: perOriginMax,
            totalMax: totalMax,
            waitingMax: waitingMax,
            lookupsPerOriginMax: lookups
        )
    }

    var running: Int { queue.running }
    var waiting: Int { queue.waiting }

    func add(_ id: ID, origin: String) -> Bool { queue.add(id, origin: origin) }
    func admitNext() -> ID? { queue.admitNext() }
    func endLookup(origin: String) { queue.endLookup(origin: origin) }
    func finish(origin: String) { queue.finish(origin: origin) }
    func remove(_ id: ID, origin: String) -> Bool { queue.remove(id, origin: origin) }
}

struct AdmissionQueueTests {
    @Test func firstComeFirstServedWithinAnOrigin() {
        let queue = Line<Int>(perOriginMax: 1, totalMax: 10, waitingMax: 10)
        for id in 0..<4 { #expect(queue.add(id, origin: "a")) }
        #expect(queue.admitNext() == 0)
        #expect(queue.admitNext() == nil)
        #expect(queue.remove(2, origin: "a"))
        #expect(!queue.remove(2, origin: "a"))
        queue.finish(origin: "a")
        #expect(queue.admitNext() == 1)
        queue.finish(origin: "a")
        #expect(queue.admitNext() == 3)
        #expect(queue.waiting == 0)
    }

    @Test func originsTakeTurns() {
        let queue = Line<String>(perOriginMax: 10, totalMax: 2, waitingMax: 100)
        for id in ["a1", "a2", "a3", "a4", "b1", "b2"] { #expect(queue.add(id, origin: String(id.prefix(1)))) }
        var order: [String] = []
        while let id = queue.admitNext() {
            order.append(id)
            if queue.running == 2 {
                for id in order.suffix(2) { queue.finish(origin: String(id.prefix(1))) }
            }
        }
        #expect(order == ["a1", "b1", "a2", "b2", "a3", "a4"])
    }

    @Test func lookupsOfAnOriginHaveALimit() {
        let queue = Line<Int>(perOriginMax: 10, totalMax: 10, waitingMax: 10, lookups: 2)
        for id in 0..<4 { #expect(queue.add(id, origin: "a")) }
        #expect(queue.add(9, origin: "b"))
        #expect(queue.admitNext() == 0)
        #expect(queue.admitNext() == 9)
        #expect(queue.admitNext() == 1)
        #expect(queue.admitNext() == nil)
        queue.endLookup(origin: "a")
        #expect(queue.admitNext() == 2)
        #expect(queue.admitNext() == nil)
        queue.endLookup(origin: "a")
        queue.finish(origin: "a")
        #expect(queue.admitNext() == 3)
    }

    @Test func queueHasALimitThatFreeConnectionsDoNotTouch() {
        let queue = Line<Int>(perOriginMax: 1, totalMax: 10, waitingMax: 0)
        #expect(queue.add(1, origin: "a"))
        #expect(queue.admitNext() == 1)
        #expect(!queue.add(2, origin: "a"))
        #expect(queue.add(3, origin: "b"))
    }

    @Test(arguments: 0..<20) func limitsHoldAndNobodyIsForgotten(seed: Int) {
        var generator = SeededGenerator(seed: UInt64(seed))
        let queue = Line<Int>(perOriginMax: 3, totalMax: 7, waitingMax: 50)
        var waiting: [String: [Int]] = [:]
        var running: [String: Int] = [:]
        var nextID = 0
        for _ in 0..<3_000 {
            let origin = ["a", "b", "c", "d"].randomElement(using: &generator)!
            switch Int.random(in: 0..<10, using: &generator) {
            case 0..<5:
                nextID += 1
                if queue.add(nextID, origin: origin) { waiting[origin, default: []].append(nextID) }
            case 5:
                if let id = waiting[origin]?.randomElement(using: &generator) {
                    #expect(queue.remove(id, origin: origin))
                    waiting[origin]?.removeAll { $0 == id }
                }
            default:
                if let count = running[origin], count > 0 {
                    queue.endLookup(origin: origin)
                    queue.finish(origin: origin)
                    running[origin] = count - 1
                }
            }
            while let id = queue.admitNext() {
                let owner = waiting.first { $0.value.first == id }?.key
                guard let owner else {
                    Issue.record("\(id) was not the first of its origin")
                    return
                }
                waiting[owner]?.removeFirst()
                running[owner, default: 0] += 1
            }
            let runningInAll = running.values.reduce(0, +)
            let waitingInAll = waiting.values.reduce(0) { $0 + $1.count }
            #expect(queue.running == runningInAll && queue.waiting == waitingInAll)
            #expect(runningInAll <= 7 && running.values.allSatisfy { $0 <= 3 } && waitingInAll <= 50)
            // Nobody waits while there is room.
            let stuck = waiting.contains { !$0.value.isEmpty && running[$0.key, default: 0] < 3 }
            #expect(!(stuck && runningInAll < 7))
        }
    }
}
