import Testing

@testable import MockProvider

@Suite struct PlaybookTests {
    private func playbook(_ rules: [MockRule] = [], countedIDsMax: Int = 1000) -> Playbook {
        Playbook(script: MockScript(rules: rules), countedIDsMax: countedIDsMax)
    }

    private static let failing = MockBehaviour.status(503)

    @Test func firstCallsOfEachRequestFail() {
        var playbook = playbook()
        for id in ["a", "b"] {
            let outcomes = (0..<4).map { _ in playbook.decide(model: "mock/fail-first-2", id: id).outcome }
            #expect(outcomes == [Self.failing.outcome, Self.failing.outcome, .answer, .answer])
        }
        #expect(playbook.counts.calls(of: "a").total == 4)
    }

    @Test func firstCallsOfAModelFailWhoeverCalls() {
        let rule = MockRule(model: "m", selector: .first(2, per: .model), behaviour: Self.failing)
        var playbook = playbook([rule])
        let outcomes = ["a", "b", "c"].map { playbook.decide(model: "m", id: $0).outcome }
        #expect(outcomes == [Self.failing.outcome, Self.failing.outcome, .answer])
    }

    @Test func callsWithoutIDCountAsOneRequest() {
        var playbook = playbook()
        let outcomes = (0..<3).map { _ in playbook.decide(model: "fail-first-2", id: nil).outcome }
        #expect(outcomes == [Self.failing.outcome, Self.failing.outcome, .answer])
        #expect(playbook.counts.snapshot().withoutID == 3)
    }

    @Test func flappingFailsInItsTurn() {
        var playbook = playbook()
        let outcomes = (0..<10).map { playbook.decide(model: "flap-3-2", id: "id-\($0)").outcome == .answer }
        #expect(outcomes == [true, true, true, false, false, true, true, true, false, false])
    }

    @Test func percentageIsHitAndRepeats() {
        func failures(seed: UInt64) -> [Bool] {
            let rule = MockRule(model: "*", selector: .percent(30, seed: seed), behaviour: Self.failing)
            var playbook = playbook([rule], countedIDsMax: 10_000)
            return (0..<5000).map { playbook.decide(model: "m", id: "id-\($0)").outcome != .answer }
        }
        let first = failures(seed: 7)
        #expect(first == failures(seed: 7))
        #expect(first != failures(seed: 8))
        #expect((1350...1650).contains(first.count { $0 }))
    }

    @Test func percentageIsDrawnAnewForEachCallOfARequest() {
        var playbook = playbook()
        let outcomes = (0..<200).map { _ in playbook.decide(model: "fail-50pct", id: "same").outcome == .answer }
        #expect((60...140).contains(outcomes.count { $0 }))
    }

    @Test(arguments: [(0, 0), (100, 100)])
    func percentageHasItsEnds(percent: Int, failed: Int) {
        var playbook = playbook()
        let outcomes = (0..<100).map { playbook.decide(model: "fail-\(percent)pct", id: "\($0)").outcome }
        #expect(outcomes.count { $0 != .answer } == failed)
    }

    @Test func rulesAreAskedInOrderAndGoOnWhenTheyDoNotSelect() {
        var playbook = playbook([
            MockRule(model: "gpt-4o", ids: ["task-1-*", "exact"], behaviour: .status(500)),
            MockRule(model: "gpt-*", selector: .first(1, per: .request), behaviour: .status(429)),
            MockRule(model: "gpt-4o", selector: .first(2, per: .request), behaviour: .status(502), otherwise: .ok),
            MockRule(model: "*", behaviour: .status(418)),
        ])
        func status(_ model: String, _ id: String?) -> String {
            let before = playbook.counts.snapshot().statuses
            _ = playbook.decide(model: model, id: id)
            let after = playbook.counts.snapshot().statuses
            return after.first { before[$0.key] != $0.value }?.key ?? "none"
        }
        #expect(status("gpt-4o", "tenant/task-1-a") == "500")
        #expect(status("openai/gpt-4o", "exact") == "500")
        #expect(status("gpt-4o", "tenant/exact") == "500")
        #expect(status("gpt-4o", "exact-not") == "429")
        #expect(status("gpt-4o", "exact-not") == "502")
        #expect(status("gpt-4o", "exact-not") == "200")
        #expect(status("gpt-3", "x") == "429")
        #expect(status("gpt-3", "x") == "418")
        #expect(status("silent", "x") == "418")
    }

    @Test func latencyStaysInItsBoundsAndVaries() {
        var playbook = playbook()
        let latencies = (0..<300).map { playbook.decide(model: "ok+10-14", id: "\($0)").latencyMilliseconds }
        #expect(Set(latencies) == [10, 11, 12, 13, 14])
        #expect(playbook.decide(model: "ok-7", id: nil).latencyMilliseconds == 7)
        #expect(playbook.decide(model: "plain", id: nil).latencyMilliseconds == 0)
    }

    @Test func callsAreCountedByIDModelAndStatus() {
        var playbook = playbook()
        for _ in 0..<2 { _ = playbook.decide(model: "status-429", id: "t/1") }
        _ = playbook.decide(model: "ok", id: "t/1")
        _ = playbook.decide(model: "silent", id: "t/2")
        playbook.countRefused(id: "t/2", status: 400)
        let counts = playbook.counts.snapshot()
        #expect(counts.total == 5)
        #expect(counts.requests == ["t/1": 3, "t/2": 2])
        #expect(counts.models == ["status-429": 2, "ok": 1, "silent": 1])
        #expect(counts.statuses == ["429": 2, "200": 1, "silent": 1, "400": 1])
        #expect(playbook.counts.calls(of: "t/1").models == ["status-429": 2, "ok": 1])
        #expect(playbook.counts.calls(of: "nobody").total == 0)
    }

    @Test func idsBeyondTheLimitCountInTotalsOnly() {
        var playbook = playbook(countedIDsMax: 2)
        for id in ["a", "b", "c", "c", "a"] { _ = playbook.decide(model: "ok", id: id) }
        let counts = playbook.counts.snapshot()
        #expect(counts.total == 5)
        #expect(counts.requests == ["a": 2, "b": 1])
        #expect(counts.uncountedIDs == 2)
    }

    @Test func modelsBeyondTheLimitAreStillPlayed() {
        var playbook = playbook()
        for number in 0..<CountTable.modelCountMax { _ = playbook.decide(model: "m\(number)", id: nil) }
        #expect(playbook.decide(model: "status-503", id: nil).outcome == Self.failing.outcome)
        #expect(playbook.counts.snapshot().models.count == CountTable.modelCountMax)
        #expect(playbook.counts.snapshot().total == CountTable.modelCountMax + 1)
    }

    @Test func resetMakesTheNextCallTheFirst() {
        let rule = MockRule(model: "m", selector: .first(1, per: .model), behaviour: Self.failing)
        var playbook = playbook([rule])
        let before = (0..<2).map { _ in playbook.decide(model: "m", id: nil).outcome == .answer }
        playbook.reset()
        #expect(playbook.counts.snapshot() == MockCounts())
        let after = (0..<2).map { _ in playbook.decide(model: "m", id: nil).outcome == .answer }
        #expect(before == [false, true])
        #expect(after == before)
    }

    @Test func misspeltWordIsNotFoundWithItsReason() throws {
        var playbook = playbook()
        guard case .status(let status) = playbook.decide(model: "status-abc", id: nil).outcome else {
            Issue.record("expected a status")
            return
        }
        #expect(status.code == 404)
        guard case .json(let body) = status.body else {
            Issue.record("expected a JSON body")
            return
        }
        #expect(String(decoding: body, as: UTF8.self).contains("is no number in 200...599"))
    }
}
