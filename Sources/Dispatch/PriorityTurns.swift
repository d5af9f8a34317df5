import BusProtocol

/// The order in which priorities take turns when all of them wait: 55 places, of which priority p has p + 1, evenly spread.
///
/// A priority that has nothing waiting is passed over, so that the others share by the same weights. However the others
/// come and go, a request at the head of priority p waits for at most ``overtakenMax`` [p] requests of others: 54 for the
/// lowest, 6 for the highest. The order is made by smooth weighted round robin; source: nginx, upstream round robin.
enum PriorityTurns {
    /// The priority of each place.
    static let order: [UInt8] = {
        let weights = Limits.priority.map { $0 + 1 }
        let total = weights.reduce(0, +)
        var current = [Int](repeating: 0, count: weights.count)
        var order: [UInt8] = []
        for _ in 0..<total {
            var best = 0
            for priority in weights.indices {
                current[priority] += weights[priority]
                if current[priority] > current[best] { best = priority }
            }
            current[best] -= total
            order.append(UInt8(best))
        }
        return order
    }()

    /// For each priority the longest run of places of others between two of its own.
    static let overtakenMax: [Int] = Limits.priority.map { priority in
        let places = order.indices.filter { Int(order[$0]) == priority }
        let followers = places.dropFirst() + [places[0] + order.count]
        return zip(places, followers).map { $1 - $0 - 1 }.max() ?? 0
    }

    /// The place after `place` at which one of `priorities`, a bit each and at least one, has its turn.
    static func place(after place: Int, of priorities: UInt16, in order: [UInt8]) -> Int {
        var place = place
        repeat {
            place += 1
            if place >= order.count { place = 0 }
        } while priorities & (1 << UInt16(order[place])) == 0
        return place
    }
}
