import CoreTypes
import Glibc
import Testing

@testable import understudy

private typealias Child = Supervisor.Child

private let broker = Child(role: .broker)
private let collector = Child(role: .collector)
private let mock = Child(role: .mock)
private let first = Child(role: .worker, number: 1)
private let second = Child(role: .worker, number: 2)

/// A supervisor in virtual time.
private struct Stage {
    /// Who ends after the workers is told of the stop.
    static let announced = [broker, collector].map { Supervisor.Effect.signal($0, SignalSource.quiet) }

    var supervisor: Supervisor
    var now = Moment.zero

    init(workers: Int = 2, hasMock: Bool = false) {
        supervisor = Supervisor(plan: Supervisor.Plan(workers: workers, hasMock: hasMock, drain: .seconds(20)))
    }

    /// The effects of `event`, without what is only said.
    mutating func on(_ event: Supervisor.Event) -> [Supervisor.Effect] {
        supervisor.handle(event, now: now).filter {
            if case .say = $0 { return false }
            return true
        }
    }

    /// Goes to the next timer.
    mutating func wait() -> [Supervisor.Effect] {
        guard let next = supervisor.nextTimer else {
            Issue.record("no timer is set")
            return []
        }
        now = max(now, next)
        return on(.timer)
    }

    /// Renews until the next child is to end.
    mutating func renewOne() {
        guard let current = supervisor.renewal?.current else {
            _ = on(.renewalRequested)
            return
        }
        if current.role != .worker { _ = on(.ended(current, .status(0))) }
        _ = on(.ready(current))
    }

    /// A bus that was announced.
    static func running(workers: Int = 2, hasMock: Bool = false) -> Stage {
        var stage = Stage(workers: workers, hasMock: hasMock)
        var effects = stage.on(.start)
        while !effects.isEmpty, effects != [.announce] {
            var next: [Supervisor.Effect] = []
            for case .spawn(let child) in effects { next += stage.on(.ready(child)) }
            effects = next
        }
        return stage
    }
}

@Suite struct SupervisorTests {
    @Test func rolesStartInOrderAndTheBusIsAnnouncedOnce() {
        var stage = Stage(hasMock: true)
        #expect(stage.on(.start) == [.spawn(mock)])
        #expect(stage.on(.ready(mock)) == [.spawn(broker)])
        #expect(stage.on(.ready(broker)) == [.spawn(collector)])
        #expect(stage.on(.ready(collector)) == [.spawn(first), .spawn(second)])
        #expect(stage.on(.ready(second)) == [])
        #expect(stage.on(.ready(first)) == [.announce])
        #expect(stage.on(.ready(first)) == [])
        #expect(stage.supervisor.nextTimer == nil)
    }

    @Test func aChildIsStartedAgainAfterADoublingWait() {
        var stage = Stage.running()
        for milliseconds in [200, 400, 800, 1600, 3200, 6400, 10_000, 10_000] {
            let died = stage.now
            #expect(stage.on(.ended(first, .signal(SIGKILL))) == [])
            #expect(stage.wait() == [.spawn(first)])
            #expect(died.duration(to: stage.now) == .milliseconds(milliseconds))
            #expect(stage.on(.ready(first)) == [])
        }
        stage.now = stage.now.advanced(by: Supervisor.steadyLife)
        let died = stage.now
        _ = stage.on(.ended(first, .status(0)))
        #expect(stage.wait() == [.spawn(first)])
        #expect(died.duration(to: stage.now) == .milliseconds(200))
    }

    @Test func otherChildrenAreLeftAloneWhenOneDies() {
        var stage = Stage.running()
        #expect(stage.on(.ended(broker, .signal(SIGSEGV))) == [])
        #expect(stage.wait() == [.spawn(broker)])
        #expect(stage.on(.ready(broker)) == [])
    }

    @Test func theNextRoleWaitsForAChildThatDiedDuringTheStart() {
        var stage = Stage(workers: 1)
        _ = stage.on(.start)
        #expect(stage.on(.ended(broker, .status(70))) == [])
        #expect(stage.wait() == [.spawn(broker)])
        #expect(stage.on(.ready(broker)) == [.spawn(collector)])
        #expect(stage.on(.ended(broker, .status(70))) == [])
        #expect(stage.on(.ready(collector)) == [])
        #expect(stage.wait() == [.spawn(broker)])
        #expect(stage.on(.ready(broker)) == [.spawn(first)])
        #expect(stage.on(.ready(first)) == [.announce])
    }

    @Test(arguments: [CommandStatus.usage, .alreadyRunning])
    func anEndForGoodDuringTheStartEndsAll(status: CommandStatus) {
        var stage = Stage(hasMock: true)
        _ = stage.on(.start)
        _ = stage.on(.ready(mock))
        let effects = stage.on(.ended(broker, .status(status.rawValue)))
        #expect(effects == [.signal(mock, SignalSource.quiet), .signal(mock, SIGTERM)])
        #expect(stage.on(.ended(mock, .status(0))) == [.finish(status)])
    }

    @Test func anEndForGoodLaterIsOneAmongOthers() {
        var stage = Stage.running()
        #expect(stage.on(.ended(first, .status(CommandStatus.usage.rawValue))) == [])
        #expect(stage.wait() == [.spawn(first)])
    }

    @Test func aChildThatNeverStartsIsGivenUp() {
        var stage = Stage(workers: 1)
        #expect(stage.on(.start) == [.spawn(broker)])
        for _ in 1..<Supervisor.startFailuresMax {
            #expect(stage.on(.ended(broker, .notStarted("no memory"))) == [])
            #expect(stage.wait() == [.spawn(broker)])
        }
        #expect(stage.on(.ended(broker, .notStarted("no memory"))) == [.finish(.trouble)])
    }

    @Test func aChildThatIsNotReadyInTimeIsKilled() {
        var stage = Stage(workers: 1)
        _ = stage.on(.start)
        #expect(stage.wait() == [.signal(broker, SIGKILL)])
        #expect(stage.now == Moment.zero.advanced(by: Supervisor.startPatience))
        #expect(stage.on(.ended(broker, .signal(SIGKILL))) == [])
        #expect(stage.wait() == [.spawn(broker)])
    }

    @Test func rolesStopInOrder() {
        var stage = Stage.running(hasMock: true)
        #expect(
            stage.on(.stopRequested) == [
                .signal(mock, SignalSource.quiet), .signal(broker, SignalSource.quiet),
                .signal(collector, SignalSource.quiet), .signal(first, SIGTERM), .signal(second, SIGTERM),
            ]
        )
        #expect(stage.on(.ended(second, .status(0))) == [])
        #expect(stage.on(.ended(first, .status(0))) == [.signal(broker, SIGTERM)])
        #expect(stage.on(.ended(broker, .status(0))) == [.signal(collector, SIGTERM)])
        #expect(stage.on(.ended(collector, .status(0))) == [.signal(mock, SIGTERM)])
        #expect(stage.on(.ended(mock, .status(0))) == [.finish(.ok)])
        #expect(stage.supervisor.nextTimer == nil)
    }

    @Test func patienceEndsInASecondSignalAndThenInAKill() {
        var stage = Stage.running(workers: 1)
        #expect(stage.on(.stopRequested) == Stage.announced + [.signal(first, SIGTERM)])
        #expect(stage.wait() == [.signal(first, SIGTERM)])
        #expect(stage.now == Moment.zero.advanced(by: .seconds(20)))
        #expect(stage.wait() == [.signal(first, SIGKILL)])
        #expect(stage.supervisor.nextTimer == nil)
        #expect(stage.on(.ended(first, .signal(SIGKILL))) == [.signal(broker, SIGTERM)])
        #expect(stage.wait() == [.signal(broker, SIGTERM)])
        #expect(stage.wait() == [.signal(broker, SIGKILL)])
        #expect(stage.on(.ended(broker, .signal(SIGKILL))) == [.signal(collector, SIGTERM)])
        #expect(stage.on(.ended(collector, .status(0))) == [.finish(.ok)])
    }

    @Test func aSecondRequestKillsAllThatIsLeft() {
        var stage = Stage.running()
        _ = stage.on(.stopRequested)
        #expect(stage.on(.ended(first, .status(0))) == [])
        #expect(
            stage.on(.stopRequested) == [
                .signal(broker, SIGKILL), .signal(collector, SIGKILL), .signal(second, SIGKILL),
            ]
        )
        #expect(stage.on(.stopRequested) == [])
        #expect(stage.on(.ended(broker, .signal(SIGKILL))) == [])
        #expect(stage.on(.ended(second, .signal(SIGKILL))) == [])
        #expect(stage.on(.ended(collector, .signal(SIGKILL))) == [.finish(.ok)])
    }

    @Test func aStopDuringTheStartStopsWhatRuns() {
        var stage = Stage()
        _ = stage.on(.start)
        #expect(stage.on(.stopRequested) == [.signal(broker, SIGTERM)])
        #expect(stage.on(.ready(broker)) == [])
        #expect(stage.on(.ended(broker, .signal(SIGTERM))) == [.finish(.ok)])
    }

    @Test func aChildThatRestsIsNotStartedAfterAStop() {
        var stage = Stage.running(workers: 1)
        _ = stage.on(.ended(first, .signal(SIGKILL)))
        #expect(stage.on(.stopRequested) == Stage.announced + [.signal(broker, SIGTERM)])
        _ = stage.on(.ended(broker, .status(0)))
        #expect(stage.on(.ended(collector, .status(0))) == [.finish(.ok)])
    }

    @Test func aBusWithoutAnyProcessStopsAtOnce() {
        var stage = Stage(workers: 1)
        _ = stage.on(.start)
        _ = stage.on(.ended(broker, .signal(SIGKILL)))
        #expect(stage.on(.stopRequested) == [.finish(.ok)])
    }

    // MARK: The broker during a stop

    @Test func aBrokerThatIsDownIsStartedForTheWorkersThatDrain() {
        var stage = Stage.running(workers: 1)
        _ = stage.on(.ended(broker, .signal(SIGKILL)))
        let announced = Supervisor.Effect.signal(collector, SignalSource.quiet)
        #expect(stage.on(.stopRequested) == [announced, .signal(first, SIGTERM), .spawn(broker)])
        #expect(stage.on(.ready(broker)) == [.signal(broker, SignalSource.quiet)])
        #expect(stage.on(.ended(first, .status(0))) == [.signal(broker, SIGTERM)])
        #expect(stage.on(.ended(broker, .status(0))) == [.signal(collector, SIGTERM)])
        #expect(stage.on(.ended(collector, .status(0))) == [.finish(.ok)])
    }

    @Test func aBrokerThatIsBeingRenewedComesBackForTheWorkersThatDrain() {
        var stage = Stage.running(workers: 1)
        while stage.supervisor.renewal?.current != broker { stage.renewOne() }
        _ = stage.on(.stopRequested)
        #expect(stage.on(.ended(broker, .status(0))) == [])
        #expect(stage.wait() == [.spawn(broker)])
        #expect(stage.on(.ready(broker)) == [.signal(broker, SignalSource.quiet)])
    }

    @Test func aBrokerThatStartsIsLeftToStartWhileWorkersDrain() {
        var stage = Stage.running(workers: 1)
        _ = stage.on(.ended(broker, .signal(SIGKILL)))
        #expect(stage.wait() == [.spawn(broker)])
        let announced = Supervisor.Effect.signal(collector, SignalSource.quiet)
        #expect(stage.on(.stopRequested) == [announced, .signal(first, SIGTERM)])
        #expect(stage.on(.ready(broker)) == [.signal(broker, SignalSource.quiet)])
    }

    @Test func aBrokerThatKeepsEndingDelaysNoStop() {
        var stage = Stage.running(workers: 1)
        let begin = stage.now
        _ = stage.on(.stopRequested)
        var starts = 0
        var signals: [CInt] = []
        #expect(stage.on(.ended(broker, .signal(SIGSEGV))) == [])
        while !signals.contains(SIGKILL), signals.count < 9 {
            for effect in stage.wait() {
                switch effect {
                case .spawn(broker):
                    starts += 1
                    #expect(stage.on(.ended(broker, .status(70))) == [])
                case .signal(first, let number): signals.append(number)
                default: Issue.record("\(effect)")
                }
            }
        }
        #expect(starts > 5)
        #expect(signals == [SIGTERM, SIGKILL])
        #expect(begin.duration(to: stage.now) == .seconds(25))
        #expect(stage.on(.ended(first, .signal(SIGKILL))) == [.signal(collector, SIGTERM)])
        #expect(stage.on(.ended(collector, .status(0))) == [.finish(.ok)])
    }

    @Test func aBrokerThatEndsBehindTheWorkersStaysAway() {
        var stage = Stage.running(workers: 1)
        _ = stage.on(.stopRequested)
        _ = stage.on(.ended(first, .status(0)))
        #expect(stage.on(.ended(broker, .signal(SIGSEGV))) == [.signal(collector, SIGTERM)])
        #expect(stage.wait() == [.signal(collector, SIGTERM)])
    }

    @Test func aSecondRequestStartsNoBroker() {
        var stage = Stage.running(workers: 1)
        _ = stage.on(.stopRequested)
        _ = stage.on(.ended(broker, .signal(SIGSEGV)))
        #expect(stage.on(.stopRequested) == [.signal(collector, SIGKILL), .signal(first, SIGKILL)])
        #expect(stage.supervisor.nextTimer == nil)
        _ = stage.on(.ended(collector, .signal(SIGKILL)))
        #expect(stage.on(.ended(first, .signal(SIGKILL))) == [.finish(.ok)])
    }

    /// Whatever happens, in whatever order: no child has two processes, no process outlives the end, and a stop ends.
    @Test(arguments: 0..<300 as Range<UInt64>)
    func everyHistoryEndsWithoutProcesses(seed: UInt64) {
        var random = SeededGenerator(seed: seed)
        var stage = Stage(workers: Int.random(in: 1...3, using: &random), hasMock: Bool.random(using: &random))
        var alive: Set<Child> = []
        var killed: Set<Child> = []
        var finished = 0
        var announced = 0

        func apply(_ effects: [Supervisor.Effect]) {
            for effect in effects {
                #expect(finished == 0)
                switch effect {
                case .spawn(let child): #expect(alive.insert(child).inserted)
                case .setAside(let child):
                    #expect(alive.remove(child) != nil)
                    #expect(alive.insert(child.old).inserted)
                    if killed.remove(child) != nil { killed.insert(child.old) }
                case .signal(let child, let number):
                    #expect(alive.contains(child))
                    if number == SIGKILL { killed.insert(child) }
                case .announce: announced += 1
                case .finish:
                    finished += 1
                    #expect(alive.isEmpty)
                case .say: break
                }
            }
        }
        func end(_ child: Child, _ ending: Supervisor.Ending) {
            alive.remove(child)
            killed.remove(child)
            apply(stage.on(.ended(child, ending)))
        }

        apply(stage.on(.start))
        for _ in 0..<200 where finished == 0 {
            let someone = alive.sorted { $0.description < $1.description }.randomElement(using: &random)
            switch Int.random(in: 0..<20, using: &random) {
            case 0..<8: if let someone { apply(stage.on(.ready(someone))) }
            case 8..<11: if let someone { end(someone, .status([0, 2, 4, 70].randomElement(using: &random) ?? 0)) }
            case 11: if let someone { end(someone, .signal(SIGSEGV)) }
            case 12..<18: if stage.supervisor.nextTimer != nil { apply(stage.wait()) }
            case 18: apply(stage.on(.renewalRequested))
            default: if Int.random(in: 0..<4, using: &random) == 0 { apply(stage.on(.stopRequested)) }
            }
        }
        if finished == 0 { apply(stage.on(.stopRequested)) }
        for _ in 0..<100 where finished == 0 {
            // From here on a process ends only when it is killed.
            if let child = killed.first { end(child, .signal(SIGKILL)) } else { apply(stage.wait()) }
        }
        #expect(finished == 1)
        #expect(alive.isEmpty)
        #expect(announced <= 1)
    }

    // MARK: Renewal

    @Test func aRenewalReplacesOneChildAfterAnother() {
        var stage = Stage.running()
        #expect(stage.on(.renewalRequested) == [.setAside(first), .spawn(first)])
        #expect(stage.on(.ready(first)) == [.signal(first.old, SIGHUP), .setAside(second), .spawn(second)])
        #expect(stage.on(.ready(second)) == [.signal(second.old, SIGHUP), .signal(broker, SIGTERM)])
        #expect(stage.on(.ended(first.old, .status(0))) == [])
        #expect(stage.on(.ended(broker, .status(0))) == [.spawn(broker)])
        #expect(stage.on(.ready(broker)) == [.signal(collector, SIGTERM)])
        #expect(stage.on(.ended(collector, .status(0))) == [.spawn(collector)])
        #expect(stage.on(.ready(collector)).isEmpty)
        #expect(stage.supervisor.renewal == nil)
        #expect(stage.on(.ended(second.old, .status(0))) == [])
        #expect(stage.supervisor.nextTimer == nil)
    }

    @Test func aWorkerMayEndItsCallsAndIsKilledWhenItDoesNotEndThen() {
        var stage = Stage.running(workers: 1)
        _ = stage.on(.renewalRequested)
        #expect(stage.on(.ready(first)) == [.signal(first.old, SIGHUP), .signal(broker, SIGTERM)])
        let told = stage.now
        for child in [broker, collector] {
            _ = stage.on(.ended(child, .status(0)))
            _ = stage.on(.ready(child))
        }
        #expect(stage.wait() == [.signal(first.old, SIGTERM)])
        #expect(told.duration(to: stage.now) == Supervisor.callsPatience)
        #expect(stage.wait() == [.signal(first.old, SIGTERM)])
        #expect(stage.wait() == [.signal(first.old, SIGKILL)])
        #expect(stage.supervisor.nextTimer == nil)
        #expect(stage.on(.ended(first.old, .signal(SIGKILL))) == [])
        #expect(stage.supervisor.nextTimer == nil)
    }

    @Test func aBrokerThatDoesNotEndIsKilledInARenewalToo() {
        var stage = Stage.running(workers: 1)
        while stage.supervisor.renewal?.current != broker { stage.renewOne() }
        _ = stage.on(.ended(first.old, .status(0)))
        #expect(stage.wait() == [.signal(broker, SIGTERM)])
        #expect(stage.wait() == [.signal(broker, SIGKILL)])
        #expect(stage.on(.ended(broker, .signal(SIGKILL))) == [.spawn(broker)])
    }

    @Test func aWorkerWorksOnUntilASuccessorIsReady() {
        var stage = Stage.running(workers: 1)
        #expect(stage.on(.renewalRequested) == [.setAside(first), .spawn(first)])
        for _ in 0..<20 {
            #expect(stage.on(.ended(first, .status(1))).isEmpty)
            #expect(stage.wait() == [.spawn(first)])
        }
        #expect(stage.on(.ready(first)) == [.signal(first.old, SIGHUP), .signal(broker, SIGTERM)])
    }

    @Test func aWorkerThatEndsBeforeItIsToldIsNotStartedAgain() {
        var stage = Stage.running(workers: 1)
        _ = stage.on(.renewalRequested)
        #expect(stage.on(.ended(first.old, .signal(SIGSEGV))) == [])
        #expect(stage.on(.ready(first)) == [.signal(broker, SIGTERM)])
    }

    @Test func aSecondWishRenewsWhatWasRenewedAlready() {
        var stage = Stage.running()
        _ = stage.on(.renewalRequested)
        _ = stage.on(.ready(first))
        #expect(stage.on(.renewalRequested).isEmpty)
        #expect(stage.on(.ready(second)) == [.signal(second.old, SIGHUP), .signal(broker, SIGTERM)])
        _ = stage.on(.ended(first.old, .status(0)))
        _ = stage.on(.ended(broker, .status(0)))
        #expect(stage.on(.ready(broker)) == [.signal(collector, SIGTERM)])
        _ = stage.on(.ended(collector, .status(0)))
        #expect(stage.on(.ready(collector)) == [.setAside(first), .spawn(first)])
    }

    @Test func aWorkerHasOneOldProcessAtMost() {
        var stage = Stage.running()
        repeat { stage.renewOne() } while stage.supervisor.renewal != nil
        #expect(stage.on(.renewalRequested) == [])
        #expect(stage.on(.ended(second.old, .status(0))) == [])
        #expect(stage.on(.ended(first.old, .status(0))) == [.setAside(first), .spawn(first)])
        #expect(stage.on(.ready(first)) == [.signal(first.old, SIGHUP), .setAside(second), .spawn(second)])
    }

    @Test func aWorkerThatComesBackWhileItsRenewalWaitsIsNew() {
        var stage = Stage.running(workers: 1)
        repeat { stage.renewOne() } while stage.supervisor.renewal != nil
        #expect(stage.on(.renewalRequested) == [])
        _ = stage.on(.ended(first, .signal(SIGKILL)))
        #expect(stage.wait() == [.spawn(first)])
        #expect(stage.on(.ready(first)) == [.signal(broker, SIGTERM)])
    }

    @Test func aChildThatIsDownIsNotWaitedFor() {
        var stage = Stage.running()
        _ = stage.on(.ended(first, .signal(SIGKILL)))
        #expect(stage.on(.renewalRequested) == [.setAside(second), .spawn(second)])
    }

    @Test func aStopEndsARenewalAndOldWorkersToo() {
        var stage = Stage.running(workers: 1)
        _ = stage.on(.renewalRequested)
        _ = stage.on(.ready(first))
        #expect(
            stage.on(.stopRequested) == Stage.announced + [.signal(first, SIGTERM), .signal(first.old, SIGTERM)]
        )
        #expect(stage.on(.ended(first, .status(0))) == [])
        #expect(stage.wait() == [.signal(first.old, SIGTERM)])
        #expect(stage.wait() == [.signal(first.old, SIGKILL)])
        #expect(stage.on(.ended(first.old, .signal(SIGKILL))) == [.signal(broker, SIGTERM)])
    }

    @Test func aSecondRequestKillsOldWorkersToo() {
        var stage = Stage.running(workers: 1)
        _ = stage.on(.renewalRequested)
        _ = stage.on(.stopRequested)
        #expect(
            stage.on(.stopRequested) == [
                .signal(broker, SIGKILL), .signal(collector, SIGKILL), .signal(first, SIGKILL),
                .signal(first.old, SIGKILL),
            ]
        )
        for child in [broker, collector, first] { #expect(stage.on(.ended(child, .signal(SIGKILL))) == []) }
        #expect(stage.on(.ended(first.old, .signal(SIGKILL))) == [.finish(.ok)])
    }

    @Test func beforeTheAnnouncementThereIsNothingToRenew() {
        var stage = Stage()
        _ = stage.on(.start)
        #expect(stage.on(.renewalRequested).isEmpty)
    }
}
