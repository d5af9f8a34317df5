import BusProtocol
import CoreTypes
import JSON
import Resilience

// Reading `understudy.json`, top down; each key is documented at the property it sets.
extension Settings {
    mutating func readAll(_ reader: SettingsReader) throws(SettingsError) {
        try reader.requireOnly([
            "$schema", "routing", "override_model", "default_provider", "providers", "models", "policy", "bus",
            "telemetry", "mock",
        ])
        let routing = try reader.member("routing")
        let routingReader = try routing.map { value throws(SettingsError) in try Self.routingReader(value) }
        if let routingReader { try readRouting(routingReader) }
        if let value = try reader.member("override_model") { overrideModel = try value.bool() }
        if let value = try reader.member("providers") { try readProviders(value) }
        if let value = try reader.member("default_provider") { try readDefaultProvider(value) }
        if let value = try reader.member("models") { try readModels(value) }
        if let value = try reader.member("policy") { try readPolicy(value) }
        if let value = try reader.member("bus") { try bus.read(value) }
        if let value = try reader.member("telemetry") { try telemetry.read(value) }
        if let value = try reader.member("mock") { try mock.read(value) }
        try checkChain(routingReader ?? reader)
    }

    /// The reader of the routing: of the object itself, or of the file that a path names.
    private static func routingReader(_ value: SettingsReader) throws(SettingsError) -> SettingsReader {
        guard value.isString else { return value }
        let path = try value.path()
        do throws(SettingsError) {
            let bytes = try SmallFile.read(path, bytesMax: SettingsLoader.bytesMax)
            return SettingsReader(
                try SettingsLoader.json(bytes, file: path),
                directory: FilePath.directory(of: path)
            )
        } catch {
            if error.file != nil { throw error }
            throw value.failure("\(error.message); expected the path of a routing file, relative to this file")
        }
    }

    /// Reads the article's `routing.json`.
    mutating func readRouting(_ reader: SettingsReader) throws(SettingsError) {
        try reader.requireOnly(["$schema", "default_chat_model", "fallback_models"])
        let model = try reader.required("default_chat_model", "a model such as \"anthropic/claude-opus-4-5\"")
        defaultChatModel = try model.nonEmptyString().trimmingBlanks()
        fallbackModels = []
        if let list = try reader.member("fallback_models") {
            for element in try list.elements(max: Self.fallbackCountMax) {
                // Blank entries are left out, as the article's code does.
                let model = try element.string().trimmingBlanks()
                if !model.isEmpty { fallbackModels.append(model) }
            }
        }
    }

    /// Checks that every model of the configured chain leads to a provider.
    ///
    /// - Parameter reader: Where the chain was read, or the whole file when it comes from the defaults.
    func checkChain(_ reader: SettingsReader) throws(SettingsError) {
        let routing = routing
        let known = providers.keys.sorted().joined(separator: ", ")
        for (key, model) in [("default_chat_model", defaultChatModel)] + fallbackModels.map({ ("fallback_models", $0) })
        {
            guard routing.name(model) == nil else { continue }
            let place = try reader.member(key)
            let message =
                "model \"\(model.prefix(80))\" leads to no provider; expected provider/model with one of: \(known)"
            guard let place else { throw reader.failure("\(key) by default is: \(message), or a \"routing\"") }
            throw place.failure(message)
        }
    }

    private mutating func readProviders(_ reader: SettingsReader) throws(SettingsError) {
        providers = [:]
        for (name, value) in try reader.members(max: ProviderSettings.countMax) {
            guard ProviderSettings.isName(name) else {
                throw value.failure("the provider's name is wrong; expected \(ProviderSettings.nameExpectation)")
            }
            providers[name] = try ProviderSettings(name: name, reading: value)
        }
        guard !providers.isEmpty else { throw reader.failure("found no provider; expected at least one") }
    }

    private mutating func readDefaultProvider(_ reader: SettingsReader) throws(SettingsError) {
        let name = try reader.nonEmptyString()
        guard providers[name] != nil else {
            let known = providers.keys.sorted().joined(separator: ", ")
            throw reader.failure("provider \"\(name.prefix(80))\" does not exist; expected one of: \(known)")
        }
        defaultProvider = name
    }

    private mutating func readModels(_ reader: SettingsReader) throws(SettingsError) {
        let routing = routing
        models = [:]
        for (key, value) in try reader.members(max: ModelSettings.countMax) {
            guard let name = routing.name(key) else {
                let known = providers.keys.sorted().joined(separator: ", ")
                throw value.failure("the model leads to no provider; expected provider/model with one of: \(known)")
            }
            guard models[name] == nil else { throw value.failure("the model \(name) is named twice") }
            models[name] = try ModelSettings(reading: value)
        }
    }

    private mutating func readPolicy(_ reader: SettingsReader) throws(SettingsError) {
        try policy.read(reader)
        do throws(ResilienceError) {
            try policy.validate()
        } catch {
            throw reader.failure(error.message)
        }
    }
}

extension ProviderSettings {
    /// Reads one entry of `providers`; what it leaves out comes from the preset of the same name.
    init(name: String, reading reader: SettingsReader) throws(SettingsError) {
        try reader.requireOnly(["dialect", "base_url", "key"])
        let preset = Self.presets[name]
        let presets = Self.presets.keys.sorted().joined(separator: ", ")

        var dialect = preset?.dialect ?? .openAIChat
        if let value = try reader.member("dialect") {
            let word = try value.oneOf(Dialect.allCases.map(\.rawValue))
            dialect = Dialect(rawValue: word) ?? dialect
        }
        let baseURL: BaseURL
        if let value = try reader.member("base_url") {
            let text = try value.nonEmptyString()
            guard let read = BaseURL(text) else {
                throw value.failure("found \"\(text.prefix(80))\"; expected \(BaseURL.expectation)")
            }
            baseURL = read
        } else if let preset {
            baseURL = preset.baseURL
        } else {
            throw reader.failure("\"base_url\" is missing; only these providers are known without: \(presets)")
        }
        let key: KeySource
        if let value = try reader.member("key") {
            key = try KeySource(reading: value)
        } else if let preset {
            key = preset.key
        } else {
            throw reader.failure("\"key\" is missing; expected \(KeySource.expectation)")
        }
        self.init(name: name, dialect: dialect, baseURL: baseURL, key: key)
    }
}

extension KeySource {
    /// What ``init(reading:)`` takes, for error texts.
    static let expectation = "{\"env\": \"NAME\"}, {\"file\": \"path\"} or \"none\""
    /// Most variables that one source names.
    static let variablesMax = 8

    /// Reads the `key` of a provider. The key itself is refused: it does not belong in this file.
    init(reading reader: SettingsReader) throws(SettingsError) {
        if let text = reader.reader.value.stringValue {
            // The text is not shown: it may well be a key.
            guard text == "none" else {
                throw reader.failure("found some other text; expected \(Self.expectation); keys do not belong here")
            }
            self = .none
            return
        }
        guard reader.reader.value.objectValue != nil else { throw reader.wrongType(Self.expectation) }
        try reader.requireOnly(["env", "file"])
        switch (try reader.member("env"), try reader.member("file")) {
        case (let variables?, nil): self = .environment(try Self.variables(variables))
        case (nil, let file?): self = .file(try file.path())
        case (nil, nil), (_?, _?): throw reader.failure("expected either \"env\" or \"file\"")
        }
    }

    private static func variables(_ reader: SettingsReader) throws(SettingsError) -> [String] {
        let elements = reader.isString ? [reader] : try reader.elements(max: variablesMax)
        guard !elements.isEmpty else { throw reader.failure("found no name; expected the name of a variable") }
        var names: [String] = []
        for element in elements {
            let name = try element.nonEmptyString()
            guard isVariableName(name) else {
                // Not shown either.
                throw element.failure("expected the name of an environment variable: letters, digits and '_'")
            }
            names.append(name)
        }
        return names
    }

    private static func isVariableName(_ text: String) -> Bool {
        guard (1...256).contains(text.utf8.count), let first = text.utf8.first, !(0x30...0x39).contains(first) else {
            return false
        }
        return text.utf8.allSatisfy { byte in
            (0x30...0x39).contains(byte) || (0x41...0x5A).contains(byte) || (0x61...0x7A).contains(byte) || byte == 0x5F
        }
    }
}

extension ModelSettings {
    init(reading reader: SettingsReader) throws(SettingsError) {
        try reader.requireOnly(["context_window", "attempts_per_model"])
        self.init(
            contextWindow: try reader.member("context_window")?.int(in: Self.contextWindowRange),
            attempts: try reader.member("attempts_per_model")?.int(in: Self.attemptsRange)
        )
    }
}

extension BusSettings {
    mutating func read(_ reader: SettingsReader) throws(SettingsError) {
        try reader.requireOnly([
            "directory", "workers", "worker_capacity", "drain", "open_requests_max", "open_bytes_max",
            "tenant_limits", "tenants", "kept_terminals_max", "dedup", "lease", "beat", "paid_deliveries_max",
            "deaths_max", "journal", "journal_bytes_max", "orphan",
        ])
        if let value = try reader.member("directory") { directory = try value.path() }
        if let value = try reader.member("workers") { workers = try value.int(in: Self.workersRange) }
        if let value = try reader.member("worker_capacity") {
            workerCapacity = try value.int(in: Self.workerCapacityRange)
        }
        if let value = try reader.member("drain") { drain = try value.duration(in: Self.drainRange) }
        if let value = try reader.member("open_requests_max") {
            openRequestsMax = try value.int(in: Self.openRequestsRange)
        }
        if let value = try reader.member("open_bytes_max") { openBytesMax = try value.int(in: Self.openBytesRange) }
        if let value = try reader.member("tenant_limits") { tenantLimits = try TenantSettings(reading: value) }
        if let value = try reader.member("tenants") { try readTenants(value) }
        if let value = try reader.member("kept_terminals_max") {
            keptTerminalsMax = try value.int(in: Self.keptTerminalsRange)
        }
        if let value = try reader.member("dedup") { dedup = try value.duration(in: Self.dedupRange) }
        if let value = try reader.member("lease") { lease = try value.duration(in: Self.leaseRange) }
        if let value = try reader.member("beat") {
            beat = try value.duration(in: Self.beatRange.lowerBound...min(lease / 3, Self.beatRange.upperBound))
        } else {
            beat = min(beat, max(Self.beatRange.lowerBound, .milliseconds((lease / 3).wholeMilliseconds)))
        }
        if let value = try reader.member("paid_deliveries_max") {
            paidDeliveriesMax = try value.int(in: Self.deliveriesRange)
        }
        if let value = try reader.member("deaths_max") { deathsMax = try value.int(in: Self.deliveriesRange) }
        if let value = try reader.member("journal") {
            if value.isString {
                journal = try value.path()
            } else if try value.bool() == false {
                isJournalled = false
            }
        }
        if let value = try reader.member("journal_bytes_max") {
            journalBytesMax = try value.int(in: Self.journalBytesRange)
        }
        if let value = try reader.member("orphan") { orphan = try value.duration(in: Self.orphanRange) }
    }

    private mutating func readTenants(_ reader: SettingsReader) throws(SettingsError) {
        tenants = [:]
        for (name, value) in try reader.members(max: Self.tenantCountMax) {
            guard let tenant = Tenant(name) else {
                throw value.failure("the tenant's name is wrong; expected uid- and a user's number, such as uid-1000")
            }
            tenants[tenant] = try TenantSettings(reading: value)
        }
    }
}

extension TenantSettings {
    /// Reads limits of one tenant. What is left out is not limited.
    init(reading reader: SettingsReader) throws(SettingsError) {
        try reader.requireOnly(["open_requests_max", "open_bytes_max", "rate", "burst"])
        openRequestsMax = try reader.member("open_requests_max")?.int(in: Self.openRequestsRange)
        openBytesMax = try reader.member("open_bytes_max")?.int(in: Self.openBytesRange)
        let burst = try reader.member("burst")
        if let rate = try reader.member("rate") {
            self.rate = Rate(
                requestsPerSecond: try rate.double(in: Self.rateRange),
                burst: try burst?.int(in: Self.burstRange)
            )
        } else if let burst {
            throw burst.failure("found a burst without a rate; expected a \"rate\" beside it")
        }
    }
}

extension TelemetrySettings {
    mutating func read(_ reader: SettingsReader) throws(SettingsError) {
        try reader.requireOnly(["database", "retention", "rows_max"])
        if let value = try reader.member("database") { database = try value.path() }
        if let value = try reader.member("retention") { retention = try value.duration(in: Self.retentionRange) }
        if let value = try reader.member("rows_max") { rowsMax = try value.int(in: Self.rowsRange) }
    }
}

extension MockSettings {
    mutating func read(_ reader: SettingsReader) throws(SettingsError) {
        try reader.requireOnly(["host", "port", "script", "replay", "idle_timeout"])
        if let value = try reader.member("host") { host = try value.nonEmptyString() }
        if let value = try reader.member("port") { port = UInt16(try value.int(in: 0...65535)) }
        if let value = try reader.member("script") { script = try value.path() }
        if let value = try reader.member("replay") { replay = try value.path() }
        if let value = try reader.member("idle_timeout") { idleTimeout = try value.duration(in: Self.idleTimeoutRange) }
    }
}
