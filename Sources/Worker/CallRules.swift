import BusProtocol
public import Configuration
import CoreTypes
import Dialects
import HTTPTransport
import Resilience

/// How requests become calls: the chain of models, the policy, the providers and their keys. What configuration and the
/// environment decide, as one value. Holds keys: it exists in worker processes only.
public struct CallRules: Sendable {
    let policy: RetryPolicy
    private let routing: ModelRouting
    private let settings: Settings
    private let keys: KeyRing
    /// By the names of providers that have a key.
    private let masks: [String: KeyMask]

    /// Room that a terminal's record and frames have beside the provider's body within the protocol's limit.
    private static let recordBytesMax = 64 << 10

    /// Takes what is configured, and the keys found for it.
    public init(settings: Settings, keys: KeyRing) {
        self.settings = settings
        self.keys = keys
        masks = settings.providers.compactMapValues { provider in
            guard case .present(let secret, _) = keys[provider.name] else { return nil }
            return KeyMask(secret.expose())
        }
        policy = settings.policy
        routing = settings.routing
    }

    /// The models that `request` may be answered by.
    ///
    /// - Throws: `unknown_model` or `chain_too_long`.
    func chain(of request: ChatRequest) throws(ResilienceError) -> ModelChain {
        try routing.chain(requested: request.model, fallbacks: request.fallbackModels) { model in
            settings.facts(of: model, keys: keys)
        }
    }

    /// The lane that a call to `model` uses, as `START` says it. The key's label names its source.
    func lane(of model: ModelName) -> Lane {
        let label =
            switch keys[model.provider] {
            case .present(_, let label): label
            case .notNeeded, .missing: "none"
            }
        return Lane(provider: model.provider, model: model.model, key: label)
    }

    /// What the operator may know of a provider's key: where it is, or why there is none.
    func keyWords(of provider: String) -> String {
        switch keys[provider] {
        case .present(_, let label): "its key is that of \(label)"
        case .notNeeded: "it is configured without a key"
        case .missing(let reason): reason
        }
    }

    /// The HTTP call of an attempt.
    ///
    /// - Parameters:
    ///   - owner: Tenant and id, `uid-1000/abc`: providers and the mock provider see it in a header.
    ///   - request: The agent's body. Whether it asked for a stream is not looked at: answers come whole. A stream would
    ///     be asked of the dialect here, and its pieces sent as `CHUNK` by the shell.
    func httpRequest(_ plan: AttemptPlan, owner: String, _ request: ChatRequest) -> HTTPRequest {
        guard let provider = settings.providers[plan.model.provider] else {
            preconditionFailure("an attempt at \(plan.model), whose provider is not configured")
        }
        let key: String? =
            switch keys[provider.name] {
            case .present(let secret, _): secret.expose()
            case .notNeeded, .missing: nil
            }
        let made = Self.dialect(of: provider).makeRequest(request, model: plan.model.model, stream: false, key: key)
        let ours = [
            ("User-Agent", "understudy"), ("x-understudy-request-id", owner),
            ("x-understudy-attempt", "\(plan.attempt)"),
        ]
        var call = HTTPRequest(
            method: .post,
            url: provider.baseURL.text + made.path,
            headers: made.headers + ours,
            body: Bytes(made.body),
            connectTimeout: plan.timers.connect,
            totalTimeout: plan.timers.attempt,
            responseBodyBytesMax: Limits.bodyBytesMax - Self.recordBytesMax
        )
        call.needsFreshConnection = plan.needsFreshConnection
        return call
    }

    /// What the answer of `model`'s provider means.
    ///
    /// - Parameter wallNow: The time of day in Unix milliseconds.
    func read(_ response: HTTPResponse, from model: ModelName, wallNow: Int64) -> CallResult {
        guard let provider = settings.providers[model.provider] else {
            preconditionFailure("an answer of \(model), whose provider is not configured")
        }
        let body = Bytes(response.body)
        switch Self.dialect(of: provider).readReply(
            status: response.status,
            headers: response.headers,
            body: body,
            wallNow: wallNow
        ) {
        case .success(var summary):
            summary.timeToFirstToken = response.phases.firstByte
            // What goes into telemetry; the body belongs to the agent as it is.
            if let mask = masks[provider.name] {
                summary.responseModel = summary.responseModel.map { mask.masked($0) }
                summary.finishReason = summary.finishReason.map { mask.masked($0) }
            }
            return .answered(summary, body: body)
        case .failure(let failure):
            return .failed(masks[provider.name]?.masked(failure) ?? failure)
        }
    }

    private static func dialect(of provider: ProviderSettings) -> any Dialect {
        switch provider.dialect {
        case .openAIChat: OpenAIChat()
        }
    }
}

/// How a call ended, for the session.
enum CallResult: Sendable {
    /// A good reply; `body` goes to the agent byte for byte.
    case answered(ReplySummary, body: Bytes)
    /// None.
    case failed(AttemptFailure)
}
