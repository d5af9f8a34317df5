/// Counts how often others had a turn while someone waited.
///
/// The bound on waiting: between two turns of a member that has more, every other member has at most c, c the cost of the
/// first of the two; to one that begins to wait the same holds with the cost of its last turn, or 1 if it had none.
/// And as long as two wait, one has at most so many units of cost more than the other as their largest turns cost together,
/// that of the one behind twice, for what it may have owed at the begin.
struct TurnWatch<Member: Hashable> {
    /// Somebody waited for too many turns of one other.
    struct Excess {
        var member: Member
        var other: Member
        var turns: Int
        var bound: Int
    }

    private struct Wait {
        var waiting = 0
        var bound = 1
        var turnsOfOthers: [Member: Int] = [:]
        var largestCost = 1
        /// Units that each of the others had more since both wait.
        var leadsOfOthers: [Member: Int] = [:]
    }

    private var waits: [Member: Wait] = [:]
    /// In the order of first sight.
    private var members: [Member] = []

    /// Members that have something waiting.
    var waitingCount: Int { waits.values.count { $0.waiting > 0 } }

    /// A member has one more waiting.
    mutating func enter(_ member: Member) {
        if waits[member] == nil { members.append(member) }
        var wait = waits[member] ?? Wait()
        wait.waiting += 1
        if wait.waiting == 1 {
            wait.turnsOfOthers = [:]
            wait.leadsOfOthers = [:]
        }
        waits[member] = wait
    }

    /// A member has one less waiting.
    mutating func leave(_ member: Member) {
        waits[member]?.waiting -= 1
        guard waits[member]?.waiting == 0 else { return }
        for other in members { waits[other]?.leadsOfOthers[member] = nil }
    }

    /// A member has a turn, while what it is for still counts as waiting. Gives the first one that waited too long.
    mutating func turn(of member: Member, cost: Int) -> Excess? {
        var excess: Excess?
        let largest = max(waits[member]?.largestCost ?? 1, cost)
        waits[member]?.largestCost = largest
        for other in members where other != member {
            guard var wait = waits[other], wait.waiting > 0 else { continue }
            let turns = wait.turnsOfOthers[member, default: 0] + 1
            wait.turnsOfOthers[member] = turns
            let lead = wait.leadsOfOthers[member, default: 0] + cost
            wait.leadsOfOthers[member] = lead
            waits[other] = wait
            waits[member]?.leadsOfOthers[other, default: 0] -= cost
            let leadMax = largest + 2 * wait.largestCost
            if lead > leadMax, excess == nil {
                excess = Excess(member: other, other: member, turns: lead, bound: leadMax)
            }
            if turns > wait.bound, excess == nil {
                excess = Excess(member: other, other: member, turns: turns, bound: wait.bound)
            }
        }
        waits[member]?.turnsOfOthers = [:]
        waits[member]?.bound = cost
        return excess
    }
}
