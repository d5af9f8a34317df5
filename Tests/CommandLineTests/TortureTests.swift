import BusProtocol
import CoreTypes
import Testing

@testable import understudy

@Suite struct TortureTests {
    private static let log = """

        request a mock/ok+5 100 disk retry
        accepted a disk first
        terminal a reply beef 1 1
        request b mock/ok+5 100 memory fail
        accepted b memory first
        acknowledged a
        request c mock/status-503 20 disk retry
        accep
        accepted c disk first
        request d mock/ok 5 disk fail
        rejected d
        """

    private func judged(_ lines: String, calls: [String: Int] = [:]) -> TortureVerdict {
        TortureVerdict(AgentLog.records(lines), calls: calls)
    }

    @Test func aLogTellsWhereASuccessorGoesOn() {
        let records = AgentLog.records(Self.log)
        #expect(records.map(\.work.id) == ["a", "b", "c", "d"])
        #expect(records.map(\.isOver) == [true, false, false, true])
        #expect(records.map(\.durability) == [.disk, .memory, .disk, nil])
    }

    @Test func everyLineReadsBackAsItWasWritten() {
        let work = AgentLog.Work(id: "x.1", model: "mock/ok", byteCount: 3, durability: .disk, onLoss: .fail)
        let entries: [AgentLog.Entry] = [
            .request(work), .accepted(id: "x", durability: .memory, isDuplicate: true),
            .terminal(id: "x", outcome: "reply", digest: "0f", attempts: 2, deliveries: 1), .acknowledged(id: "x"),
            .absent(id: "x", code: 410), .rejected(id: "x"),
        ]
        for entry in entries { #expect(AgentLog.Entry(entry.line[...]) == entry) }
    }

    @Test func aGoodDayIsGood() {
        let verdict = judged(
            """
            request a mock/ok 1 disk retry
            accepted a disk first
            terminal a reply beef 2 2
            terminal a reply beef 2 2
            acknowledged a
            request b mock/ok 1 memory retry
            accepted b memory first
            absent b 404
            """,
            calls: ["a": 2]
        )
        #expect(verdict.isGood)
        #expect((verdict.accepted, verdict.answered, verdict.goneWithMemory, verdict.paidAgain) == (2, 1, 1, 1))
    }

    @Test func whatWasAcceptedOnDiskAndHasNoTerminalIsLost() {
        let verdict = judged("request a mock/ok 1 disk retry\naccepted a disk first\nabsent a 404\n")
        #expect(verdict.lost == ["a"])
        #expect(!verdict.isGood)
    }

    @Test func aBrokerThatNamesAnAcceptedRequestNewHasLostIt() {
        let verdict = judged(
            """
            request a mock/ok 1 disk retry
            accepted a disk first
            accepted a disk first
            terminal a reply beef 1 1
            acknowledged a
            """,
            calls: ["a": 1]
        )
        #expect(verdict.lost == ["a"])
    }

    @Test func twoTerminalsAreToldApart() {
        let verdict = judged(
            "request a mock/ok 1 disk retry\naccepted a disk first\nterminal a reply 1 1 1\nterminal a reply 2 1 1\n"
        )
        #expect(verdict.changed == ["a"])
    }

    @Test func callsAreHeldAgainstAttemptsAndOnLoss() {
        let lines = "request a mock/ok 1 disk fail\naccepted a disk first\nterminal a reply 1 2 2\nacknowledged a\n"
        #expect(judged(lines, calls: ["a": 3]).overcalled == ["a"])
        #expect(judged(lines, calls: ["a": 2]).overpaid == ["a"])
        #expect(judged(lines, calls: ["a": 1]).isGood)
    }

    /// Its worker came back late, and the later delivery had been called.
    @Test func aReplyOfAnEarlierDeliveryTellsOfItsOwnCallsOnly() {
        let lines = "request a mock/ok+5 1 disk retry\naccepted a disk first\nterminal a reply 1 1 1\n"
        let verdict = judged(lines, calls: ["a": 2])
        #expect(verdict.isGood && verdict.answeredEarlier == 1)
        #expect(judged(lines, calls: ["a": 3]).overcalled == ["a"])
        #expect(judged(lines.replacing(" retry", with: " fail"), calls: ["a": 2]).overcalled == ["a"])
        #expect(judged(lines.replacing("reply", with: "server_error"), calls: ["a": 2]).overcalled == ["a"])
        #expect(judged(lines.replacing("ok+5", with: "fail-2"), calls: ["a": 2]).overcalled == ["a"])
    }

    @Test func aRequestWithoutAnEndIsSeen() {
        #expect(judged("request a mock/ok 1 disk fail\n").open == ["a"])
    }

    @Test func oneSeedIsOneOrderOfFaults() {
        var first = FaultPlan(seed: 3, victims: [.agent, .broker])
        var second = FaultPlan(seed: 3, victims: [.agent, .broker])
        let strikes = (0..<500).map { _ in first.next() }
        #expect(strikes == (0..<500).map { _ in second.next() })
        #expect(Set(strikes.map(\.victim)) == [.agent, .broker])
        #expect(strikes.contains { $0.fault == .renewal })
        #expect(strikes.allSatisfy { $0.fault != .drain })
    }

    @Test(.timeLimit(.minutes(10))) func aShortTortureBreaksNothingAndLeavesNothing() async throws {
        let scratch = try TemporaryDirectory()
        let program = try Program(
            ["torture", "--minutes", "0.05", "--seed", "5", "--json"],
            environment: ["TMPDIR": scratch.path]
        )
        let outcome = await program.end()
        let text = outcome.lines.joined(separator: "\n")
        #expect(outcome.ending == .status(0), "\(text)")
        #expect(text.contains(#""good":true"#), "\(text)")
        #expect(scratch.names == [])
    }
}
