import BusProtocol
import Configuration
import CoreTypes
import JSON
import Resilience
import Testing

@Suite struct SettingsTests {
    @Test func emptyObjectIsTheDefaults() throws {
        #expect(try settings("{}") == Settings())
    }

    @Test func everyKeyIsRead() throws {
        let read = try settings(
            """
            {
              "$schema": "x",
              "routing": {"default_chat_model": " own/big ", "fallback_models": ["openai/gpt-4o", " ", "own/small"]},
              "override_model": true,
              "default_provider": "own",
              "providers": {
                "own": {"dialect": "openai-chat", "base_url": "http://127.0.0.1:8000/v1/", "key": "none"},
                "openai": {"key": {"file": "keys/openai"}},
                "anthropic": {"key": {"env": ["A", "B"]}}
              },
              "models": {"own/big": {"context_window": 1000, "attempts_per_model": 2}, "small": {}},
              "policy": {
                "attempts_per_model": 4, "backoff_base": "250ms", "backoff_factor": 3, "backoff_cap": "8s",
                "jitter": 0.5, "hint_cap": "2m",
                "timers": {"connect": "1s", "first_token": "2s", "silence": "3s", "attempt": "4s"},
                "classes": {"content_policy": {"next_model": "always"}, "timeout": {"same_model": "never", "attempts": 2}}
              },
              "bus": {
                "directory": "/run/bus", "workers": 3, "worker_capacity": 10, "drain": "1m", "open_requests_max": 5,
                "open_bytes_max": 16777216, "kept_terminals_max": 6, "dedup": "2h", "lease": "6s", "beat": "2s",
                "paid_deliveries_max": 1, "deaths_max": 2
              },
              "telemetry": {"database": "../db.sqlite", "retention": "36h", "rows_max": 2000},
              "mock": {"host": "::1", "port": 8080, "script": "script.json", "replay": "r", "idle_timeout": "0s"}
            }
            """
        )
        #expect(read.defaultChatModel == "own/big")
        #expect(read.fallbackModels == ["openai/gpt-4o", "own/small"])
        #expect(read.overrideModel)
        #expect(read.defaultProvider == "own")
        #expect(read.providers.keys.sorted() == ["anthropic", "openai", "own"])
        #expect(read.providers["own"]?.baseURL.text == "http://127.0.0.1:8000/v1")
        #expect(read.providers["own"]?.key == KeySource.none)
        #expect(read.providers["openai"]?.key == .file("/etc/understudy/keys/openai"))
        #expect(read.providers["openai"]?.baseURL.text == "https://api.openai.com/v1")
        #expect(read.providers["anthropic"]?.key == .environment(["A", "B"]))
        #expect(
            read.models[ModelName(provider: "own", model: "big")] == ModelSettings(contextWindow: 1000, attempts: 2)
        )
        #expect(read.models[ModelName(provider: "own", model: "small")] == ModelSettings())
        var policy = RetryPolicy(
            attemptsPerModel: 4,
            backoffBase: .milliseconds(250),
            backoffFactor: 3,
            backoffCap: .seconds(8),
            jitter: 0.5,
            hintCap: .seconds(120),
            timers: CallTimers(
                connect: .seconds(1),
                firstToken: .seconds(2),
                silence: .seconds(3),
                attempt: .seconds(4)
            )
        )
        policy.classes[.contentPolicy] = ClassRule(sameModel: .never, nextModel: .always)
        policy.classes[.timeout] = ClassRule(sameModel: .never, nextModel: .always, attemptsMax: 2)
        #expect(read.policy == policy)
        var bus = BusSettings()
        bus.directory = "/run/bus"
        bus.workers = 3
        bus.workerCapacity = 10
        bus.drain = .seconds(60)
        bus.openRequestsMax = 5
        bus.openBytesMax = 16_777_216
        bus.keptTerminalsMax = 6
        bus.dedup = .seconds(7200)
        bus.lease = .seconds(6)
        bus.beat = .seconds(2)
        bus.paidDeliveriesMax = 1
        bus.deathsMax = 2
        #expect(read.bus == bus)
        #expect(read.telemetry.database == "/etc/understudy/../db.sqlite")
        #expect(read.telemetry.retention == .seconds(36 * 3600))
        #expect(read.telemetry.retentionDays == 2)
        #expect(read.telemetry.rowsMax == 2000)
        #expect(read.mock.host == "::1")
        #expect(read.mock.port == 8080)
        #expect(read.mock.script == "/etc/understudy/script.json")
        #expect(read.mock.replay == "/etc/understudy/r")
        #expect(read.mock.idleTimeout == .zero)
    }

    @Test func writtenSettingsReadAsTheSame() throws {
        var full = Settings()
        full.defaultProvider = "openai"
        full.overrideModel = true
        full.providers["own"] = ProviderSettings(
            name: "own",
            baseURL: try #require(BaseURL("http://[::1]:9/x")),
            key: .file("/k")
        )
        full.models[ModelName(provider: "own", model: "a/b")] = ModelSettings(contextWindow: 7, attempts: 2)
        full.policy.classes[.contentPolicy] = ClassRule(sameModel: .advised, nextModel: .afterFallback, attemptsMax: 3)
        full.policy.backoffBase = .microseconds(1_500)
        full.policy.jitter = 0.1
        full.bus.directory = "/run/bus"
        full.bus.tenantLimits = TenantSettings(
            openRequestsMax: 3,
            openBytesMax: 1 << 24,
            rate: TenantSettings.Rate(requestsPerSecond: 0.001)
        )
        full.bus.tenants[.user(7)] = TenantSettings()
        full.bus.tenants[.user(8)] = TenantSettings(rate: TenantSettings.Rate(requestsPerSecond: 12.75, burst: 9))
        full.telemetry.database = "/var/lib/db"
        full.mock.script = "/s"
        full.mock.replay = "/r"
        full.mock.idleTimeout = .seconds(9)
        for value in [Settings(), full, full.answeredByMock(port: 4711)] {
            #expect(try settings(value.json.description) == value)
        }
    }

    @Test func limitsOfTenantsAreRead() throws {
        let bus = try settings(
            """
            {"bus": {
              "tenant_limits": {"open_requests_max": 50, "open_bytes_max": 8388608, "rate": 2.5},
              "tenants": {
                "uid-0": {},
                "uid-1000": {"rate": 0.5},
                "uid-4294967295": {"open_requests_max": 1, "rate": 100, "burst": 7}
              }
            }}
            """
        ).bus
        #expect(
            bus.tenantLimits
                == TenantSettings(
                    openRequestsMax: 50,
                    openBytesMax: 8_388_608,
                    // One second's worth.
                    rate: TenantSettings.Rate(requestsPerSecond: 2.5, burst: 3)
                )
        )
        // An entry takes nothing from the limits of all.
        #expect(
            bus.tenants == [
                .user(0): TenantSettings(),
                .user(1000): TenantSettings(rate: TenantSettings.Rate(requestsPerSecond: 0.5, burst: 1)),
                .user(.max): TenantSettings(
                    openRequestsMax: 1,
                    rate: TenantSettings.Rate(requestsPerSecond: 100, burst: 7)
                ),
            ]
        )
        #expect(try settings(#"{"bus": {"tenants": null}}"#).bus == BusSettings())
    }

    @Test func theArticlesFileWorksAlone() throws {
        let text = """
            {"default_chat_model": "openai/gpt-4o", "fallback_models": ["google/gemini-2.0-flash"]}
            """
        let read = try settings(text)
        #expect(read.defaultChatModel == "openai/gpt-4o")
        #expect(read.fallbackModels == ["google/gemini-2.0-flash"])
        #expect(read.providers == ProviderSettings.presets)
        #expect(refusal(#"{"default_chat_model": "nobody/x"}"#).path == "$.default_chat_model")
    }

    @Test func aShortLeaseShortensTheBeat() throws {
        #expect(try settings(#"{"bus": {"lease": "900ms"}}"#).bus.beat == .milliseconds(300))
        #expect(refusal(#"{"bus": {"lease": "900ms", "beat": "1s"}}"#).path == "$.bus.beat")
        #expect(refusal(#"{"bus": {"lease": "600s", "beat": "61s"}}"#).path == "$.bus.beat")
    }

    @Test func mockAnswersForEveryProviderWithoutKeys() throws {
        let mocked = Settings().answeredByMock(port: 4711)
        #expect(mocked.providers.keys.contains("mock"))
        for (name, provider) in mocked.providers {
            #expect(provider.baseURL.text == "http://127.0.0.1:4711/\(name)/v1")
            #expect(provider.key == KeySource.none)
        }
        #expect(mocked.keyVariables.isEmpty)
        #expect(mocked.routing.name("status-429") == ModelName(provider: "mock", model: "status-429"))
        let chain = try mocked.routing.chain(requested: nil)
        #expect(chain.links.map(\.name.description) == [Settings().defaultChatModel] + Settings().fallbackModels)
    }

    @Test func factsTellMissingKeysAndWindows() throws {
        let read = try settings(
            #"{"models": {"openai/gpt-4o": {"context_window": 128000, "attempts_per_model": 1}}}"#
        )
        let keys = KeyRing(of: read, environment: ["OPENAI_API_KEY": "k"])
        let openai = read.facts(of: ModelName(provider: "openai", model: "gpt-4o"), keys: keys)
        #expect(openai == ModelFacts(skip: nil, contextWindow: 128_000, attemptsMax: 1))
        let other = read.facts(of: ModelName(provider: "anthropic", model: "x"), keys: keys)
        #expect(other == ModelFacts(skip: .noKey))
    }
}
