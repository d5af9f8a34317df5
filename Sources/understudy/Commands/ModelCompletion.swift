import ArgumentParser
import Configuration
import Resilience

extension CompletionKind {
    /// The models that the configuration names; none when it cannot be read.
    static var configuredModels: CompletionKind {
        .custom { _, _, _ in
            guard let settings = try? SettingsLoader().load(path: nil) else { return [] }
            let routing = settings.routing
            return [routing.defaultChatModel].compactMap(\.self) + routing.fallbackModels
        }
    }
}
