public import BusProtocol

/// The history of a request at one worker: an entry per attempt, per lost delivery and per skipped model, in order.
///
/// Bounded by the chain: at most 16 models with 10 attempts each, and ``lostDeliveriesMax`` lost deliveries.
public struct Trail: Sendable, Hashable {
    /// The entries, oldest first.
    public private(set) var entries: [TrailEntry]
    /// Attempts that were made before this delivery.
    public let earlierAttempts: Int
    /// Time from the acceptance of the request to this delivery.
    public let queued: Duration
    /// Time spent waiting in this delivery so far: between attempts, and for one that the broker had put off.
    public private(set) var waited: Duration = .zero

    /// Most lost deliveries that are kept; more cannot come, for two paid deliveries or three deaths end a request.
    public static let lostDeliveriesMax = 8

    /// Begins a trail.
    ///
    /// - Parameters:
    ///   - lostDeliveries: The deliveries that were lost before, oldest first.
    ///   - earlierAttempts: Attempts made in them.
    ///   - queued: Time that passed before this delivery.
    public init(lostDeliveries: [LostDelivery] = [], earlierAttempts: Int = 0, queued: Duration = .zero) {
        entries = lostDeliveries.suffix(Self.lostDeliveriesMax).map { .lostDelivery($0) }
        self.earlierAttempts = earlierAttempts
        self.queued = max(queued, .zero)
    }

    /// The attempts of this delivery.
    public var attempts: [AttemptRecord] {
        entries.compactMap { entry in
            if case .attempt(let record) = entry { record } else { nil }
        }
    }

    /// Whether a provider may have charged for any attempt of the request. Of those in lost deliveries nothing is known.
    public var mayBeBilled: Bool { earlierAttempts > 0 || attempts.contains(where: \.mayBeBilled) }

    /// The latest attempt of this delivery; nil when there is none.
    public var lastAttempt: AttemptRecord? {
        for entry in entries.reversed() {
            if case .attempt(let record) = entry { return record }
        }
        return nil
    }

    /// Moves to another model up to the latest attempt, skipped models included.
    var fallbacks: Int {
        guard let last = lastAttempt else { return 0 }
        var models = Set<ModelName>()
        for entry in entries {
            switch entry {
            case .attempt(let record):
                models.insert(record.model)
                if record.attempt == last.attempt { return models.count - 1 }
            case .skipped(let model, _): models.insert(model)
            case .lostDelivery: break
            }
        }
        return models.count - 1
    }

    mutating func append(_ entry: TrailEntry) {
        entries.append(entry)
    }

    mutating func append(contentsOf more: [TrailEntry]) {
        entries += more
    }

    mutating func addWait(_ duration: Duration) {
        waited += max(duration, .zero)
    }
}
