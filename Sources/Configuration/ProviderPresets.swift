extension ProviderSettings {
    /// The providers that exist without configuration, and whose entries in a configuration may be left short.
    public static let presets: [String: ProviderSettings] = {
        var presets: [String: ProviderSettings] = [:]
        for (name, base, variables) in table {
            guard let baseURL = BaseURL(base) else {
                preconditionFailure("preset \(name) has a wrong base URL \(base)")
            }
            presets[name] = ProviderSettings(name: name, baseURL: baseURL, key: .environment(variables))
        }
        return presets
    }()

    /// The providers of the article's chain; Anthropic and Google by their OpenAI-compatible endpoints.
    private static let table: [(name: String, baseURL: String, keyVariables: [String])] = [
        ("anthropic", "https://api.anthropic.com/v1", ["ANTHROPIC_API_KEY"]),
        ("google", "https://generativelanguage.googleapis.com/v1beta/openai", ["GEMINI_API_KEY", "GOOGLE_API_KEY"]),
        ("openai", "https://api.openai.com/v1", ["OPENAI_API_KEY"]),
    ]
}
