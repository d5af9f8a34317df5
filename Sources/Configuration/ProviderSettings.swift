/// How one provider is reached.
public struct ProviderSettings: Sendable, Hashable {
    /// What a provider speaks. The raw value stands in configuration.
    public enum Dialect: String, Sendable, Hashable, CaseIterable {
        /// OpenAI's Chat Completions, which most providers and servers offer.
        case openAIChat = "openai-chat"
    }

    /// The name in front of its models' names: `openai` in `openai/gpt-4o`.
    public var name: String
    /// What it speaks.
    public var dialect: Dialect
    /// Where its API lies; the dialect's paths are appended.
    public var baseURL: BaseURL
    /// Where its key comes from.
    public var key: KeySource

    /// Most providers in one configuration.
    public static let countMax = 256
    /// Longest name, in bytes.
    public static let nameBytesMax = 64
    /// What ``isName(_:)`` takes, for error texts.
    static let nameExpectation = "a name of 1 to 64 letters, digits, '.', '_' and '-'"

    /// Makes the settings of one provider.
    public init(name: String, dialect: Dialect = .openAIChat, baseURL: BaseURL, key: KeySource) {
        self.name = name
        self.dialect = dialect
        self.baseURL = baseURL
        self.key = key
    }

    /// Whether `text` can be a provider's name. A `/` cannot be in it: it ends the name in `provider/model`.
    public static func isName(_ text: String) -> Bool {
        (1...nameBytesMax).contains(text.utf8.count)
            && text.utf8.allSatisfy { byte in
                switch byte {
                case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                    UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "."), UInt8(ascii: "_"), UInt8(ascii: "-"):
                    true
                default: false
                }
            }
    }
}
