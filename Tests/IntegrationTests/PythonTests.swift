import Glibc
import Testing

/// Agents in Python against a real bus. One bus at a time: each is seven processes.
@Suite(.serialized, .timeLimit(.minutes(10))) struct PythonTests {
    @Test func theClientsOfTheRepositoryWork() async throws {
        let bus = try await LiveBus(["--mock"])
        try await bus.run("test_clients.py")
        try await bus.stop()
    }

    @Test func theClientsForPythonSurviveBrokersWorkersAndCancelling() async throws {
        let bus = try await LiveBus(["--mock"])
        try await bus.run("test_python_clients.py")
        try await bus.stop()
    }

    @Test func theShortClientsOfOtherLanguagesWork() async throws {
        let bus = try await LiveBus(["--mock"])
        try await bus.run("test_languages.py")
        try await bus.stop()
    }

    @Test func eachMalformedMessageGetsItsErrorAndHarmsNobody() async throws {
        let bus = try await LiveBus(["--mock"])
        try await bus.run("test_malformed.py")
        try await bus.run("test_descriptors.py")
        try await bus.stop()
    }

    @Test func callsOverTLSAndTheEndOfATerminal() async throws {
        let bus = try await LiveBus(["--mock", "--workers", "1"])
        try await bus.run("test_tls.py")
        try await bus.run("test_broken_providers.py")
        try await bus.run("test_hang_up.py")
        try await bus.stop()
    }

    @Test func agentsGetWhatTheProtocolPromises() async throws {
        let bus = try await LiveBus(["--mock"])
        try await bus.run("test_requests.py")
        try await bus.stop()
    }

    @Test func whatABusSaysFitsTheSchemas() async throws {
        let bus = try await LiveBus(["--mock", "--workers", "1"])
        try await bus.run("test_events.py")
        try await bus.stop()
    }

    @Test func withoutKeyJournalOrKnownModelNothingIsCalled() async throws {
        let configuration = """
            {"routing": {"default_chat_model": "openai/gpt-4o", "fallback_models": ["anthropic/claude-opus-4-5"]},
             "providers": {"openai": {"key": {"env": "UNDERSTUDY_TEST_KEY_1"}},
                           "anthropic": {"key": {"env": "UNDERSTUDY_TEST_KEY_2"}}},
             "bus": {"journal": false}}
            """
        let bus = try await LiveBus(["--workers", "1"], configuration: configuration)
        try await bus.run("test_no_provider.py")
        try await bus.stop()
    }

    @Test func whatWasAcceptedIsKept() async throws {
        let configuration = """
            {"policy": {"backoff_base": "5ms", "backoff_cap": "20ms"},
             "bus": {"lease": "1s", "beat": "100ms", "orphan": "5s", "drain": "500ms"}}
            """
        let bus = try await LiveBus(["--mock"], configuration: configuration)
        try await bus.run("test_durability.py")
        try await bus.stop()
    }

    @Test func aGreedyConnectionHoldsNobodyUp() async throws {
        let configuration = #"{"bus": {"worker_capacity": 1, "journal": false}}"#
        let bus = try await LiveBus(["--mock", "--workers", "1"], configuration: configuration)
        try await bus.run("test_fairness.py")
        try await bus.stop()
    }

    @Test func limitsOfTheConfigurationHoldForTheTenantTheyName() async throws {
        let configuration = """
            {"bus": {"journal": false, "tenant_limits": {"open_requests_max": 1},
                     "tenants": {"uid-\(getuid())": {"open_requests_max": 3, "rate": 0.001, "burst": 6}}}}
            """
        let bus = try await LiveBus(["--mock", "--workers", "1"], configuration: configuration)
        try await bus.run("test_tenant_limits.py")
        try await bus.stop()
    }

    @Test func workersDieAndNothingIsLost() async throws {
        let bus = try await LiveBus(["--mock", "--workers", "4"])
        try await bus.run("test_worker_deaths.py")
        try await bus.stop()
    }
}
