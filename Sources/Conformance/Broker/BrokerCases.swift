/// What a broker is examined for, in the order of `protocol/conformance.md`.
enum BrokerCases {
    static let all: [ConformanceCase<BrokerExam>] =
        (messages + requests + endings + workers + losses + service + restart).sorted { $0.place < $1.place }
}
