/// The services of providers that the mock knows, by the end of a request's path.
enum Endpoint: Hashable, Sendable {
    /// OpenAI Chat Completions and its kin, `…/chat/completions`.
    case chat
    /// Anthropic Messages, `…/messages`. Answered from recordings and scripts.
    case messages
    /// Gemini, `…/models/<model>:generateContent`. Answered from recordings and scripts.
    case generate
    /// Gemini as a stream, `…/models/<model>:streamGenerateContent`. Answered from recordings and scripts.
    case streamGenerate

    /// The service at `path`, which has no query; nil for none of these.
    init?(path: some StringProtocol) {
        if path.hasSuffix("/chat/completions") {
            self = .chat
        } else if path.hasSuffix("/messages") {
            self = .messages
        } else if path.hasSuffix(":generateContent") {
            self = .generate
        } else if path.hasSuffix(":streamGenerateContent") {
            self = .streamGenerate
        } else {
            return nil
        }
    }

    /// The model that stands in the path, as Gemini's do; nil when the path names none.
    static func model(inPath path: some StringProtocol) -> String? {
        guard let component = path.split(separator: "/").last else { return nil }
        let parts = component.split(separator: ":", omittingEmptySubsequences: false)
        return parts.count == 2 && !parts[0].isEmpty ? String(parts[0]) : nil
    }

    /// The error envelope of the service.
    var errorBody: MockBody {
        switch self {
        case .chat: .openAI
        case .messages: .anthropic
        case .generate, .streamGenerate: .gemini
        }
    }
}
