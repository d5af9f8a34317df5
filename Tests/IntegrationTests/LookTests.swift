import JSON
import Testing

@testable import understudy

/// `status` and `tail` beside a bus of real processes.
@Suite(.serialized, .timeLimit(.minutes(10))) struct LookTests {
    @Test func aBusTellsItsStateInWordsAndInJSON() async throws {
        let bus = try await LiveBus(["--mock", "--workers", "1"])
        let place = ["--directory", bus.directory.path]
        let asked = await (try LiveBus.command("ask", ["--task", "t", "--model", "mock/ok", "Hello"] + place)).end()
        #expect(asked.ending == .status(0), "\(asked.text)")

        let words = await (try LiveBus.command("status", ["--requests"] + place)).end()
        #expect(words.ending == .status(0), "\(words.text)")
        #expect(words.lines.first?.hasPrefix("Understudy ") == true, "\(words.text)")
        #expect(words.lines.contains { $0.hasPrefix("total     1 accepted, 1 answered") }, "\(words.text)")
        #expect(words.lines.contains { $0.hasPrefix("worker.1 ") }, "\(words.text)")

        let text = await (try LiveBus.command("status", ["--json"] + place)).end()
        #expect(text.ending == .status(0), "\(text.text)")
        let json = try JSONValue(parsing: Array(text.text.utf8))
        #expect(json["directory"]?.stringValue == bus.directory.path)
        #expect(json["health"]?["totals"]?["accepted"] == 1)
        #expect(json["workers"]?[0]?["name"] == "worker.1")
        #expect(json["requests"] == nil)
        #expect((json["health"]?["journal_bytes"]?.intValue ?? 0) > 0)
        try await bus.stop()
    }

    /// The shell's pipe ends after some lines; the commands then end by themselves, and well.
    @Test func whatGoesOnEndsWhenItsReaderHasGone() async throws {
        let bus = try await LiveBus(["--mock", "--workers", "1"])
        let script = """
            set -e -o pipefail
            "$0" status --watch 0.1 --json --directory "$1" | head -n 2
            "$0" tail --json --directory "$1" snapshot | head -n 1
            """
        let shell = try Program("/bin/bash", ["-c", script, LiveBus.program, bus.directory.path])
        let outcome = await shell.end()
        #expect(outcome.ending == .status(0), "\(outcome.text)")
        let values = outcome.lines.compactMap { try? JSONValue(parsing: Array($0.utf8)) }
        #expect(values.count { $0["health"] != nil } == 2, "\(outcome.text)")
        #expect(values.contains { $0["topic"] == "evt.snapshot.-." && $0["seq"] != nil }, "\(outcome.text)")
        try await bus.stop()
    }
}
