import CoreTypes
import Testing

@testable import MockProvider

@Suite struct ScriptTests {
    private static let good = """
        {"rules": [
          {"model": "gpt-4o", "ids": ["task-12-*"], "behaviour": "status-503"},
          {"model": "gpt-4o", "times": 2, "per": "model",
           "behaviour": {"status": 429, "retry_after": "2", "latency_ms": {"min": 5, "max": 20}}},
          {"model": "claude-*", "percent": 30, "seed": 7, "behaviour": "reset-before", "then": "ok+100"},
          {"model": "*", "flap": {"ok": 5, "failing": 3}, "behaviour": {"status": 500, "body": "html"}},
          {"model": "b", "behaviour": {"status": 400, "body": {"error": "a string"}, "headers": {"x-a": "b"}}},
          {"model": "c", "behaviour": {"play": "truncated", "latency_ms": 9}, "then": null}
        ]}
        """

    private func script(_ text: String) throws -> MockScript {
        try MockScript(parsing: Array(text.utf8), source: "day.json")
    }

    @Test func scriptIsReadRuleByRule() throws {
        let first = MockStatus(429, retryAfter: .header("2"))
        let literal = MockStatus(
            400,
            body: .json(Array(#"{"error":"a string"}"#.utf8)),
            headers: [MockHeader("x-a", "b")]
        )
        #expect(
            try script(Self.good).rules == [
                MockRule(model: "gpt-4o", ids: ["task-12-*"], behaviour: .status(503)),
                MockRule(
                    model: "gpt-4o",
                    selector: .first(2, per: .model),
                    behaviour: MockBehaviour(.status(first), latency: MockLatency(.uniform(5...20)))
                ),
                MockRule(
                    model: "claude-*",
                    selector: .percent(30, seed: 7),
                    behaviour: MockBehaviour(.resetBeforeHead),
                    otherwise: MockBehaviour(.answer, latency: MockLatency(milliseconds: 100))
                ),
                MockRule(
                    model: "*",
                    selector: .flapping(ok: 5, failing: 3, per: .model),
                    behaviour: MockBehaviour(.status(MockStatus(500, body: .html)))
                ),
                MockRule(model: "b", behaviour: MockBehaviour(.status(literal))),
                MockRule(
                    model: "c",
                    behaviour: MockBehaviour(.truncatedBody, latency: MockLatency(milliseconds: 9))
                ),
            ]
        )
    }

    @Test(arguments: [
        (#""30""#, MockRetryAfter.header("30")),
        (#""http-date:2""#, .date(seconds: 2)),
        (#"{"ms": 1500}"#, .milliseconds(1500)),
        (#"{"text": "1m9.6s"}"#, .text("1m9.6s")),
        (#"{"reset": "6m0s"}"#, .reset("6m0s")),
        (#"{"retry_info": "34.4s"}"#, .retryInfo("34.4s")),
    ])
    func everyFormOfRetryAfterIsRead(json: String, hint: MockRetryAfter) throws {
        let text = #"{"rules": [{"model": "*", "behaviour": {"status": 429, "retry_after": \#(json)}}]}"#
        #expect(try script(text).rules.first?.phases.first?.behaviour == .status(429, retryAfter: hint))
    }

    @Test(arguments: [
        ("", "day.json"),
        ("[]", "$"),
        ("{}", "rules"),
        (#"{"rules": 1}"#, "$.rules"),
        (#"{"rule": []}"#, "$.rule"),
        (#"{"rules": [{"behaviour": "ok"}]}"#, "$.rules[0]"),
        (#"{"rules": [{"model": "a"}]}"#, "$.rules[0]"),
        (#"{"rules": [{"model": "a", "behaviour": "okay"}]}"#, "$.rules[0].behaviour"),
        (#"{"rules": [{"model": "a", "behaviour": "fail-first-2"}]}"#, "\"fail-first-2\" is no behaviour"),
        (#"{"rules": [{"model": "a", "behaviour": {"status": 99}}]}"#, "$.rules[0].behaviour.status"),
        (#"{"rules": [{"model": "a", "behaviour": {"play": "ok", "status": 500}}]}"#, "$.rules[0].behaviour.status"),
        (#"{"rules": [{"model": "a", "behaviour": {"status": 500, "body": "x"}}]}"#, "$.rules[0].behaviour.body"),
        (#"{"rules": [{"model": "a", "behaviour": "ok", "then": 5}]}"#, "$.rules[0].then"),
        (#"{"rules": [{"model": "a", "behaviour": "ok", "ids": []}]}"#, "$.rules[0].ids"),
        (#"{"rules": [{"model": "a", "behaviour": "ok", "ids": [1]}]}"#, "$.rules[0].ids[0]"),
        (#"{"rules": [{"model": "a", "behaviour": "ok", "times": 1, "percent": 2}]}"#, "$.rules[0].percent"),
        (#"{"rules": [{"model": "a", "behaviour": "ok", "seed": 2}]}"#, "$.rules[0].seed"),
        (#"{"rules": [{"model": "a", "behaviour": "ok", "per": "model"}]}"#, "$.rules[0].per"),
        (#"{"rules": [{"model": "a", "behaviour": "ok", "percent": 101}]}"#, "$.rules[0].percent"),
        (#"{"rules": [{"model": "a", "behaviour": "ok", "flap": {"ok": 0, "failing": 0}}]}"#, "$.rules[0].flap"),
        (
            #"{"rules": [{"model": "a", "behaviour": {"status": 500, "headers": {"Content-Length": "1"}}}]}"#,
            "Content-Length"
        ),
        (#"{"rules": [{"model": "a", "behaviour": {"status": 500, "headers": {"a b": "1"}}}]}"#, "\"a b\""),
        (
            #"{"rules": [{"model": "a", "behaviour": {"status": 500, "headers": {"a": "1\r\nb: 2"}}}]}"#,
            "$.rules[0].behaviour.headers.a"
        ),
        (
            #"{"rules": [{"model": "a", "behaviour": {"status": 500, "latency_ms": {"min": 2, "max": 1}}}]}"#,
            "$.rules[0].behaviour.latency_ms.max"
        ),
        (
            #"{"rules": [{"model": "a", "behaviour": {"status": 500, "retry_after": {"ms": 1, "text": ""}}}]}"#,
            "$.rules[0].behaviour.retry_after"
        ),
        (
            #"{"rules": [{"model": "a", "behaviour": {"status": 500, "retry_after": "http-date:soon"}}]}"#,
            "$.rules[0].behaviour.retry_after"
        ),
        (#"{"rules": [], "seed": -1}"#, "$.seed"),
        (#"{"rules": [{"model": "a", "phases": []}]}"#, "$.rules[0].phases"),
        (#"{"rules": [{"model": "a", "phases": [{"behaviour": "ok"}], "behaviour": "ok"}]}"#, "$.rules[0].behaviour"),
        (#"{"rules": [{"model": "a", "behaviour": "ok", "repeat": true}]}"#, "$.rules[0].repeat"),
        (#"{"rules": [{"model": "a", "phases": [{"calls": 1}]}]}"#, "$.rules[0].phases[0]"),
        (#"{"rules": [{"model": "a", "phases": [{"calls": 0, "behaviour": "ok"}]}]}"#, "phases[0].calls"),
        (#"{"rules": [{"model": "a", "phases": [{"seconds": 0, "behaviour": "ok"}]}]}"#, "phases[0].seconds"),
        (
            #"{"rules": [{"model": "a", "phases": [{"behaviour": "ok"}, {"behaviour": "ok"}]}]}"#,
            "$.rules[0].phases[0]: expected \"calls\" or \"seconds\": only the last"
        ),
        (
            #"{"rules": [{"model": "a", "repeat": true, "phases": [{"calls": 1, "behaviour": "ok"}, {"behaviour": "ok"}]}]}"#,
            "$.rules[0].phases[1]: expected \"calls\" or \"seconds\": a phase without end"
        ),
        (#"{"rules": [{"model": "a", "behaviour": {"replay": ""}}]}"#, "$.rules[0].behaviour.replay"),
        (#"{"rules": [{"model": "a", "behaviour": {"play": "ok", "latency_ms": {"mean": 0}}}]}"#, "latency_ms.mean"),
        (
            #"{"rules": [{"model": "a", "behaviour": {"play": "ok", "latency_ms": {"median": 9}}}]}"#,
            "latency_ms.median"
        ),
        (
            #"{"rules": [{"model": "a", "behaviour": {"play": "ok", "latency_ms": {"median": 9, "p99": 8}}}]}"#,
            "latency_ms.p99"
        ),
        (
            #"{"rules": [{"model": "a", "behaviour": {"play": "ok", "latency_ms": {"median": 9, "mean": 8}}}]}"#,
            "latency_ms.median"
        ),
        (
            #"{"rules": [{"model": "a", "behaviour": {"play": "ok", "latency_ms": {"mean": 9, "sigma": 1}}}]}"#,
            "latency_ms.sigma"
        ),
        (#"{"limits": []}"#, "rules"),
        (#"{"limits": [{"model": "a"}]}"#, "$.limits[0]"),
        (#"{"limits": [{"model": "a", "requests_per_minute": 0}]}"#, "$.limits[0].requests_per_minute"),
        (#"{"limits": [{"model": "a", "requests_per_minute": 9, "tokens_burst": 9}]}"#, "$.limits[0].tokens_burst"),
        (#"{"limits": [{"model": "a", "requests_per_minute": 9, "per": "day"}]}"#, "$.limits[0].per"),
        (#"{"limits": [{"model": "a", "requests_per_minute": 9, "style": "x"}]}"#, "$.limits[0].style"),
    ])
    func wrongScriptIsRefusedWithItsPlace(text: String, place: String) {
        let error = #expect(throws: MockError.self) { try script(text) }
        #expect(error?.code == .script)
        #expect(error?.message.hasPrefix("day.json: ") == true)
        #expect(error?.message.contains(place) == true, "\(error?.message ?? "no error")")
    }

    @Test func phasesLimitsAndSeedsAreRead() throws {
        let read = try script(
            """
            {"seed": 7,
             "limits": [{"model": "gpt-*", "requests_per_minute": 60, "requests_burst": 5, "tokens_per_minute": 9000,
                         "per": "key", "style": "anthropic"}],
             "rules": [
              {"model": "m", "ids": ["a"], "repeat": true, "phases": [
                {"calls": 100, "behaviour": "ok"},
                {"seconds": 0.25, "percent": 10, "behaviour": {"replay": "x/*"}, "then": "ok"},
                {"calls": 9, "seconds": 60, "flap": {"ok": 1, "failing": 2},
                 "behaviour": {"play": "silent", "latency_ms": {"median": 800, "sigma": 0.5, "max": 9000}}}]},
              {"model": "*", "behaviour": {"play": "ok", "latency_ms": {"mean": 50, "min": 10, "seed": 3}}}
            ]}
            """
        )
        let limit = MockLimit(
            model: "gpt-*",
            requests: .init(perMinute: 60, burst: 5),
            tokens: .init(perMinute: 9000),
            scope: .key,
            style: .anthropic
        )
        #expect(read.limits == [limit])
        let seeded = MockLatency(.fixed(0), seed: 7)
        let slow = MockLatency(.lognormal(median: 800, sigma: 0.5), within: 0...9000, seed: 7)
        let phases = [
            MockPhase(calls: 100, behaviour: MockBehaviour(.answer, latency: seeded)),
            MockPhase(
                duration: .milliseconds(250),
                selector: .percent(10, seed: 7),
                behaviour: MockBehaviour(.replay("x/*"), latency: seeded),
                otherwise: MockBehaviour(.answer, latency: seeded)
            ),
            MockPhase(
                calls: 9,
                duration: .seconds(60),
                selector: .flapping(ok: 1, failing: 2, per: .model),
                behaviour: MockBehaviour(.silence, latency: slow)
            ),
        ]
        #expect(read.rules.first == MockRule(model: "m", ids: ["a"], phases: phases, isRepeating: true))
        let last = MockLatency(
            .exponential(mean: 50),
            within: 10...MockLatency.millisecondsLimit,
            seed: 3
        )
        #expect(read.rules.last == MockRule(model: "*", behaviour: MockBehaviour(.answer, latency: last)))
    }

    @Test func limitsNeedNoRules() throws {
        #expect(try script(#"{"limits": [{"model": "*", "tokens_per_minute": 1}]}"#).rules.isEmpty)
    }

    @Test func examplesOfTheHelpAreScripts() throws {
        #expect(try script(MockScript.example).rules.count == 5)
        #expect(MockScript.help.contains(MockScript.example))
        let summary = MockScript.summary
        let start = try #require(summary.firstRange(of: "\n  {")?.upperBound)
        let short = try script("{" + summary[start...])
        #expect(short.rules.count == 7)
        #expect(short.limits.count == 1)
    }

    @Test(arguments: [MockScript.summary, MockBehaviour.nameHelp])
    func helpFitsIntoTerminals(text: String) {
        #expect(text.split(separator: "\n").allSatisfy { $0.count <= 78 })
    }

    @Test(arguments: [good, MockScript.example])
    func damagedScriptsNeverTrap(text: String) {
        var generator = SeededGenerator(seed: 31)
        let original = Array(text.utf8)
        var refused = 0
        for _ in 0..<2000 {
            var bytes = original
            for _ in 0...Int.random(in: 0..<3, using: &generator) {
                let place = Int.random(in: 0..<bytes.count, using: &generator)
                if Bool.random(using: &generator) {
                    bytes[place] = original[Int.random(in: 0..<original.count, using: &generator)]
                } else {
                    bytes.remove(at: place)
                }
            }
            do throws(MockError) {
                _ = try MockScript(parsing: bytes)
            } catch {
                refused += 1
            }
        }
        #expect(refused > 500)
    }
}
