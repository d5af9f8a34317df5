import BusProtocol
import Telemetry

/// Which events `understudy tail` shows.
struct TailFilter: Hashable {
    /// Names of the events, each with its class.
    static let names: [(name: String, eventClass: EventClass)] = [
        ("request.accepted", .request), ("request.rejected", .request), ("request.ended", .request),
        ("request.late", .request), ("attempt.ended", .attempt), ("worker.joined", .worker), ("worker.left", .worker),
        ("worker.lost", .worker), ("delivery.lost", .worker), ("task.ended", .task), ("snapshot", .snapshot),
    ]

    private struct Rule: Hashable {
        /// Beginning of the topic.
        var topic: String
        /// Beginning of the event's name; empty for any.
        var event = ""
    }

    private var rules: [Rule]
    /// Classes to subscribe to as a whole: a part of a class has numbers with holes.
    let classes: Set<EventClass>

    /// Makes a filter; no prefix means all events, and for people (`isForPeople`) all but snapshots.
    ///
    /// - Returns: nil when a prefix fits no event.
    init?(_ prefixes: [String], isForPeople: Bool) {
        guard !prefixes.isEmpty else {
            classes = Set(EventClass.allCases)
            rules = EventClass.allCases.filter { !isForPeople || $0 != .snapshot }.map { Rule(topic: Self.topic($0)) }
            return
        }
        rules = []
        // Snapshots tell of losses.
        var classes: Set<EventClass> = [.snapshot]
        for prefix in prefixes {
            let found = Self.rules(prefix)
            guard !found.isEmpty else { return nil }
            rules += found.map(\.0)
            classes.formUnion(found.map(\.1))
        }
        self.classes = classes
    }

    /// The prefix as it is refused, for people.
    static let expectation =
        "the beginning of an event's name (request, request.ended, delivery) or of a topic (evt.request.uid-1000.)"

    /// Beginnings of topics to subscribe to.
    var topics: [String] { EventClass.allCases.filter(classes.contains).map(Self.topic) }

    /// Whether to show an event.
    func shows(_ frames: TelemetryFrames, name: String) -> Bool {
        let topic = String(decoding: TelemetryFrames.topic(frames.eventClass, tenant: frames.tenant), as: UTF8.self)
        return rules.contains { topic.hasPrefix($0.topic) && name.hasPrefix($0.event) }
    }

    /// Whether to show what was missed: of classes that are shown in part at least, and restarts.
    func shows(_ finding: SequenceWatch.Finding) -> Bool {
        guard case .gap(let eventClass, _, _, _) = finding else { return true }
        let topic = Self.topic(eventClass)
        return rules.contains { topic.hasPrefix($0.topic) || $0.topic.hasPrefix(topic) }
    }

    private static func topic(_ eventClass: EventClass) -> String { "evt.\(eventClass.rawValue)." }

    private static func rules(_ prefix: String) -> [(Rule, EventClass)] {
        let isTopic = "evt.".hasPrefix(prefix) || prefix.hasPrefix("evt.")
        let parts = prefix.split(separator: ".", omittingEmptySubsequences: false)
        // A class and a tenant, without "evt." before it.
        if !isTopic, parts.count > 1, parts[1] == "-" || parts[1].hasPrefix("uid-") { return rules("evt." + prefix) }
        if isTopic {
            return EventClass.allCases.filter { topic($0).hasPrefix(prefix) || prefix.hasPrefix(topic($0)) }
                .map { (Rule(topic: prefix), $0) }
        }
        let classes = Set(names.filter { $0.name.hasPrefix(prefix) }.map(\.eventClass))
        return EventClass.allCases.filter(classes.contains).map { (Rule(topic: topic($0), event: prefix), $0) }
    }
}
