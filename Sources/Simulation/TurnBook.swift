import BusProtocol
import Dispatch

/// Everything that waits for a worker, and how long it may: tenants by turns, within a tenant priorities by weight, within
/// a priority connections by turns, within a connection first in, first out. What came back from a worker takes a turn of
/// its tenant, none of its connection, and goes before the others of its tenant and priority.
final class TurnBook {
    /// The requests of one tenant and priority.
    private struct Lane {
        /// Without what came back.
        var senders = TurnWatch<ConnectionID?>()
        var queues: [ConnectionID?: [JobNumber]] = [:]
        var cameBack: [JobNumber] = []
        /// Turns of other priorities of the tenant since it waits.
        var overtaken = 0

        var count: Int { cameBack.count + queues.values.reduce(0) { $0 + $1.count } }
    }

    private struct Place {
        var sender: ConnectionID?
        var cameBack: Bool
    }

    /// Turns of other priorities that each priority waits for at most, the lowest first.
    ///
    /// Of the order of 55 turns in which priority p has p + 1, evenly spread: the longest run without p.
    static let overtakenMax = [54, 27, 19, 13, 12, 9, 8, 7, 7, 6]

    private var tenants = TurnWatch<Tenant>()
    private var lanes: [Tenant: [Lane]] = [:]
    private var places: [JobNumber: Place] = [:]
    /// Deliveries while other tenants, or other connections of the same tenant and priority, waited.
    private(set) var contestedCount = 0

    /// A new request waits.
    func enter(_ record: RequestRecord, from sender: ConnectionID?) {
        enter(record, Place(sender: sender, cameBack: false))
    }

    /// What a request's change of state means for the queue.
    func moved(_ record: RequestRecord, from old: RequestRecord.State) {
        switch (old, record.state) {
        case (.queued, .queued): break
        case (.queued, _): leave(record)
        case (_, .queued): enter(record, Place(sender: nil, cameBack: true))
        default: break
        }
    }

    /// A broker begins with what these requests are; who sent them is forgotten, and so are debts.
    func restart(with records: [RequestRecord]) {
        tenants = TurnWatch()
        lanes = [:]
        places = [:]
        for record in records {
            if case .queued = record.state { enter(record, from: nil) }
        }
    }

    /// A request that waits is handed out. Tells which promise that breaks.
    func turn(of record: RequestRecord) -> String? {
        let priority = record.header.priority
        guard let place = places[record.number], var all = lanes[record.key.tenant] else {
            return "\(record.number) was handed out and did not wait"
        }
        defer { lanes[record.key.tenant] = all }
        let cost = 1 + max(0, record.body.byteCount - 1) / 65_536
        if tenants.waitingCount > 1 || all[priority].queues.values.count(where: { !$0.isEmpty }) > 1 {
            contestedCount += 1
        }
        if let excess = tenants.turn(of: record.key.tenant, cost: cost) {
            return "\(excess.member) waits, \(excess.other) had \(excess.turns) turns, the bound is \(excess.bound)"
        }
        all[priority].overtaken = 0
        for other in all.indices where other != priority && all[other].count > 0 {
            all[other].overtaken += 1
            if all[other].overtaken > Self.overtakenMax[other] {
                return "priority \(other) of \(record.key.tenant) was overtaken \(all[other].overtaken) times"
            }
        }
        guard !place.cameBack else { return nil }
        if let other = all[priority].cameBack.first {
            return "\(record.number) went before \(other), which came back from a worker"
        }
        if let first = all[priority].queues[place.sender]?.first, first != record.number {
            return "\(record.number) went before \(first) of the same connection"
        }
        if let excess = all[priority].senders.turn(of: place.sender, cost: cost) {
            return "\(Self.name(excess.member)) waits, \(Self.name(excess.other)) had \(excess.turns) turns, "
                + "the bound is \(excess.bound)"
        }
        return nil
    }

    private static func name(_ sender: ConnectionID?) -> String { sender.map { "\($0)" } ?? "the broker before" }

    private func enter(_ record: RequestRecord, _ place: Place) {
        let tenant = record.key.tenant
        let priority = record.header.priority
        tenants.enter(tenant)
        var all = lanes[tenant] ?? [Lane](repeating: Lane(), count: Limits.priority.count)
        if all[priority].count == 0 { all[priority].overtaken = 0 }
        if place.cameBack {
            all[priority].cameBack.append(record.number)
        } else {
            all[priority].queues[place.sender, default: []].append(record.number)
            all[priority].senders.enter(place.sender)
        }
        lanes[tenant] = all
        places[record.number] = place
    }

    private func leave(_ record: RequestRecord) {
        let tenant = record.key.tenant
        let priority = record.header.priority
        guard let place = places.removeValue(forKey: record.number), var all = lanes[tenant] else { return }
        tenants.leave(tenant)
        if place.cameBack {
            all[priority].cameBack.removeAll { $0 == record.number }
        } else {
            all[priority].queues[place.sender]?.removeAll { $0 == record.number }
            all[priority].senders.leave(place.sender)
        }
        lanes[tenant] = all
    }
}
