public import BusProtocol
import CoreTypes
import JSON

/// Finds what a subscriber missed: numbers that jump within a class, and a broker that was started again.
///
/// Pure: no socket, no clock. The first event of a class and epoch that is seen is where counting begins: what a broker
/// published before this subscriber had its connection is unknown, not lost. A snapshot tells the last number of each class, so
/// that a loss shows even when nothing follows it.
public struct SequenceWatch: Sendable {
    /// What was found.
    public enum Finding: Hashable, Sendable {
        /// Events `first ... last` of a class did not arrive.
        case gap(EventClass, epoch: UInt64, first: UInt64, last: UInt64)
        /// The events come from a broker that was started later than the one before.
        case restart(epoch: UInt64, before: UInt64)
    }

    private let classes: Set<EventClass>
    private var epoch: UInt64?
    private var last: [EventClass: UInt64] = [:]

    /// Watches these classes; others are not subscribed to, so their gaps mean nothing.
    public init(_ classes: Set<EventClass> = Set(EventClass.allCases)) { self.classes = classes }

    /// Takes the next event; what it shows to be missing, in the order of the classes.
    public mutating func take(_ event: TelemetryFrames) -> [Finding] {
        var findings: [Finding] = []
        if let epoch, event.epoch != epoch {
            // The last words of a broker that was replaced.
            guard event.epoch > epoch else { return [] }
            findings.append(.restart(epoch: event.epoch, before: epoch))
            last = [:]
        }
        epoch = event.epoch
        findings += advance(event.eventClass, to: event.sequence, arrived: true)
        guard event.eventClass == .snapshot, let fields = try? EventFields(event.json.array),
            let sequences = try? fields.object("seqs")
        else { return findings }
        for eventClass in EventClass.allCases where eventClass != .snapshot {
            guard let sent = try? sequences.integer(eventClass.rawValue), let number = UInt64(exactly: sent) else {
                continue
            }
            findings += advance(eventClass, to: number, arrived: false)
        }
        return findings
    }

    /// Notes that `number` is the last one sent; `arrived` says whether it is here.
    private mutating func advance(_ eventClass: EventClass, to number: UInt64, arrived: Bool) -> [Finding] {
        guard classes.contains(eventClass), let epoch else { return [] }
        guard let before = last[eventClass] else {
            last[eventClass] = number
            return []
        }
        guard number > before else { return [] }
        last[eventClass] = number
        let missing = arrived ? number - 1 : number
        return missing > before ? [.gap(eventClass, epoch: epoch, first: before + 1, last: missing)] : []
    }
}
