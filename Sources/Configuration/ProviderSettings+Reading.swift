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
