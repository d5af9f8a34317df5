public import CoreTypes
public import Resilience

/// What one kind of provider speaks: how a request is put to it, and what its answer means. Pure.
///
/// The seam for Anthropic's and Gemini's own interfaces and for streaming.
public protocol Dialect: Sendable {
    /// Puts `request` to the model called `model` at the provider.
    ///
    /// - Parameters:
    ///   - model: The model's name as the provider knows it.
    ///   - stream: Whether the answer is to be streamed.
    ///   - key: The provider's key; nil for a server that wants none.
    func makeRequest(_ request: ChatRequest, model: String, stream: Bool, key: String?) -> ProviderRequest

    /// Reads a whole answer.
    ///
    /// - Parameters:
    ///   - headers: Names in any case.
    ///   - wallNow: The time of day in Unix milliseconds, for waits that are named as a date.
    func readReply(status: Int, headers: [(String, String)], body: Bytes, wallNow: Int64) -> ReplyReading
}

/// The part of an HTTP request that a dialect decides. Always `POST`.
public struct ProviderRequest: Sendable {
    /// What follows the base URL, with a slash in front.
    public var path: String
    /// Name and value of each header field. Holds the key: never for a log.
    public var headers: [(String, String)]
    /// The body.
    public var body: [UInt8]

    /// Makes a request.
    public init(path: String, headers: [(String, String)], body: [UInt8]) {
        self.path = path
        self.headers = headers
        self.body = body
    }
}

/// What an answer means. The body of a good one is passed on byte for byte.
public enum ReplyReading: Sendable, Hashable {
    /// A good reply.
    case success(ReplySummary)
    /// No good reply, whatever the status says.
    case failure(AttemptFailure)
}
