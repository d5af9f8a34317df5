/// Counts how often others had a turn while someone waited.
///
/// The bound on waiting: between two turns of a member that has more, every other member has at most c, c the cost of the
/// first of the two; to one that begins to wait the same holds with the cost of its last turn, or 1 if it had none.
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
        if wait.waiting == 1 { wait.turnsOfOthers = [:] }
        waits[member] = wait
    }

    /// A member has one less waiting.
    mutating func leave(_ member: Member) { waits[member]?.waiting -= 1 }

    /// A member has a turn, while what it is for still counts as waiting. Gives the first one that waited too long.
    mutating func turn(of member: Member, cost: Int) -> Excess? {
        var excess: Excess?
        for other in members where other != member {
            guard var wait = waits[other], wait.waiting > 0 else { continue }
            let turns = wait.turnsOfOthers[member, default: 0] + 1
            wait.turnsOfOthers[member] = turns
            waits[other] = wait
            if turns > wait.bound, excess == nil {
                excess = Excess(member: other, other: member, turns: turns, bound: wait.bound)
            }
        }
        waits[member]?.turnsOfOthers = [:]
        waits[member]?.bound = cost
        return excess
    }
}
