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

extension ModelSettings {
    init(reading reader: SettingsReader) throws(SettingsError) {
        try reader.requireOnly(["context_window", "attempts_per_model"])
        self.init(
            contextWindow: try reader.member("context_window")?.int(in: Self.contextWindowRange),
            attempts: try reader.member("attempts_per_model")?.int(in: Self.attemptsRange)
        )
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
