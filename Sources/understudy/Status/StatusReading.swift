import CoreTypes
import JSON
import UnderstudyClient

/// What a broker told about itself, read for people.
struct StatusReading {
    /// A worker with a session.
    struct Worker: Hashable {
        var name: String
        var pid: Int?
        var state: String
        var capacity: Int
        var held: Int
        var credit: Int
        var leaseMilliseconds: Int
        var joinedMilliseconds: Int
        var deliveries: Int
    }

    /// A request of the tenant who asks.
    struct Request: Hashable {
        var id: String
        var task: String?
        var state: String
        var priority: Int
        var ageMilliseconds: Int
        var remainingMilliseconds: Int?
        var deliveries: Int
        var attempts: Int
        var worker: String?
    }

    /// A list, perhaps cut by the broker.
    struct List<Element: Hashable>: Hashable {
        var elements: [Element]
        var isTruncated: Bool
    }

    var version: String
    var epoch: Int64
    var uptimeMilliseconds: Int
    var state: String
    var queued: Int
    /// From the lowest priority on.
    var queuedByPriority: [Int]
    var inFlight: Int
    var orphaned: Int
    /// What there is under each of ``limits``.
    var sizes: [String: Int]
    var limits: [String: Int]
    /// Limits that are reached.
    var full: [String]
    var journalBytes: Int?
    var journalRefusal: String?
    var totals: [String: Int]
    /// Reasons and counts, in the broker's order.
    var rejections: [(symbol: String, count: Int)]
    var workers: List<Worker>
    /// nil when they were not asked for.
    var requests: List<Request>?

    /// Reads the documents of `sys.health`, `sys.workers` and perhaps `sys.requests`.
    ///
    /// - Throws: `badAnswer` for documents that are none; members that a broker of another version does not have count
    ///   as 0 where that says the same.
    init(health: Bytes, workers: Bytes, requests: Bytes?) throws(ClientError) {
        do throws(JSONError) {
            let health = JSONReader(try JSONValue(parsing: health, limits: .body), source: "sys.health")
            version = try health.member("version").string()
            epoch = try health.member("epoch").int64()
            uptimeMilliseconds = try health.member("uptime_ms").int()
            state = try health.member("state").string()
            queued = try health.member("queued").int()
            queuedByPriority = try Self.list(health.member("queued_by_priority")) { (entry) throws(JSONError) in
                try entry.int()
            }
            inFlight = try health.member("in_flight").int()
            orphaned = try health.optionalMember("orphaned")?.int() ?? 0
            limits = try Self.figures(health.member("limits"))
            sizes = [:]
            for name in limits.keys { sizes[name] = try health.optionalMember(name)?.int() }
            full = try Self.list(health.member("full")) { (entry) throws(JSONError) in try entry.string() }
            journalBytes = try health.optionalMember("journal_bytes")?.int()
            journalRefusal = try health.optionalMember("journal_refusal")?.string()
            totals = try Self.figures(health.member("totals"))
            rejections = []
            for (symbol, count) in try health.member("rejections").members() {
                rejections.append((symbol, try count.int()))
            }
            let workers = JSONReader(try JSONValue(parsing: workers, limits: .body), source: "sys.workers")
            self.workers = List(
                elements: try Self.list(workers.member("workers")) { (entry) throws(JSONError) in try Worker(entry) },
                isTruncated: try workers.member("truncated").bool()
            )
            guard let requests else { return }
            let reader = JSONReader(try JSONValue(parsing: requests, limits: .body), source: "sys.requests")
            self.requests = List(
                elements: try Self.list(reader.member("requests")) { (entry) throws(JSONError) in try Request(entry) },
                isTruncated: try reader.member("truncated").bool()
            )
        } catch {
            throw ClientError(.badAnswer, "the broker's account of itself cannot be read: \(error)")
        }
    }

    private static func list<Element>(
        _ reader: JSONReader,
        _ read: (JSONReader) throws(JSONError) -> Element
    ) throws(JSONError) -> [Element] {
        var elements: [Element] = []
        for entry in try reader.array() { elements.append(try read(entry)) }
        return elements
    }

    private static func figures(_ reader: JSONReader) throws(JSONError) -> [String: Int] {
        var figures: [String: Int] = [:]
        for (key, value) in try reader.members() { figures[key] = try value.int() }
        return figures
    }
}

extension StatusReading.Worker {
    fileprivate init(_ reader: JSONReader) throws(JSONError) {
        self.init(
            name: try reader.member("name").string(),
            pid: try reader.optionalMember("pid")?.int(),
            state: try reader.member("state").string(),
            capacity: try reader.member("capacity").int(),
            held: try reader.member("held").int(),
            credit: try reader.member("credit").int(),
            leaseMilliseconds: try reader.member("lease_remaining_ms").int(),
            joinedMilliseconds: try reader.member("joined_ms").int(),
            deliveries: try reader.member("deliveries").int()
        )
    }
}

extension StatusReading.Request {
    fileprivate init(_ reader: JSONReader) throws(JSONError) {
        self.init(
            id: try reader.member("id").string(),
            task: try reader.optionalMember("task")?.string(),
            state: try reader.member("state").string(),
            priority: try reader.member("priority").int(),
            ageMilliseconds: try reader.member("age_ms").int(),
            remainingMilliseconds: try reader.optionalMember("remaining_ms")?.int(),
            deliveries: try reader.member("deliveries").int(),
            attempts: try reader.member("attempts").int(),
            worker: try reader.optionalMember("worker")?.string()
        )
    }
}
