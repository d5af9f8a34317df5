import BusProtocol
import Configuration
import CoreTypes
import JSON
import MockProvider
import Telemetry
import Testing

@testable import understudy

struct DemoTests {
    @Test func `the day has the article's 169 tasks and about 180 requests`() {
        let day = DemoDay()
        let requests = day.tasks.flatMap(\.requests)
        #expect(Set(day.tasks.map(\.id)).count == 169)
        #expect(Set(requests).count == 180)
        #expect(requests.count == 180)
        #expect(day.tasks.count { $0.wanted != "content" } == 1)
    }

    @Test func `the script is one that the mock provider plays, and troubles 12 tasks`() throws {
        let day = DemoDay()
        let script = try MockScript(parsing: day.script.serialized())
        let named = try #require(day.script["rules"]?.arrayValue).compactMap { $0["ids"]?[0]?.stringValue }
        #expect(script.rules.count == named.count + 1)
        #expect(Set(named).count == 12)
        #expect(Set(named).isSubset(of: Set(day.tasks.map(\.requests[0].text))))
    }

    @Test(.timeLimit(.minutes(10))) func `played over real processes the figures are the article's`() async throws {
        let host = try TestLoop()
        let directory = try TemporaryDirectory()
        var environment = ProcessEnvironment.current()
        environment["TMPDIR"] = directory.path
        let stage = DemoStage(loop: host.loop, environment: environment, executable: Program.path)
        let phases = DemoPhase.all
        let report = try await stage.play(phases)
        #expect(report.columns.map(\.title) == phases.map(\.title))
        #expect(report.columns.map { DemoPhase.Figures($0) } == phases.map(\.expected))
        #expect(report.columns.map(\.successRateText) == ["92.3 %", "99.4 %"])
        #expect(report.columns.map(\.applicationFailures) == [1, 1])
        #expect(report.columns.map(\.retries) == [0, 19])
        #expect(report.columns.map(\.fallbacks) == [0, 7])
        #expect(report.gaps.count == 0)
        #expect(directory.names.isEmpty)
    }

    @Test(.timeLimit(.minutes(10))) func `a demo that is stopped leaves nothing behind`() async throws {
        let host = try TestLoop()
        let directory = try TemporaryDirectory()
        var environment = ProcessEnvironment.current()
        environment["TMPDIR"] = directory.path
        let stage = DemoStage(loop: host.loop, environment: environment, executable: Program.path)
        let play = Task { try await stage.play(DemoPhase.all) }
        while directory.names.isEmpty { await Task.yield() }
        stage.stop()
        await #expect(throws: CommandFailure.self) { try await play.value }
        #expect(directory.names.isEmpty)
    }
}
