/// A model at a provider, written `provider/model`.
///
/// The provider is what stands before the first `/`; the rest may hold more of them
/// (`openrouter/anthropic/claude-sonnet-4`). Two spellings of one provider (`gemini/…` and `google/…`) give equal names.
public struct ModelName: Hashable, Sendable, CustomStringConvertible {
    /// The configured provider's name.
    public let provider: String
    /// The model's name as the provider knows it.
    public let model: String

    /// Longest text that is read as a model's name, in bytes.
    public static let textBytesMax = 256

    /// Makes the name of `model` at `provider`.
    public init(provider: String, model: String) {
        self.provider = provider
        self.model = model
    }

    /// Reads `text` as a model of one of `providers`.
    ///
    /// White space around the text is ignored. A text without a known provider in front belongs as a whole to
    /// `defaultProvider`.
    ///
    /// - Returns: Nil when the text is blank, longer than ``textBytesMax`` or holds control characters, when no model is
    ///   left after the provider, or when no provider takes it.
    public init?(_ text: String, providers: Set<String>, defaultProvider: String?) {
        let trimmed = text.trimmingBlanks()
        guard !trimmed.isEmpty, trimmed.utf8.count <= Self.textBytesMax else { return nil }
        guard !trimmed.hasControlCharacters else { return nil }
        if let slash = trimmed.utf8.firstIndex(of: UInt8(ascii: "/")) {
            let prefix = String(trimmed[..<slash])
            if let provider = Self.provider(named: prefix, among: providers) {
                let model = String(trimmed[trimmed.index(after: slash)...])
                guard !model.isEmpty else { return nil }
                self.init(provider: provider, model: model)
                return
            }
        }
        guard let defaultProvider else { return nil }
        self.init(provider: defaultProvider, model: trimmed)
    }

    /// `provider/model`; only the model when there is no provider, as for a name that leads to none.
    public var description: String { provider.isEmpty ? model : "\(provider)/\(model)" }

    /// The configured provider that `prefix` means: Google's models are called both `google/…` and `gemini/…`.
    private static func provider(named prefix: String, among providers: Set<String>) -> String? {
        let candidates = prefix == "google" || prefix == "gemini" ? ["google", "gemini"] : [prefix]
        return candidates.first { providers.contains($0) }
    }
}

extension String {
    /// True when it cannot be shown as it is.
    var hasControlCharacters: Bool { utf8.contains { $0 < 0x20 || $0 == 0x7F } }

    /// The text without spaces, tabs and line ends at both ends.
    func trimmingBlanks() -> String {
        func isBlank(_ byte: UInt8) -> Bool { byte == 0x20 || (0x09...0x0D).contains(byte) }
        let bytes = utf8
        guard let first = bytes.firstIndex(where: { !isBlank($0) }),
            let last = bytes.lastIndex(where: { !isBlank($0) })
        else { return "" }
        return String(self[first...last])
    }
}
