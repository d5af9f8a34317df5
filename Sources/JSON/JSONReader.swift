/// Typed reading of a tree; every error names the path, what was found and what was expected.
///
/// ```swift
/// let policy = try JSONReader(value, source: "understudy.json").member("policy")
/// try policy.requireOnly(["attempts", "jitter"])
/// let attempts = try policy.member("attempts").int(in: 1...10)
/// ```
public struct JSONReader: Sendable {
    /// The steps down to a reader's parent.
    private final class Trail: Sendable {
        let parent: Trail?
        let step: PathStep

        init(parent: Trail?, step: PathStep) {
            self.parent = parent
            self.step = step
        }
    }

    /// The value at this place.
    public let value: JSONValue
    /// The document's name for error messages, such as its file.
    public let source: String?
    private let parent: Trail?
    /// The last step of the path; nil for the document itself.
    private let step: PathStep?

    /// Starts reading at the document itself.
    public init(_ value: JSONValue, source: String? = nil) {
        self.value = value
        self.source = source
        parent = nil
        step = nil
    }

    /// Parses `bytes` and starts reading; a parsing error carries the source too.
    public init(parsing bytes: [UInt8], source: String? = nil, limits: JSONLimits = .body) throws(JSONError) {
        do throws(JSONError) {
            self.init(try JSONValue(parsing: bytes, limits: limits), source: source)
        } catch {
            var error = error
            error.source = source
            throw error
        }
    }

    private init(_ value: JSONValue, source: String?, parent: Trail?, step: PathStep) {
        self.value = value
        self.source = source
        self.parent = parent
        self.step = step
    }

    /// This reader's place, as in `$.models[2].name`.
    public var path: String {
        var steps: [PathStep] = step.map { [$0] } ?? []
        var node = parent
        while let current = node {
            steps.append(current.step)
            node = current.parent
        }
        return PathStep.path(steps.reversed())
    }

    /// True when the value is null.
    public var isNull: Bool { value.isNull }

    // MARK: Members and elements

    /// The member `key`, which must be present; it may be null.
    public func member(_ key: String) throws(JSONError) -> JSONReader {
        guard let found = try object()[key] else {
            throw failure(.missingMember, "the member \(PathStep.quoted(key)) is missing")
        }
        return JSONReader(found, source: source, parent: trail, step: .key(key))
    }

    /// The member `key`; nil when it is absent or null.
    public func optionalMember(_ key: String) throws(JSONError) -> JSONReader? {
        guard let found = try object()[key], !found.isNull else { return nil }
        return JSONReader(found, source: source, parent: trail, step: .key(key))
    }

    /// All members in their order.
    public func members() throws(JSONError) -> [(key: String, value: JSONReader)] {
        let trail = trail
        return try object().map { (key: $0.key, value: child($0.value, trail, .key($0.key))) }
    }

    /// All elements in their order.
    public func array() throws(JSONError) -> [JSONReader] {
        guard case .array(let elements) = value else { throw wrongType("an array") }
        let trail = trail
        return elements.enumerated().map { child($0.element, trail, .index($0.offset)) }
    }

    /// The object itself.
    public func object() throws(JSONError) -> JSONObject {
        guard case .object(let object) = value else { throw wrongType("an object") }
        return object
    }

    /// Refuses every member whose key is not in `known`.
    public func requireOnly(_ known: [String]) throws(JSONError) {
        for (key, value) in try object() where !known.contains(where: { ByteKey.same($0, key) }) {
            let list = known.isEmpty ? "no members" : known.joined(separator: ", ")
            throw child(value, trail, .key(key)).failure(.unknownMember, "unknown key; expected \(list)")
        }
    }

    // MARK: Scalars

    /// The string.
    public func string() throws(JSONError) -> String {
        guard case .string(let text) = value else { throw wrongType("a string") }
        return text
    }

    /// The string, which must hold a character other than white space.
    public func nonEmptyString() throws(JSONError) -> String {
        guard case .string(let text) = value else { throw wrongType("a string that is not empty") }
        guard text.contains(where: { !$0.isWhitespace }) else {
            throw failure(.outOfRange, "expected a string that is not empty, found \(PathStep.quoted(text))")
        }
        return text
    }

    /// The string, which must be one of `allowed`.
    public func oneOf(_ allowed: [String]) throws(JSONError) -> String {
        let list = allowed.map { "\"\($0)\"" }.joined(separator: ", ")
        guard case .string(let text) = value else { throw wrongType("one of \(list)") }
        guard allowed.contains(where: { ByteKey.same($0, text) }) else {
            throw failure(.notAllowed, "expected one of \(list), found \(PathStep.quoted(text))")
        }
        return text
    }

    /// The integer, which must lie in `range`.
    public func int(in range: ClosedRange<Int> = .min ... .max) throws(JSONError) -> Int {
        Int(try int64(in: Int64(range.lowerBound)...Int64(range.upperBound)))
    }

    /// The integer, which must lie in `range`.
    public func int64(in range: ClosedRange<Int64> = .min ... .max) throws(JSONError) -> Int64 {
        guard case .number(let number) = value else { throw wrongType(Self.integer(in: range)) }
        guard let found = number.int64 else { throw unfit(number, Self.integer(in: range)) }
        guard range.contains(found) else { throw unfit(number, Self.integer(in: range)) }
        return found
    }

    /// The unsigned integer, which must lie in `range`.
    public func uint64(in range: ClosedRange<UInt64> = .min ... .max) throws(JSONError) -> UInt64 {
        let expected = "an integer in \(range.lowerBound)...\(range.upperBound)"
        guard case .number(let number) = value else { throw wrongType(expected) }
        guard let found = number.uint64, range.contains(found) else { throw unfit(number, expected) }
        return found
    }

    /// The number, which must be finite and lie in `range`.
    public func double(
        in range: ClosedRange<Double> = -Double.greatestFiniteMagnitude...Double.greatestFiniteMagnitude
    ) throws(JSONError) -> Double {
        let isLimited = range.upperBound < .greatestFiniteMagnitude || range.lowerBound > -.greatestFiniteMagnitude
        let expected = isLimited ? "a number in \(range.lowerBound)...\(range.upperBound)" : "a number"
        guard case .number(let number) = value else { throw wrongType(expected) }
        let found = number.double
        guard range.contains(found) else { throw unfit(number, expected) }
        return found
    }

    /// The boolean.
    public func bool() throws(JSONError) -> Bool {
        guard case .bool(let found) = value else { throw wrongType("true or false") }
        return found
    }

    // MARK: Errors

    /// An error at this place, for checks that only the caller can make.
    ///
    /// - Parameters:
    ///   - code: The reason.
    ///   - message: What was found and what was expected.
    public func failure(_ code: JSONError.Code, _ message: String) -> JSONError {
        JSONError(code: code, message: message, path: path, source: source)
    }

    private func wrongType(_ expected: String) -> JSONError {
        failure(.wrongType, "expected \(expected), found \(value.kind)")
    }

    private func unfit(_ number: JSONNumber, _ expected: String) -> JSONError {
        let text = number.text.utf8.count > 40 ? "\(number.text.prefix(40))..." : number.text
        return failure(.outOfRange, "expected \(expected), found \(text)")
    }

    private static func integer(in range: ClosedRange<Int64>) -> String {
        range == .min ... .max ? "an integer" : "an integer in \(range.lowerBound)...\(range.upperBound)"
    }

    private var trail: Trail? {
        step.map { Trail(parent: parent, step: $0) }
    }

    private func child(_ value: JSONValue, _ trail: Trail?, _ step: PathStep) -> JSONReader {
        JSONReader(value, source: source, parent: trail, step: step)
    }
}
