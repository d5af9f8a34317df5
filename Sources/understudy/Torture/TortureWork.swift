import BusProtocol
import CoreTypes

/// Which requests agents under torture make: most are answered, some after failures, some slowly, some never.
struct TortureWork {
    private var random: SeededGenerator
    private let prefix: String
    private var last = 0

    /// - Parameter prefix: Of the ids; no other agent and no former life of this one has it.
    init(seed: UInt64, prefix: String) {
        random = SeededGenerator(seed: seed)
        self.prefix = prefix
    }

    /// The next request.
    mutating func next() -> AgentLog.Work {
        last += 1
        let model =
            switch Int.random(in: 0..<100, using: &random) {
            case 0..<60: "mock/ok+\(Int.random(in: 5...300, using: &random))"
            case 60..<75: "mock/ok+\(Int.random(in: 500...2500, using: &random))"
            case 75..<85: "mock/fail-first-2"
            case 85..<92: "mock/status-503"
            case 92..<97: "mock/reset"
            default: "mock/status-400"
            }
        return AgentLog.Work(
            id: "\(prefix).\(last)",
            model: model,
            byteCount: Int.random(in: 0..<20, using: &random) == 0
                ? Int.random(in: 10_000...100_000, using: &random) : Int.random(in: 10...500, using: &random),
            durability: Int.random(in: 0..<100, using: &random) < 90 ? .disk : .memory,
            onLoss: Int.random(in: 0..<100, using: &random) < 80 ? .retry : .fail
        )
    }

    /// Whether the answer is to be read a second time before it is acknowledged.
    mutating func readsTwice() -> Bool { Int.random(in: 0..<4, using: &random) == 0 }

    /// After how many milliseconds the request is cancelled; nil for most.
    mutating func cancelsAfter() -> Int? {
        Int.random(in: 0..<25, using: &random) == 0 ? Int.random(in: 0...300, using: &random) : nil
    }
}

extension AgentLog.Work {
    /// The body; the same for the same work.
    var body: [UInt8] {
        let fallbacks = model == "mock/reset" ? #"["mock/ok"]"# : "[]"
        let text = String(repeating: "x", count: byteCount)
        return Array(
            #"{"model":"\#(model)","fallback_models":\#(fallbacks),"messages":[{"role":"user","content":"\#(text)"}]}"#
                .utf8
        )
    }

    /// The header.
    var header: RequestHeader {
        RequestHeader(deadline: .seconds(120), durability: durability, onLoss: onLoss, task: id)
    }
}
