import JSON

/// What an error body says, taken out of whatever envelope it came in.
///
/// Envelopes seen: `error` object, `error` string, `error.error`, flat (`object: error`), `message` or `detail` alone,
/// an array round the object, JSON inside a string in `metadata.raw`, Google's `details`.
struct ErrorEvidence {
    /// `code`, `type`, `status` and `reason` words, in lower case.
    private(set) var codes = Set<String>()
    /// The texts for people, the outermost first.
    private(set) var messages: [String] = []
    /// An HTTP status that stands in the body.
    private(set) var status: Int?
    /// `RetryInfo.retryDelay`.
    private(set) var retryDelay: String?
    /// `QuotaFailure.violations[].quotaId`.
    private(set) var quotaIDs: [String] = []

    /// Deepest envelope that is opened. The deepest seen is 4.
    private static let depthMax = 6
    /// Most texts that are kept.
    private static let messagesMax = 16

    /// Nothing known.
    init() {}

    /// Takes the evidence out of `body`.
    init(_ body: JSONValue) {
        collect(body, depth: 0)
    }

    /// Plain text in place of JSON.
    init(text: String) {
        keep(text)
    }

    /// All texts in lower case, with a line for each.
    var text: String { messages.joined(separator: "\n").lowercased() }

    private mutating func collect(_ value: JSONValue, depth: Int) {
        guard depth < Self.depthMax, messages.count < Self.messagesMax else { return }
        switch value {
        case .object(let object):
            collect(object, depth: depth)
        case .array(let list):
            for element in list.prefix(8) { collect(element, depth: depth + 1) }
        case .string(let text):
            // An error inside an error: some gateways put the upstream's JSON into a string.
            if text.utf8.first(where: { $0 > 0x20 }) == UInt8(ascii: "{"), let inner = try? JSONValue(parsing: text) {
                collect(inner, depth: depth + 1)
            } else {
                keep(text)
            }
        case .null, .bool, .number:
            break
        }
    }

    /// Keeps a text that says something.
    private mutating func keep(_ text: String) {
        if text.utf8.contains(where: { $0 > 0x20 }) { messages.append(text) }
    }

    private mutating func collect(_ object: JSONObject, depth: Int) {
        for key in ["error", "message", "detail"] {
            if let value = object[key] { collect(value, depth: depth + 1) }
        }
        for key in ["code", "type", "status", "reason", "error_code"] { collectCode(object[key]) }
        for key in ["status_code", "raw_status_code"] { collectStatus(object[key]) }
        for key in ["innererror", "inner_error", "details", "metadata"] {
            switch object[key] {
            case .object(let inner)?: collect(inner, depth: depth + 1)
            case .array(let list)?:
                for element in list.prefix(8) { collect(element, depth: depth + 1) }
            default: break
            }
        }
        if let raw = object["raw"] { collect(raw, depth: depth + 1) }
        if let delay = object["retryDelay"]?.stringValue { retryDelay = retryDelay ?? delay }
        for violation in (object["violations"]?.arrayValue ?? []).prefix(16) {
            if let id = violation["quotaId"]?.stringValue { quotaIDs.append(id) }
        }
    }

    private mutating func collectCode(_ value: JSONValue?) {
        switch value {
        case .string(let text)?:
            if let number = Int(text) { collectStatus(JSONValue(number)) }
            codes.insert(String(text.prefix(128)).lowercased())
        case .number?: collectStatus(value)
        default: break
        }
    }

    private mutating func collectStatus(_ value: JSONValue?) {
        guard let number = value?.intValue, (400...599).contains(number) else { return }
        status = status ?? number
    }
}
