public import CoreTypes
public import JSON

/// The body of a `REQUEST`: an OpenAI Chat Completions request, read only as far as Understudy must understand it.
///
/// The rest travels on byte for byte, white space and order included: prompt caches depend on both.
public struct ChatRequest: Sendable {
    /// The body as the agent sent it.
    public let body: Bytes
    /// Where its members lie.
    public let members: JSONMembers
    /// The body's `model`; nil when it is absent or null.
    public let model: String?
    /// The body's `fallback_models`; nil when it is absent or null.
    public let fallbackModels: [String]?

    /// Most entries of `fallback_models`; a chain may have no more.
    public static let fallbackModelsMax = 16

    /// Reads a body.
    ///
    /// - Throws: `invalid_request` naming what was found and what was expected: the body is no JSON object, `messages`
    ///   is absent, no array or empty, `model` is no string, or `fallback_models` is no list of strings.
    public init(_ body: Bytes) throws(DialectError) {
        do throws(JSONError) {
            members = try JSONMembers(scanning: body)
        } catch {
            throw DialectError(code: .invalidRequest, message: "the body is no JSON object: \(error)")
        }
        self.body = body
        try Self.checkMessages(members, body)
        switch try Self.value(of: "model", members, body) {
        case nil, .null?: model = nil
        case .string(let text)?: model = text
        case let other?: throw Self.wrong("model", other.kind, "a string")
        }
        switch try Self.value(of: "fallback_models", members, body) {
        case nil, .null?: fallbackModels = nil
        case .array(let list)?:
            guard list.count <= Self.fallbackModelsMax else {
                throw DialectError(
                    code: .invalidRequest,
                    message: "fallback_models has \(list.count) entries; expected at most \(Self.fallbackModelsMax)"
                )
            }
            var names: [String] = []
            for (index, entry) in list.enumerated() {
                guard case .string(let name) = entry else {
                    throw Self.wrong("fallback_models[\(index)]", entry.kind, "a string")
                }
                names.append(name)
            }
            fallbackModels = names
        case let other?: throw Self.wrong("fallback_models", other.kind, "an array of strings")
        }
    }

    private static func checkMessages(_ members: JSONMembers, _ body: Bytes) throws(DialectError) {
        guard let range = members.value(for: "messages"), let kind = members.kind(of: "messages") else {
            throw DialectError(code: .invalidRequest, message: "messages is missing; expected a non-empty array")
        }
        guard kind == .array else { throw wrong("messages", kind, "a non-empty array") }
        let isEmpty = unsafe body.withUnsafeBytes { buffer in
            unsafe buffer[range].dropFirst().dropLast().allSatisfy { $0 <= 0x20 }
        }
        guard !isEmpty else {
            throw DialectError(code: .invalidRequest, message: "messages is empty; expected a non-empty array")
        }
    }

    /// The value of a member that is small in every good request.
    private static func value(
        of key: String,
        _ members: JSONMembers,
        _ body: Bytes
    ) throws(DialectError) -> JSONValue? {
        guard let range = members.value(for: key) else { return nil }
        guard range.count <= 64 * 1024 else {
            throw DialectError(
                code: .invalidRequest,
                message: "\(key) has \(range.count) bytes; expected at most 65536"
            )
        }
        do throws(JSONError) {
            return try JSONValue(parsing: body, in: range)
        } catch {
            throw DialectError(code: .invalidRequest, message: "\(key) cannot be read: \(error)")
        }
    }

    private static func wrong(_ path: String, _ found: JSONKind, _ expected: String) -> DialectError {
        DialectError(code: .invalidRequest, message: "\(path) is \(found); expected \(expected)")
    }
}
