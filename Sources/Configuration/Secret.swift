/// A text that must not be printed: an API key.
///
/// Every way of turning it into text (`description`, interpolation, `dump`, a debugger) gives `<secret>`. The text
/// itself leaves only by ``expose()``, so that the places that use it can be searched for.
public struct Secret: Sendable, Hashable {
    private let text: String

    /// Longest key, in bytes; longer ones are no keys but a mistaken file.
    public static let bytesMax = 8192

    /// Hides `text`.
    public init(_ text: String) {
        self.text = text
    }

    /// The hidden text, for the header of a call and nothing else.
    public func expose() -> String { text }
}

extension Secret: CustomStringConvertible, CustomDebugStringConvertible, CustomReflectable {
    public var description: String { "<secret>" }
    public var debugDescription: String { "<secret>" }
    public var customMirror: Mirror { Mirror(self, children: [:]) }
}
