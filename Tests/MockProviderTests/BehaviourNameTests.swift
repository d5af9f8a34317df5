import Testing

@testable import MockProvider

@Suite struct BehaviourNameTests {
    @Test(arguments: [
        ("ok", MockBehaviour.ok),
        ("ok-250", MockBehaviour(.answer, latency: MockLatency(milliseconds: 250))),
        ("ok+250", MockBehaviour(.answer, latency: MockLatency(milliseconds: 250))),
        ("status-503+20-80", MockBehaviour(.status(MockStatus(503)), latency: MockLatency(20...80))),
        ("status-429", .status(429)),
        ("status-429-after-2", .status(429, retryAfter: .header("2"))),
        ("status-429-ms-1500", .status(429, retryAfter: .milliseconds(1500))),
        ("status-429-date-2", .status(429, retryAfter: .date(seconds: 2))),
        ("quota", MockBehaviour(.status(MockStatus(429, body: .quota)))),
        ("context-length", MockBehaviour(.status(MockStatus(400, body: .contextLength)))),
        ("content-policy", MockBehaviour(.status(MockStatus(400, body: .contentPolicy)))),
        ("html-502", MockBehaviour(.status(MockStatus(502, body: .html)))),
        ("error-200", MockBehaviour(.errorInsideSuccess)),
        ("empty", MockBehaviour(.emptyBody)),
        ("malformed", MockBehaviour(.malformedBody)),
        ("truncated", MockBehaviour(.truncatedBody)),
        ("silent", MockBehaviour(.silence)),
        ("reset-before", MockBehaviour(.resetBeforeHead)),
        ("reset-after-head", MockBehaviour(.resetAfterHead)),
    ])
    func wordMeansItsBehaviour(word: String, behaviour: MockBehaviour) throws {
        #expect(try MockBehaviour(named: word) == behaviour)
        #expect(try MockRule(modelNamed: "provider/\(word)")?.phases.first?.behaviour == behaviour)
    }

    @Test(arguments: [
        ("fail-first-2", MockSelector.first(2, per: .request), MockBehaviour.status(503)),
        ("fail-30pct", .percent(30, seed: 0), .status(503)),
        ("flap-5-3:silent", .flapping(ok: 5, failing: 3, per: .model), MockBehaviour(.silence)),
        ("fail-first-1:status-429-after-1", .first(1, per: .request), .status(429, retryAfter: .header("1"))),
    ])
    func selectorWordLetsSomeCallsFail(word: String, selector: MockSelector, behaviour: MockBehaviour) throws {
        let rule = try #require(try MockRule(modelNamed: "a/b/\(word)"))
        #expect(rule.phases == [MockPhase(selector: selector, behaviour: behaviour, otherwise: .ok)])
    }

    @Test(arguments: ["gpt-4o", "openai/gpt-4o", "oklahoma", "statsu-503", "", "/", "llama3:8b"])
    func foreignNameIsNoWord(name: String) throws {
        #expect(try MockRule(modelNamed: name) == nil)
    }

    @Test(arguments: [
        ("status-99", "\"99\" in \"status-99\" is no number in 200...599"),
        ("status-", "is no number in 200...599"),
        ("status-+503", "\"status-+503\""),
        ("status-503-soon-2", "\"soon\" in \"status-503-soon-2\" is no form of retry-after"),
        ("status-503-after", "expected one of ok, status-<code>"),
        ("ok-80-20", "expected one of ok"),
        ("ok+80-20", "the latency 80-20"),
        ("ok+1-2-3", "\"2-3\""),
        ("ok+", "\"\" in \"ok+\" is no number"),
        ("ok-99999999999999999999", "is no number in 0...86400000"),
        ("fail-101pct", "is no number in 0...100"),
        ("fail-often", "expected fail-first-<n>"),
        ("flap-0-0", "needs at least one call"),
        ("flap-1-2:never", "\"never\" is no behaviour"),
        ("silent-ly", "\"silent-ly\" is no behaviour"),
    ])
    func wrongWordIsRefusedWithItsReason(word: String, reason: String) {
        let error = #expect(throws: MockError.self) { try MockRule(modelNamed: word) }
        #expect(error?.code == .script)
        #expect(error?.message.contains(reason) == true, "\(error?.message ?? "no error")")
    }

    @Test func everyWordOfTheHelpIsAWord() throws {
        var count = 0
        for line in MockBehaviour.nameHelp.split(separator: "\n") where line.hasPrefix("  ") {
            let word = String(line.split(separator: " ")[0])
            #expect(try MockRule(modelNamed: word) != nil, "\(word)")
            count += 1
        }
        #expect(count >= 19)
    }
}
