import BusProtocol
import CoreTypes
import Dispatch
import Resilience

/// What one seed plays: sizes, odds and times, all drawn from the seed.
struct Scenario {
    /// How the play ends.
    enum Ending {
        /// Faults cease, everything open must end by itself.
        case settle
        /// The broker is told to stop, and soon after to end everything, with work in hand.
        case stop
    }

    let agentCount: Int
    let workerCount: Int
    let capacityMax: Int
    let requestCount: Int
    let tenantCount: Int
    /// Requests that the first agent may ask for at once; 1 when it is like the others.
    let greed: Int
    /// Priorities that are used, from the lowest.
    let priorityCount: Int
    /// Bytes of the largest body.
    let bodyBytesMax: Int
    /// Longest time between two messages of an agent.
    let agentPauseMax: Duration
    /// How long agents ask and things go wrong.
    let activeTime: Duration
    /// Odds of a crash at each effect and at each message of a worker.
    let crashOdds: Double
    /// Mean time between faults of other kinds; nil for none.
    let faultInterval: Duration?
    /// Odds that a message takes long.
    let slowMessageOdds: Double
    /// Odds that a call fails, and that it is not answered at all.
    let failureOdds: Double
    let silenceOdds: Double
    /// Longest time of an answered call.
    let callTimeMax: Duration
    /// Odds that the broker dies after an effect, and how often it does at most.
    let brokerCrashOdds: Double
    let brokerCrashMax: Int
    /// Pages of the log from which on there is a checkpoint, in a play whose journal is a file too.
    let diskLogPageCount: Int?
    /// Longest time of a commit.
    let commitTimeMax: Duration
    /// Odds that a request names its durability.
    let namedDurabilityOdds: Double
    let ending: Ending
    let dispatch: DispatchConfiguration
    let policy: RetryPolicy

    init(seed: UInt64, random: inout SeededGenerator) {
        let isWide = random.chance(0.01)
        // Many who want few places, and one who wants most of them.
        let isCrowded = !isWide && random.chance(0.08)
        agentCount = isCrowded ? 4 + random.below(6) : 1 + random.below(6)
        workerCount = isWide ? 66 + random.below(20) : 1 + random.below(isCrowded ? 2 : 5)
        capacityMax = isWide ? 1 : 1 + random.below(isCrowded ? 2 : 4)
        requestCount = isWide ? 150 : isCrowded ? 80 + random.below(120) : 4 + random.below(30)
        agentPauseMax = isWide ? .milliseconds(60) : isCrowded ? .milliseconds(300) : .seconds(2)
        tenantCount = isCrowded ? 1 + random.below(5) : random.chance(0.2) ? 2 : 1
        greed = isCrowded ? 20 + random.below(30) : 1
        priorityCount = isCrowded ? [1, 3, 10][random.below(3)] : 10
        bodyBytesMax = isCrowded && random.chance(0.5) ? 400_000 : 2000
        activeTime = random.duration(.seconds(2), .seconds(isWide ? 4 : 25))
        crashOdds = isWide || random.chance(0.3) ? 0 : random.chance(0.5) ? 0.002 : 0.01
        faultInterval = isWide || random.chance(0.25) ? nil : random.duration(.seconds(1), .seconds(8))
        slowMessageOdds = random.chance(0.5) ? 0 : 0.03
        failureOdds = [0, 0.2, 0.5, 0.9][random.below(4)]
        silenceOdds = random.chance(0.3) ? 0.05 : 0
        callTimeMax =
            isWide ? .seconds(4) : random.duration(.milliseconds(20), isCrowded ? .milliseconds(400) : .seconds(4))
        ending = random.chance(0.25) ? .stop : .settle

        var dispatch = DispatchConfiguration()
        dispatch.seed = random.next()
        dispatch.hasJournal = random.chance(0.7)
        diskLogPageCount = dispatch.hasJournal && random.chance(0.1) ? [10, 40, 2000][random.below(3)] : nil
        // Files are worth their time when brokers die over them.
        let isDeadly = diskLogPageCount != nil
        brokerCrashMax = !isDeadly && (isWide || random.chance(0.3)) ? 0 : (isDeadly ? 3 : 1) + random.below(4)
        brokerCrashOdds = [isDeadly ? 0.01 : 0.001, 0.004, 0.02][random.below(3)]
        commitTimeMax = [.milliseconds(2), .milliseconds(50), .seconds(1), .seconds(4)][random.below(4)]
        namedDurabilityOdds = dispatch.hasJournal ? 0.3 : 0.05
        if random.chance(0.5) { dispatch.orphanWait = random.duration(.seconds(1), .seconds(5)) }
        dispatch.beatInterval = .seconds([1, 2, 4][random.below(3)])
        // Short leases are lost more often, and more often while others still work.
        if random.chance(0.5) { dispatch.lease = dispatch.beatInterval * 2 + .seconds(1) }
        if random.chance(0.3) { dispatch.dedup = .seconds(5 + random.below(20)) }
        if random.chance(0.1) { dispatch.openRequestsMax = 3 }
        if random.chance(0.1) { dispatch.openBytesMax = 3000 }
        if random.chance(0.1) { dispatch.keptTerminalsMax = 3 }
        if random.chance(0.1) { dispatch.tenantLimits.openRequestsMax = 2 + random.below(9) }
        if random.chance(0.1) { dispatch.tenantOverrides[.user(1000)] = TenantLimits(openBytesMax: bodyBytesMax) }
        self.dispatch = dispatch
        policy = RetryPolicy(
            attemptsPerModel: 1 + random.below(3),
            backoffCap: .seconds(2),
            hintCap: .seconds(3),
            timers: CallTimers(attempt: .seconds(5))
        )
    }
}

extension SeededGenerator {
    /// True with probability `odds`.
    mutating func chance(_ odds: Double) -> Bool { odds > 0 && nextUnit() < odds }

    /// A number in `0 ..< count`.
    mutating func below(_ count: Int) -> Int { Int(next() % UInt64(count)) }

    /// A duration between two others.
    mutating func duration(_ least: Duration, _ most: Duration) -> Duration {
        let from = least.wholeNanoseconds
        return .nanoseconds(from + Int64(nextUnit() * Double(most.wholeNanoseconds - from)))
    }

    /// A duration between two others, in whole milliseconds as headers have them.
    mutating func milliseconds(_ least: Duration, _ most: Duration) -> Duration {
        .milliseconds(duration(least, most).wholeMilliseconds)
    }
}
