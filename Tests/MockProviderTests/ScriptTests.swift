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
                    behaviour: MockBehaviour(.status(first), latency: MockLatency(5...20))
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
        #expect(try script(text).rules.first?.behaviour == .status(429, retryAfter: hint))
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
    ])
    func wrongScriptIsRefusedWithItsPlace(text: String, place: String) {
        let error = #expect(throws: MockError.self) { try script(text) }
        #expect(error?.code == .script)
        #expect(error?.message.hasPrefix("day.json: ") == true)
        #expect(error?.message.contains(place) == true, "\(error?.message ?? "no error")")
    }

    @Test func exampleOfTheHelpIsAScript() throws {
        #expect(try script(MockScript.example).rules.count == 5)
        #expect(MockScript.help.contains(MockScript.example))
    }

    @Test func damagedScriptsNeverTrap() {
        var generator = SeededGenerator(seed: 31)
        let original = Array(Self.good.utf8)
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
