/// Deficit round robin over those who have something waiting. Members are named by the numbers of their places.
///
/// A round gives everybody in the ring one unit; whoever owes nothing takes a turn, which may cost more than it has, and
/// then sits out the rounds that pay for it: a turn of cost c in round r is followed by the next one in round r + c. The
/// deficit is kept as that round. Compared with the usual form, which saves up before a large turn, a turn is never
/// delayed by its own size, only what comes after it. Source of the scheme: Shreedhar and Varghese, "Efficient fair
/// queuing using deficit round robin", 1996; paying afterwards: Adiseshu et al., "surplus round robin".
///
/// The bound: from the moment at which a member begins to wait, or has had a turn, until its next turn, every other member
/// has at most c turns, where c is the cost of the member's last turn (1 if it had none). For between two visits to a
/// member everybody else is visited once, and c visits pay for everything that the member can owe.
///
/// What is used while nobody else waits is free: debts are void once the ring is empty, and a lone member owes nothing.
/// A turn is O(1) on the average: a visit without a turn pays a unit of an earlier one.
struct TurnRing<Member> {
    /// A member and where it stands.
    struct Place {
        var member: Member
        /// What it has waiting. Whoever has nothing leaves the ring when it is met.
        var waiting = 0
        fileprivate var isListed = false
        /// The first round in which it may take a turn again.
        fileprivate var dueRound: UInt64 = 0

        fileprivate init(_ member: Member) { self.member = member }
    }

    private(set) var places: [Place] = []
    private var free: [Int] = []
    /// Who waits, in the order of visits, from `head`.
    private var order: [Int] = []
    private var head = 0
    /// Those of the ring who have nothing waiting any more.
    private var emptyCount = 0
    private var round: UInt64 = 0
    /// Visits until the round ends.
    private var leftInRound = 0
    /// No debt reaches beyond this round.
    private var lastDueRound: UInt64 = 0

    /// Those who wait, and those who have nothing any more and were not met since.
    var listedCount: Int { order.count - head }

    /// Changes a member in place.
    subscript(number: Int) -> Member {
        get { places[number].member }
        _modify { yield &places[number].member }
    }

    /// Makes a place for `member` and gives its number.
    mutating func add(_ member: Member) -> Int {
        if let number = free.popLast() {
            places[number] = Place(member)
            return number
        }
        places.append(Place(member))
        return places.count - 1
    }

    /// Gives up the places of all who have nothing waiting, debts included, and tells who they were.
    mutating func removeIdle(_ tell: (Member) -> Void) {
        var isFree = [Bool](repeating: false, count: places.count)
        for number in free { isFree[number] = true }
        for number in places.indices where !places[number].isListed && !isFree[number] {
            tell(places[number].member)
            free.append(number)
        }
    }

    /// Notes that the member has one more waiting; it stands behind all others, unless it is in the ring.
    mutating func enter(_ number: Int) {
        places[number].waiting += 1
        guard !places[number].isListed else {
            if places[number].waiting == 1 { emptyCount -= 1 }
            return
        }
        places[number].isListed = true
        if head == order.count {
            clear()
            round = max(round, lastDueRound)
            leftInRound = 1
        }
        if places[number].dueRound < round { places[number].dueRound = round }
        order.append(number)
    }

    /// Notes that the member has one less waiting, without a turn.
    mutating func leave(_ number: Int) {
        places[number].waiting -= 1
        guard places[number].waiting == 0 else { return }
        emptyCount += 1
        if emptyCount > 1024, emptyCount * 2 > listedCount { removeEmpty() }
    }

    /// The member whose turn it is; nil when nobody waits. It stays so until ``charge(_:)``, or until it has nothing left.
    mutating func next() -> Int? {
        var passed = 0
        var soonest = UInt64.max
        while head < order.count {
            let number = order[head]
            if places[number].waiting == 0 {
                places[number].isListed = false
                emptyCount -= 1
                head += 1
                endVisit()
            } else if head + 1 == order.count {
                if round < places[number].dueRound { round = places[number].dueRound }
                return number
            } else if places[number].dueRound <= round {
                return number
            } else {
                soonest = min(soonest, places[number].dueRound)
                passed += 1
                head += 1
                order.append(number)
                endVisit()
                if passed >= listedCount {
                    // Everybody owes something: on to the round in which somebody does not.
                    round = max(round, soonest)
                    passed = 0
                    soonest = .max
                }
            }
        }
        return nil
    }

    /// The member that ``next()`` gave.
    var current: Int { order[head] }

    /// Takes one from the member that ``next()`` gave and ends its turn; `cost` is at least 1.
    mutating func charge(_ cost: UInt64) {
        let number = order[head]
        places[number].waiting -= 1
        if head + 1 == order.count {
            // Nobody else waits: the rounds that pay for the turn pass at once.
            round += cost
            places[number].dueRound = round
            if places[number].waiting == 0 {
                places[number].isListed = false
                clear()
            }
            return
        }
        let due = round + cost
        places[number].dueRound = due
        if lastDueRound < due { lastDueRound = due }
        head += 1
        if places[number].waiting > 0 { order.append(number) } else { places[number].isListed = false }
        endVisit()
    }

    private mutating func endVisit() {
        leftInRound -= 1
        if leftInRound <= 0 {
            round += 1
            leftInRound = listedCount
        }
        if head >= 64, head * 2 >= order.count {
            order.removeFirst(head)
            head = 0
        }
    }

    /// Takes those who have nothing waiting out of the ring, as if each had been met where it stands.
    private mutating func removeEmpty() {
        var left = leftInRound
        var kept: [Int] = []
        for (visit, number) in order[head...].enumerated() {
            if places[number].waiting > 0 {
                kept.append(number)
            } else {
                places[number].isListed = false
                if visit < leftInRound { left -= 1 }
            }
        }
        order = kept
        head = 0
        emptyCount = 0
        leftInRound = left
        if left <= 0 {
            round += 1
            leftInRound = kept.count
        }
    }

    private mutating func clear() {
        if order.count == 1 {
            order.removeLast()
            head = 0
            return
        }
        order.removeAll(keepingCapacity: order.count <= 1024)
        head = 0
    }
}
