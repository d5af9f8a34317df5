import BusProtocol
import Resilience

/// Which providers refuse a key or an account, or have no key: what only the operator can mend, while fallbacks hide it.
///
/// Each is told once, and again only after the provider has answered in between.
struct ProviderTroubles: Sendable {
    private var told: [String: Set<FailureClass>] = [:]

    /// The line for the operator that `entry` is worth; nil for none. Holds no text of a provider.
    ///
    /// - Parameter keyWords: What is known of a provider's key: its place, or why there is none. Never the key.
    mutating func note(for entry: TrailEntry, keyWords: (_ provider: String) -> String) -> String? {
        switch entry {
        case .attempt(let record):
            guard let failureClass = record.failureClass else {
                if !told.isEmpty { told[record.model.provider] = nil }
                return nil
            }
            guard let trouble = Self.trouble(failureClass), isNew(failureClass, record.model) else { return nil }
            let status = record.httpStatus.map { ", HTTP \($0)" } ?? ""
            let provider = record.model.provider
            return "provider \(provider) \(trouble) (\(failureClass.rawValue)\(status), model \(record.model)); "
                + keyWords(provider)
        case .skipped(let model, .noKey):
            guard isNew(.noKey, model) else { return nil }
            return "provider \(model.provider) is passed over (no_key, model \(model)): \(keyWords(model.provider))"
        case .skipped, .lostDelivery:
            return nil
        }
    }

    private mutating func isNew(_ failureClass: FailureClass, _ model: ModelName) -> Bool {
        told[model.provider, default: []].insert(failureClass).inserted
    }

    private static func trouble(_ failureClass: FailureClass) -> String? {
        switch failureClass {
        case .auth: "refuses the key"
        case .permission: "does not allow the key this"
        case .billing: "wants to be paid"
        default: nil
        }
    }
}
