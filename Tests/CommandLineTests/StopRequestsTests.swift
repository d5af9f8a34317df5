import CoreTypes
import Glibc
import Testing

@testable import understudy

@Suite struct StopRequestsTests {
    private static let supervisor: Int32 = 70

    private func signal(_ number: CInt, from sender: Int32? = 5) -> SignalSource.Signal {
        SignalSource.Signal(number: number, isFromProcess: sender != nil, sender: sender)
    }

    private func at(_ milliseconds: Int) -> Moment { Moment.zero.advanced(by: .milliseconds(milliseconds)) }

    @Test func theSecondRequestEndsAtOnce() {
        var requests = StopRequests(supervisor: nil, canRenew: false)
        let answers = [
            requests.take(signal(SIGINT, from: nil), now: at(0)),
            requests.take(signal(SIGTERM), now: at(300)),
        ]
        #expect(answers == [.stop(.graceful), .stop(.now)])
    }

    /// `timeout` signals its child and then its group.
    @Test func twoRequestsWithinAMomentAreOne() {
        var requests = StopRequests(supervisor: nil, canRenew: false)
        let answers = [0, 1, 299, 5000].map { requests.take(signal(SIGTERM), now: at($0)) }
        #expect(answers == [.stop(.graceful), .nothing, .nothing, .stop(.now)])
    }

    /// A service manager signals everybody, before or after the supervisor has said what follows.
    @Test(arguments: [false, true]) func aSupervisedServiceLeavesItsEndToTheSupervisor(isFirst: Bool) {
        var requests = StopRequests(supervisor: Self.supervisor, canRenew: false)
        if isFirst {
            let answer = requests.take(signal(SIGTERM), now: at(0))
            #expect(answer == .wait)
        }
        let announced = requests.take(signal(SignalSource.quiet, from: Self.supervisor), now: at(1))
        #expect(announced == .stop(.quiet))
        let later = isFirst ? requests.momentIsOver() : requests.take(signal(SIGTERM), now: at(2))
        #expect(later == .nothing)
        let ends = [9000, 9010].map { requests.take(signal(SIGTERM, from: Self.supervisor), now: at($0)) }
        #expect(ends == [.stop(.graceful), .stop(.now)])
    }

    /// Workers are told nothing before their end.
    @Test(arguments: [false, true]) func theSignalOfAnotherDoesNotMakeTheSupervisorsFirstTheSecond(isFirst: Bool) {
        var requests = StopRequests(supervisor: Self.supervisor, canRenew: false)
        let other = signal(SIGTERM)
        let own = signal(SIGTERM, from: Self.supervisor)
        let answers = [isFirst ? other : own, isFirst ? own : other].map { requests.take($0, now: at(1)) }
        #expect(answers == (isFirst ? [.wait, .stop(.graceful)] : [.stop(.graceful), .nothing]))
        if isFirst {
            let late = requests.momentIsOver()
            #expect(late == .nothing)
        }
        let last = requests.take(own, now: at(30_000))
        #expect(last == .stop(.now))
    }

    @Test func aSupervisedServiceThatSomebodyElseStopsEndsAfterAMoment() {
        var requests = StopRequests(supervisor: Self.supervisor, canRenew: false)
        let answers = [0, 100].map { requests.take(signal(SIGTERM), now: at($0)) }
        #expect(answers == [.wait, .nothing])
        let end = requests.momentIsOver()
        #expect(end == .stop(.graceful))
        let own = requests.take(signal(SIGTERM, from: Self.supervisor), now: at(400))
        #expect(own == .nothing)
        let again = requests.take(signal(SIGTERM), now: at(2000))
        #expect(again == .nothing)
    }

    @Test func twiceByAnotherIsAtOnce() {
        var requests = StopRequests(supervisor: Self.supervisor, canRenew: false)
        _ = requests.take(signal(SIGTERM), now: at(0))
        _ = requests.momentIsOver()
        let again = requests.take(signal(SIGTERM), now: at(2000))
        #expect(again == .stop(.now))
    }

    @Test func onlyAProcessAsksForARenewal() {
        var requests = StopRequests(supervisor: nil, canRenew: true)
        let answers = [
            requests.take(signal(SIGHUP), now: at(0)), requests.take(signal(SIGHUP, from: nil), now: at(1)),
        ]
        #expect(answers == [.stop(.renew), .stop(.graceful)])
    }
}
