import Testing

@testable import understudy

/// Services of which nobody reads what they print.
@Suite(.serialized, .timeLimit(.minutes(10))) struct BlockedTerminalTests {
    @Test func servicesAtAStoppedTerminalGoOnAndEnd() async throws {
        let directory = try TemporaryDirectory()
        let process = try Program(
            "/usr/bin/python3",
            ["-B", "\(LiveBus.root)/Tests/IntegrationTests/python/test_blocked_terminal.py"],
            environment: [
                "UNDERSTUDY_DIR": directory.path,
                "UNDERSTUDY_PROGRAM": LiveBus.program,
                "UNDERSTUDY_ROOT": LiveBus.root,
                // The script starts its services itself.
                "UNDERSTUDY_UP_PID": "0",
            ]
        )
        let outcome = await process.end()
        #expect(outcome.ending == .status(0), "\(outcome.text)")
        #expect(LiveBus.processes(naming: directory.path) == [])
    }
}
