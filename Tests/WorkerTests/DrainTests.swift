import BusProtocol
import CoreTypes
import Resilience
import Testing

@testable import Worker

struct DrainTests {
    private func drain(_ fixture: inout SessionFixture, for duration: Duration = .seconds(30)) -> [WorkerEffect] {
        fixture.apply { $0.drain(until: $1.now.advanced(by: duration), into: &$2) }
    }

    @Test func aWorkerWithoutWorkSaysByeAndLeaves() throws {
        var fixture = try SessionFixture.open()
        let effects = drain(&fixture)
        #expect(effects.said == [.bye] && effects.hasLeft)
        #expect(fixture.session.phase == .ended && fixture.session.nextTick == nil)
    }

    @Test func withoutABrokerItLeavesInSilence() throws {
        var fixture = try SessionFixture(capacity: 1)
        let effects = drain(&fixture)
        #expect(effects.outgoing.isEmpty && effects.hasLeft)
    }

    @Test func whatWasNotBegunGoesBackAndTheRestIsFinished() throws {
        var fixture = try SessionFixture.open()
        try fixture.job(1)
        fixture.nogo(1, .wait, wait: .seconds(9))
        try fixture.job(2)
        try fixture.job(3)
        fixture.go(3)
        let effects = drain(&fixture)
        // 2 asked for leave: the broker may have given it, so it is not free of charge any more.
        #expect(effects.said == [.returned(SessionFixture.key(1), reason: .draining)])
        #expect(!effects.hasLeft && fixture.session.takeCredit() == nil)
        #expect(try fixture.job(4).said == [.returned(SessionFixture.key(4), reason: .draining)])
        #expect(fixture.go(2).calls.count == 1)
        fixture.answer(2)
        fixture.answer(3)
        #expect(!fixture.tell(.acknowledge(SessionFixture.key(2))).hasLeft)
        let last = fixture.tell(.acknowledge(SessionFixture.key(3)))
        #expect(last.said == [.bye] && last.hasLeft)
    }

    @Test func aRetryIsStillMadeDuringTheDrain() throws {
        var fixture = try SessionFixture.open()
        try fixture.job(1)
        fixture.go(1)
        _ = drain(&fixture)
        fixture.fail(1, .init(.serverError, message: "x"))
        fixture.pass(.seconds(1))
        let again = fixture.apply { $0.woken(SessionFixture.key(1), $1, into: &$2) }
        #expect(again.said == [.start(SessionFixture.key(1, attempt: 2))])
    }

    @Test func theEndOfTheTimeClosesTheCallsAndLeaves() throws {
        var fixture = try SessionFixture.open()
        try fixture.job(1)
        fixture.go(1)
        _ = drain(&fixture, for: .seconds(5))
        fixture.pass(.seconds(5))
        let effects = fixture.apply { $0.tick($1, into: &$2) }
        #expect(effects.aborts == [SessionFixture.key(1)] && effects.said == [.bye] && effects.hasLeft)
    }

    @Test func aResultWaitsForABrokerThatIsAwayUntilTheTimeIsOver() throws {
        var fixture = try SessionFixture.open()
        try fixture.job(1)
        fixture.go(1)
        fixture.answer(1)
        fixture.apply { $0.disconnected($1, into: &$2) }
        #expect(!drain(&fixture).hasLeft)
        #expect(fixture.session.nextTick == fixture.time.now.advanced(by: .seconds(30)))
        let joined = fixture.join("second", keep: [SessionFixture.key(1)])
        #expect(joined.said == [.reply(SessionFixture.key(1))] && fixture.session.takeCredit() == nil)
        #expect(fixture.tell(.acknowledge(SessionFixture.key(1))).hasLeft)
    }

    @Test func stoppingClosesEverythingAtOnce() throws {
        var fixture = try SessionFixture.open()
        try fixture.job(1)
        try fixture.job(2)
        fixture.go(1)
        let effects = fixture.apply { session, _, effects in session.stop(into: &effects) }
        #expect(effects.aborts == [SessionFixture.key(1)] && effects.said == [.bye] && effects.hasLeft)
        #expect(fixture.apply { session, _, effects in session.stop(into: &effects) }.isEmpty)
        #expect(fixture.answer(1).isEmpty)
    }
}
