import BusProtocol
import Configuration
import CoreTypes
import Glibc
import JSON
import MockProvider
import Telemetry
import Testing
import ZeroMQ

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

    @Test func `what a killed demo left is removed, and nothing else`() throws {
        let place = try TemporaryDirectory()
        // Larger than the system's ids can be.
        let deadProcess = "99999999\n"
        func make(_ name: String, claimedBy owner: String?) throws {
            let path = "\(place.path)/\(name)"
            try #require(unsafe mkdir(path, 0o700) == 0)
            try place.write("\(name)/script.json", "{}")
            if let owner { try place.write("\(name)/owner.lock", owner) }
        }
        try make("understudy-demo-killed", claimedBy: deadProcess)
        try make("understudy-demo-lives_", claimedBy: "\(getpid())\n")
        try make("understudy-demo-starts", claimedBy: nil)
        try make("understudy-demo-begins", claimedBy: "")
        try make("understudy-torture-abc", claimedBy: deadProcess)
        try make("understudy-demo-of-a-person", claimedBy: deadProcess)
        try make("understudy-demo-opened", claimedBy: deadProcess)
        unsafe chmod("\(place.path)/understudy-demo-opened", 0o755)
        // Of another namespace of processes, whose ids say nothing here.
        try make("understudy-demo-locked", claimedBy: nil)
        let locked = DemoDirectory(endpoints: try EndpointDirectory(path: "\(place.path)/understudy-demo-locked"))
        let claim = try locked.claim()
        try place.write("understudy-demo-locked/owner.lock", deadProcess)

        let before = Set(place.names)
        DemoDirectory.removeOrphans(in: place.path)
        #expect(before.subtracting(place.names) == ["understudy-demo-killed"])
        withExtendedLifetime(claim) {}
        for name in place.names {
            DemoDirectory(endpoints: try EndpointDirectory(path: "\(place.path)/\(name)")).remove()
        }
        #expect(place.names == [])
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
