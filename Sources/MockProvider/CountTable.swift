/// Counts calls: in all, per model, per request id, and per both.
///
/// Bounded: 4096 models, ``countedIDsMax`` ids. What is beyond counts in the totals only.
struct CountTable {
    /// Most model names that are counted one by one.
    static let modelCountMax = 4096

    /// The numbers of one call, each starting at 1.
    struct CallNumbers: Equatable {
        /// Among the calls to its model.
        var ofModel: Int
        /// Among the calls of its request id to its model; nil without a request id.
        var ofRequest: Int?
    }

    /// Calls of one request id. Most ids go to one model, so the first lies inline.
    private struct RequestCount {
        var calls: UInt32 = 0
        var firstModel: UInt16 = 0
        var firstModelCalls: UInt32 = 0
        var furtherModels: [UInt16: UInt32] = [:]
    }

    private let countedIDsMax: Int
    private(set) var total = 0
    private(set) var withoutID = 0
    private(set) var uncountedIDs = 0
    private(set) var aborted = 0
    private var modelIndexes: [String: UInt16] = [:]
    private var modelCalls: [Int] = []
    private var requests: [String: RequestCount] = [:]
    private var playedCalls: [String: Int] = [:]

    init(countedIDsMax: Int) {
        self.countedIDsMax = max(0, countedIDsMax)
    }

    /// Counts a call; `model` is nil when the request named none.
    mutating func count(model: String?, id: String?) -> CallNumbers {
        total += 1
        var numbers = CallNumbers(ofModel: 1, ofRequest: id == nil ? nil : 1)
        var index: UInt16?
        if let model { index = self.index(ofModel: model) }
        if let index {
            modelCalls[Int(index)] += 1
            numbers.ofModel = modelCalls[Int(index)]
        }
        guard let id else {
            withoutID += 1
            return numbers
        }
        if requests.count >= countedIDsMax, requests[id] == nil {
            uncountedIDs += 1
            return numbers
        }
        numbers.ofRequest = Self.count(&requests[id, default: RequestCount()], model: index)
        return numbers
    }

    private static func count(_ request: inout RequestCount, model: UInt16?) -> Int {
        request.calls += 1
        guard let model else { return Int(request.calls) }
        if request.firstModelCalls == 0 { request.firstModel = model }
        if request.firstModel == model {
            request.firstModelCalls += 1
            return Int(request.firstModelCalls)
        }
        request.furtherModels[model, default: 0] += 1
        return Int(request.furtherModels[model, default: 1])
    }

    private mutating func index(ofModel model: String) -> UInt16? {
        if let known = modelIndexes[model] { return known }
        guard modelCalls.count < Self.modelCountMax else { return nil }
        let index = UInt16(modelCalls.count)
        modelIndexes[model] = index
        modelCalls.append(0)
        return index
    }

    /// Notes how a counted call was played.
    mutating func notePlayed(_ word: String) {
        playedCalls[word, default: 0] += 1
    }

    /// Notes that the client closed before the whole answer was sent.
    mutating func noteAborted() {
        aborted += 1
    }

    /// Calls of one request id, in all and per model; zero and empty for an unknown id.
    func calls(of id: String) -> (total: Int, models: [String: Int]) {
        guard let request = requests[id] else { return (0, [:]) }
        var models: [String: Int] = [:]
        for (name, index) in modelIndexes {
            let calls =
                request.firstModelCalls > 0 && request.firstModel == index
                ? request.firstModelCalls : request.furtherModels[index] ?? 0
            if calls > 0 { models[name] = Int(calls) }
        }
        return (Int(request.calls), models)
    }

    /// All counts; the ones per request id are left out unless `withRequests`.
    func snapshot(withRequests: Bool = true) -> MockCounts {
        var counts = MockCounts()
        counts.total = total
        counts.requests = withRequests ? requests.mapValues { Int($0.calls) } : [:]
        counts.models = modelIndexes.mapValues { modelCalls[Int($0)] }
        counts.statuses = playedCalls
        counts.aborted = aborted
        counts.withoutID = withoutID
        counts.uncountedIDs = uncountedIDs
        return counts
    }
}
