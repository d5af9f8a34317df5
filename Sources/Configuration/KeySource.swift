/// Where the key of a provider comes from. Only a worker reads it; all other roles know no more than this.
public enum KeySource: Sendable, Hashable {
    /// The first of these environment variables that is set and not empty. Never an empty list.
    case environment([String])
    /// A file that holds the key and nothing else; white space around it is ignored. An absolute path.
    case file(String)
    /// The provider takes no key, as servers of one's own often do.
    case none

    /// What is known of a key without reading it into anything that lasts.
    public enum Status: Sendable, Hashable {
        /// There is a key; `label` names its source.
        case present(label: String)
        /// None is needed.
        case notNeeded
        /// There is none, or it cannot be a key; `reason` says why and what to do.
        case missing(reason: String)
    }

    /// Environment variables that may hold the key; empty for other sources.
    public var environmentNames: [String] {
        if case .environment(let names) = self { return names }
        return []
    }

    /// Whether the key is there, without giving it away.
    public func status(environment: [String: String]) -> Status {
        switch read(environment: environment) {
        case .present(_, let label): .present(label: label)
        case .notNeeded: .notNeeded
        case .missing(let reason): .missing(reason: reason)
        }
    }

    /// Reads the key. For workers only.
    ///
    /// A file is read by blocking calls; it is small.
    public func read(environment: [String: String]) -> ProviderKey {
        switch self {
        case .none:
            return .notNeeded
        case .environment(let names):
            for name in names {
                guard let text = environment[name], !text.isEmpty else { continue }
                return Self.key(in: text, label: name, place: "the environment variable \(name)")
            }
            let list = names.joined(separator: " or ")
            return .missing(reason: "\(list) is not set; export it before the start")
        case .file(let path):
            do throws(SettingsError) {
                let bytes = try SmallFile.read(path, bytesMax: Secret.bytesMax)
                guard let text = String(validating: bytes, as: UTF8.self) else {
                    return .missing(reason: "the file \(path) is not UTF-8; expected a key and nothing else")
                }
                return Self.key(in: text, label: path, place: "the file \(path)")
            } catch {
                return .missing(reason: error.message)
            }
        }
    }

    /// Checks that `text` can stand in a header: a line end in it would let it write headers of its own.
    private static func key(in text: String, label: String, place: String) -> ProviderKey {
        let key = text.trimmingBlanks()
        guard !key.isEmpty else { return .missing(reason: "\(place) is empty; expected a key") }
        guard key.utf8.count <= Secret.bytesMax else {
            return .missing(reason: "\(place) holds \(key.utf8.count) bytes; expected at most \(Secret.bytesMax)")
        }
        guard key.utf8.allSatisfy({ (0x21...0x7E).contains($0) }) else {
            return .missing(reason: "\(place) holds blanks or characters that no key has; expected one word of ASCII")
        }
        return .present(Secret(key), label: label)
    }
}
