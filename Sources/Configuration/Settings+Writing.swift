import BusProtocol
import CoreTypes
public import JSON
import Resilience

extension Settings {
    /// The settings as an `understudy.json` that reads as the same settings; paths are absolute, the routing is inside.
    ///
    /// Holds no key, only where keys come from.
    public var json: JSONValue {
        var root = JSONObject()
        root["routing"] = [
            "default_chat_model": JSONValue(defaultChatModel),
            "fallback_models": .array(fallbackModels.map { JSONValue($0) }),
        ]
        root["override_model"] = JSONValue(overrideModel)
        if let defaultProvider { root["default_provider"] = JSONValue(defaultProvider) }
        root["providers"] = .object(Self.object(providers.sorted { $0.key < $1.key }.map { ($0.key, $0.value.json) }))
        root["models"] = .object(
            Self.object(models.map { ($0.key.description, $0.value.json) }.sorted { $0.0 < $1.0 })
        )
        root["policy"] = policy.json
        root["bus"] = bus.json
        root["telemetry"] = telemetry.json
        root["mock"] = mock.json
        return .object(root)
    }

    fileprivate static func object(_ members: [(String, JSONValue)]) -> JSONObject {
        var object = JSONObject()
        for (key, value) in members { object[key] = value }
        return object
    }
}

extension JSONValue {
    fileprivate init(_ duration: Duration) {
        self = .string(DurationText.text(duration))
    }
}

extension ProviderSettings {
    fileprivate var json: JSONValue {
        ["dialect": JSONValue(dialect.rawValue), "base_url": JSONValue(baseURL.text), "key": key.json]
    }
}

extension KeySource {
    fileprivate var json: JSONValue {
        switch self {
        case .none: "none"
        case .file(let path): ["file": JSONValue(path)]
        case .environment(let names) where names.count == 1: ["env": JSONValue(names[0])]
        case .environment(let names): ["env": .array(names.map { JSONValue($0) })]
        }
    }
}

extension ModelSettings {
    fileprivate var json: JSONValue {
        var object = JSONObject()
        if let contextWindow { object["context_window"] = JSONValue(contextWindow) }
        if let attempts { object["attempts_per_model"] = JSONValue(attempts) }
        return .object(object)
    }
}

extension RetryPolicy {
    fileprivate var json: JSONValue {
        var rules = JSONObject()
        for (failure, rule) in classes.overridden.sorted(by: { $0.key.rawValue < $1.key.rawValue }) {
            var object: JSONObject = [
                "same_model": JSONValue(rule.sameModel.rawValue), "next_model": JSONValue(rule.nextModel.rawValue),
            ]
            if let attempts = rule.attemptsMax { object["attempts"] = JSONValue(attempts) }
            rules[failure.rawValue] = .object(object)
        }
        return [
            "attempts_per_model": JSONValue(attemptsPerModel),
            "backoff_base": JSONValue(backoffBase),
            "backoff_factor": JSONValue(backoffFactor),
            "backoff_cap": JSONValue(backoffCap),
            "jitter": JSONValue(jitter),
            "hint_cap": JSONValue(hintCap),
            "timers": [
                "connect": JSONValue(timers.connect),
                "first_token": JSONValue(timers.firstToken),
                "silence": JSONValue(timers.silence),
                "attempt": JSONValue(timers.attempt),
            ],
            "classes": .object(rules),
        ]
    }
}

extension BusSettings {
    fileprivate var json: JSONValue {
        var object = JSONObject()
        if let directory { object["directory"] = JSONValue(directory) }
        object["workers"] = JSONValue(workers)
        object["worker_capacity"] = JSONValue(workerCapacity)
        object["drain"] = JSONValue(drain)
        object["open_requests_max"] = JSONValue(openRequestsMax)
        object["open_bytes_max"] = JSONValue(openBytesMax)
        object["tenant_limits"] = tenantLimits.json
        object["tenants"] = .object(
            Settings.object(tenants.map { ($0.key.description, $0.value.json) }.sorted { $0.0 < $1.0 })
        )
        object["kept_terminals_max"] = JSONValue(keptTerminalsMax)
        object["dedup"] = JSONValue(dedup)
        object["lease"] = JSONValue(lease)
        object["beat"] = JSONValue(beat)
        object["paid_deliveries_max"] = JSONValue(paidDeliveriesMax)
        object["deaths_max"] = JSONValue(deathsMax)
        object["journal"] = isJournalled ? journal.map { JSONValue($0) } ?? true : false
        object["journal_bytes_max"] = JSONValue(journalBytesMax)
        object["orphan"] = JSONValue(orphan)
        return .object(object)
    }
}

extension TenantSettings {
    fileprivate var json: JSONValue {
        var object = JSONObject()
        if let openRequestsMax { object["open_requests_max"] = JSONValue(openRequestsMax) }
        if let openBytesMax { object["open_bytes_max"] = JSONValue(openBytesMax) }
        if let rate {
            object["rate"] = JSONValue(rate.requestsPerSecond)
            object["burst"] = JSONValue(rate.burst)
        }
        return .object(object)
    }
}

extension TelemetrySettings {
    fileprivate var json: JSONValue {
        var object = JSONObject()
        if let database { object["database"] = JSONValue(database) }
        object["retention"] = JSONValue(retention)
        object["rows_max"] = JSONValue(rowsMax)
        return .object(object)
    }
}

extension MockSettings {
    fileprivate var json: JSONValue {
        var object: JSONObject = [
            "host": JSONValue(host), "port": JSONValue(Int(port)), "idle_timeout": JSONValue(idleTimeout),
        ]
        if let script { object["script"] = JSONValue(script) }
        if let replay { object["replay"] = JSONValue(replay) }
        return .object(object)
    }
}
