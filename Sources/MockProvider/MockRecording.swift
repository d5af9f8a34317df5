import JSON

/// Recorded exchanges that the mock answers with.
///
/// A call is answered by the exchanges
///
/// 1. whose name is the model's: in full or its part behind the last `/`, compared with the model in full or behind its
///    last `/`;
/// 2. else whose service and body are the call's, whatever the order of members;
/// 3. else whose service, model and kind (streamed or not) are the call's.
///
/// Where that names several exchanges, they take turns in their order. Where it names none, the model's name decides as
/// if there were no recording. Rules of the script come before; the behaviour ``MockBehaviour/Outcome/replay(_:)`` of a
/// rule names exchanges itself.
public struct MockRecording: Sendable {
    /// Most exchanges of a recording.
    public static let exchangesMax = 10_000

    /// The exchanges in their order.
    public let exchanges: [MockExchange]

    /// Exchanges that take turns, by index.
    let groups: [[Int]]
    private var groupsByName: [String: Int] = [:]
    private var groupsByBody: [MockExchange.Question: Int] = [:]
    private var groupsByModel: [MockExchange.Question: Int] = [:]

    /// Makes a recording of `exchanges`.
    ///
    /// - Throws: ``MockError`` of code `recording` when there are none, too many, or two of one name.
    public init(_ exchanges: [MockExchange]) throws(MockError) {
        guard !exchanges.isEmpty else {
            throw MockError(code: .recording, message: "there are no exchanges; expected at least one")
        }
        guard exchanges.count <= Self.exchangesMax else {
            let message = "expected at most \(Self.exchangesMax) exchanges, found \(exchanges.count)"
            throw MockError(code: .recording, message: message)
        }
        self.exchanges = exchanges
        var groups: [[Int]] = []
        func add<Key: Hashable>(_ index: Int, to table: inout [Key: Int], _ key: Key) {
            if let group = table[key] {
                groups[group].append(index)
            } else {
                table[key] = groups.count
                groups.append([index])
            }
        }
        for (index, exchange) in exchanges.enumerated() {
            guard groupsByName[exchange.name] == nil else {
                throw MockError(code: .recording, message: "two exchanges are called \"\(exchange.name)\"")
            }
            add(index, to: &groupsByName, exchange.name)
            guard var question = exchange.question else { continue }
            if question.body != nil { add(index, to: &groupsByBody, question) }
            question.body = nil
            if question.model != nil { add(index, to: &groupsByModel, question) }
        }
        // After all full names: a short one never hides a full one.
        var shortNames: [String: Int] = [:]
        for (index, exchange) in exchanges.enumerated() where groupsByName[exchange.name.afterLastSlash] == nil {
            add(index, to: &shortNames, exchange.name.afterLastSlash)
        }
        groupsByName.merge(shortNames) { full, _ in full }
        self.groups = groups
    }

    /// The group of exchanges that answers a call; nil when none does.
    func group(model: String, question: MockExchange.Question?) -> Int? {
        if let group = groupsByName[model] ?? groupsByName[model.afterLastSlash] { return group }
        guard var question else { return nil }
        if let group = groupsByBody[question] { return group }
        question.body = nil
        return groupsByModel[question]
    }

    /// The group of exchanges that were recorded with that very body; nil when there is none.
    func group(withBodyOf question: MockExchange.Question) -> Int? {
        groupsByBody[question]
    }

    /// The exchanges whose name is `pattern`, in full or behind its last `/`, or begins with what stands before its final
    /// `*`.
    func exchanges(named pattern: String) -> [Int] {
        if let prefix = pattern.withoutTrailingStar {
            return exchanges.indices.filter { exchanges[$0].name.hasPrefix(prefix) }
        }
        return groupsByName[pattern].map { groups[$0] } ?? []
    }
}
