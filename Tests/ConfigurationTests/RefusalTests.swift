import BusProtocol
import Configuration
import CoreTypes
import JSON
import Testing

@Suite struct RefusalTests {
    @Test(arguments: [
        ("[]", "$", "expected an object"),
        (#"{"polici": {}}"#, "$.polici", "unknown key"),
        (#"{"policy": []}"#, "$.policy", "expected an object"),
        (#"{"policy": {"jiter": 1}}"#, "$.policy.jiter", "unknown key"),
        (#"{"policy": {"jitter": 2}}"#, "$.policy.jitter", "found 2"),
        (#"{"policy": {"jitter": "x"}}"#, "$.policy.jitter", "found a string"),
        (#"{"policy": {"attempts_per_model": 0}}"#, "$.policy.attempts_per_model", "1...10"),
        (#"{"policy": {"attempts_per_model": 2.5}}"#, "$.policy.attempts_per_model", "integer"),
        (#"{"policy": {"backoff_base": 500}}"#, "$.policy.backoff_base", "expected a duration"),
        (#"{"policy": {"backoff_base": "2m"}}"#, "$.policy.backoff_base", "1ms...1m"),
        (#"{"policy": {"backoff_base": "5s"}}"#, "$.policy", "backoff_cap"),
        (#"{"policy": {"backoff_cap": "100ms"}}"#, "$.policy.backoff_cap", "500ms...10m"),
        (#"{"policy": {"timers": {"connect": "0s"}}}"#, "$.policy.timers.connect", "1ms...10m"),
        (#"{"policy": {"classes": {"odd": {}}}}"#, "$.policy.classes.odd", "rate_limited"),
        (
            #"{"policy": {"classes": {"auth": {"same_model": true}}}}"#, "$.policy.classes.auth.same_model",
            "\"advised\""
        ),
        (#"{"policy": {"classes": {"local_timeout": {"same_model": "always"}}}}"#, "$.policy", "local_timeout"),
        (#"{"policy": {"classes": {"poison": {"next_model": "always"}}}}"#, "$.policy", "poison"),
        (#"{"default_provider": "nobody"}"#, "$.default_provider", "anthropic, google"),
        (#"{"models": {"nobody/x": {}}}"#, "$.models['nobody/x']", "leads to no provider"),
        (#"{"models": {"google/x": {}, "gemini/x": {}}}"#, "$.models['gemini/x']", "twice"),
        (#"{"models": {"openai/x": {"context_window": -1}}}"#, "$.models['openai/x'].context_window", "found -1"),
        (#"{"providers": {}}"#, "$.providers", "at least one"),
        (#"{"providers": {"a/b": {}}}"#, "$.providers['a/b']", "expected a name"),
        (#"{"providers": {"own": {"key": "none"}}}"#, "$.providers.own", "base_url"),
        (#"{"providers": {"own": {"base_url": "http://h"}}}"#, "$.providers.own", "key"),
        (#"{"providers": {"openai": {"dialect": "smtp"}}}"#, "$.providers.openai.dialect", "openai-chat"),
        (#"{"providers": {"openai": {"base_url": "ftp://h"}}}"#, "$.providers.openai.base_url", "http or https"),
        (#"{"providers": {"openai": {"key": {"env": "A B"}}}}"#, "$.providers.openai.key.env", "variable"),
        (#"{"providers": {"openai": {"key": {"env": []}}}}"#, "$.providers.openai.key.env", "no name"),
        (#"{"providers": {"openai": {"key": {"env": "A", "file": "b"}}}}"#, "$.providers.openai.key", "either"),
        (#"{"providers": {"openai": {"key": {}}}}"#, "$.providers.openai.key", "either"),
        (#"{"providers": {"openai": {"key": 7}}}"#, "$.providers.openai.key", "expected {"),
        (#"{"providers": {"openai": {}}}"#, "$", "anthropic/claude-opus-4-5"),
        (#"{"routing": {"fallback_models": []}}"#, "$.routing", "default_chat_model"),
        (#"{"routing": {"default_chat_model": " "}}"#, "$.routing.default_chat_model", "empty"),
        (#"{"routing": {"default_chat_model": "openai/x", "fallback_models":["x"]}}"#, "$.routing.fallback", "\"x\""),
        (
            #"{"routing": {"default_chat_model": "openai/x", "fallback_models":[1]}}"#, "$.routing.fallback_models[0]",
            "a"
        ),
        (#"{"routing": "absent.json"}"#, "$.routing", "there is no file /etc/understudy/absent.json"),
        (#"{"routing": 5}"#, "$.routing", "expected an object"),
        (#"{"bus": {"workers": 65}}"#, "$.bus.workers", "1...64"),
        (#"{"bus": {"dedup": "59m"}}"#, "$.bus.dedup", "1h...30d"),
        (#"{"bus": {"tenant_limits": 5}}"#, "$.bus.tenant_limits", "expected an object"),
        (#"{"bus": {"tenant_limits": {"burts": 5}}}"#, "$.bus.tenant_limits.burts", "unknown key"),
        (#"{"bus": {"tenant_limits": {"open_requests_max": 0}}}"#, "$.bus.tenant_limits.open_requests_max", "1...100"),
        (#"{"bus": {"tenant_limits": {"open_bytes_max": 1024}}}"#, "$.bus.tenant_limits.open_bytes_max", "8388608..."),
        (#"{"bus": {"tenant_limits": {"rate": 0}}}"#, "$.bus.tenant_limits.rate", "0.001...1000000"),
        (#"{"bus": {"tenant_limits": {"rate": "5/s"}}}"#, "$.bus.tenant_limits.rate", "found a string"),
        (#"{"bus": {"tenant_limits": {"burst": 5}}}"#, "$.bus.tenant_limits.burst", "\"rate\" beside it"),
        (
            #"{"bus": {"tenant_limits": {"rate": 1, "burst": 1.5}}}"#, "$.bus.tenant_limits.burst",
            "expected an integer"
        ),
        (#"{"bus": {"tenants": {"alice": {}}}}"#, "$.bus.tenants.alice", "such as uid-1000"),
        (#"{"bus": {"tenants": {"uid-01": {}}}}"#, "$.bus.tenants.uid-01", "such as uid-1000"),
        (#"{"bus": {"tenants": {"uid-4294967296": {}}}}"#, "$.bus.tenants.uid-4294967296", "such as uid-1000"),
        (#"{"bus": {"tenants": {"uid-1": {"rate": 1e9}}}}"#, "$.bus.tenants.uid-1.rate", "1000000"),
        (#"{"bus": {"tenants": {"uid-1": 7}}}"#, "$.bus.tenants.uid-1", "expected an object"),
        (#"{"telemetry": {"retention": "1s"}}"#, "$.telemetry.retention", "1d...3650d"),
        (#"{"mock": {"port": 65536}}"#, "$.mock.port", "0...65535"),
        (#"{"mock": {"idle_timeout": "25h"}}"#, "$.mock.idle_timeout", "0s...1d"),
        (#"{"override_model": "yes"}"#, "$.override_model", "true or false"),
        (#"{"bus": {}, "bus": {}}"#, "$.bus", "twice"),
        ("{\n \"bus\": }", "$.bus", "line 2"),
        ("", "$", "line 1"),
    ])
    func wrongConfigurationIsRefused(text: String, path: String, part: String) {
        let error = refusal(text)
        #expect(error.file == "understudy.json")
        #expect(error.path.map { $0.replacing("\"", with: "'") }?.hasPrefix(path) == true, "\(error)")
        #expect(error.message.contains(part), "\(error)")
        #expect(error.description == "understudy.json: \(error.path ?? ""): \(error.message)")
    }

    @Test func aKeyInTheFileIsRefusedAndNotShown() {
        for text in [
            #"{"providers": {"openai": {"key": "sk-very-secret"}}}"#,
            #"{"providers": {"openai": {"key": {"env": "sk-very-secret"}}}}"#,
        ] {
            let error = refusal(text)
            #expect(!error.description.contains("very-secret"), "\(error)")
        }
    }

    /// Damaged configurations end in settings or an error, never in a trap.
    @Test func damagedConfigurationNeverTraps() {
        var random = SeededGenerator(seed: 11)
        let whole = Array(Settings().json.description.utf8)
        let pieces = ["\"", "{", "}", "null", "-1", "1e999", "\"0s\"", "[]", ":", ",", "\u{0}", "é"].map {
            Array($0.utf8)
        }
        var accepted = 0
        for _ in 0..<3000 {
            var bytes = whole
            for _ in 0...Int.random(in: 0..<3, using: &random) {
                let at = Int.random(in: 0..<bytes.count, using: &random)
                let end = min(bytes.count, at + Int.random(in: 0..<12, using: &random))
                let piece = pieces[Int.random(in: 0..<pieces.count, using: &random)]
                bytes.replaceSubrange(at..<end, with: piece)
            }
            do throws(SettingsError) {
                _ = try SettingsLoader.parse(bytes, file: "f", directory: "/nowhere")
                accepted += 1
            } catch {
                #expect(error.file != nil)
                #expect(!error.message.isEmpty)
            }
        }
        #expect(accepted < 3000)
    }
}
