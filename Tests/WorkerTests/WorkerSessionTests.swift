import BusProtocol
import CoreTypes
import Resilience
import Testing

@testable import Worker

struct WorkerSessionTests {
    @Test func nothingIsSaidBeforeTheConnectionAndReadyComesFirst() throws {
        var fixture = try SessionFixture(capacity: 3)
        #expect(!fixture.session.needsReady && fixture.session.nextTick == nil)
        #expect(fixture.session.takeCredit() == nil)
        fixture.session.connected()
        #expect(fixture.session.needsReady)
        let ready = fixture.session.ready(now: fixture.time.now)
        let said = try WorkerMessage.decode(ready.frameList())
        #expect(said == .ready(WorkerReady(name: "w1", pid: 7, capacity: 3)))
        #expect(fixture.session.takeCredit() == nil)
    }

    @Test func creditIsTheCapacityAtOnceAndThenRisesWithEveryEnd() throws {
        var fixture = try SessionFixture(capacity: 2)
        fixture.join("first")
        #expect(fixture.session.takeCredit() == WorkerMessage.credit(grantedTotal: 2).encoded())
        #expect(fixture.session.takeCredit() == nil)
        try fixture.job(1)
        try fixture.job(2)
        #expect(fixture.session.takeCredit() == nil)
        fixture.go(1)
        fixture.answer(1)
        // Held until the broker has it.
        #expect(fixture.session.takeCredit() == nil)
        fixture.tell(.acknowledge(SessionFixture.key(1)))
        fixture.nogo(2, .superseded)
        #expect(fixture.session.takeCredit() == WorkerMessage.credit(grantedTotal: 4).encoded())
    }

    @Test func creditOfANewSessionLeavesOutWhatIsStillHeld() throws {
        var fixture = try SessionFixture.open(capacity: 3)
        try fixture.job(1)
        try fixture.job(2)
        fixture.apply { $0.disconnected($1, into: &$2) }
        fixture.join("second", keep: [SessionFixture.key(1)])
        #expect(fixture.session.takeCredit() == WorkerMessage.credit(grantedTotal: 2).encoded())
    }

    @Test func everyAttemptIsAskedForAndCalledOnlyAfterGo() throws {
        var fixture = try SessionFixture.open()
        let asked = try fixture.job(1)
        #expect(asked.sent == [.start(SessionFixture.key(1, attempt: 1))] && asked.calls.isEmpty)
        #expect(
            asked.outgoing.first.map { String(decoding: $0.header, as: UTF8.self) }
                == #"{"provider":"mock","model":"a","key":"none"}"#
        )
        #expect(fixture.go(1, attempt: 2).isEmpty)
        #expect(fixture.go(1).calls.map(\.attempt) == [1])
        #expect(fixture.go(1).isEmpty)
        let failed = fixture.fail(1, AttemptFailure(.serverError, httpStatus: 500, message: "x"))
        #expect(failed.calls.isEmpty && failed.said.isEmpty)
        fixture.pass(.seconds(1))
        let again = fixture.apply { $0.woken(SessionFixture.key(1), $1, into: &$2) }
        #expect(again.said == [.start(SessionFixture.key(1, attempt: 2))])
        #expect(fixture.go(1, attempt: 2).calls.map(\.attempt) == [2])
    }

    @Test func theLaneNamesTheKeysSourceAndNeverTheKey() throws {
        var fixture = try SessionFixture.open()
        let asked = try fixture.job(1, #"{"model":"paid/x","messages":[{"role":"user","content":"hi"}]}"#)
        #expect(
            asked.outgoing.first.map { String(decoding: $0.header, as: UTF8.self) }
                == #"{"provider":"paid","model":"x","key":"PAID_KEY"}"#
        )
    }

    @Test(arguments: [NoGoReason.superseded, .cancelled, .expired, .ended])
    func aRefusalForGoodGivesThePlaceBackWithoutATerminal(reason: NoGoReason) throws {
        var fixture = try SessionFixture.open()
        try fixture.job(1)
        #expect(fixture.nogo(1, reason).said == [.returned(SessionFixture.key(1), reason: .noGo)])
        #expect(fixture.session.deliveries.isEmpty)
    }

    @Test func aRefusalForNowIsAskedAgain() throws {
        var fixture = try SessionFixture.open()
        try fixture.job(1)
        #expect(fixture.nogo(1, .wait, wait: .seconds(2)).said.isEmpty)
        fixture.pass(.seconds(2))
        let again = fixture.apply { $0.woken(SessionFixture.key(1), $1, into: &$2) }
        #expect(again.said == [.start(SessionFixture.key(1, attempt: 1))])
    }

    @Test func ordersOfAnotherSessionAreDropped() throws {
        var fixture = try SessionFixture.open()
        try fixture.job(1)
        let ours = fixture.token
        fixture.token = SessionToken("other")
        #expect(try fixture.job(2).isEmpty)
        #expect(fixture.go(1).isEmpty)
        #expect(fixture.nogo(1, .ended).isEmpty)
        #expect(fixture.tell(.cancel(SessionFixture.key(1), session: fixture.token)).isEmpty)
        fixture.token = ours
        #expect(fixture.go(1).calls.count == 1)
        #expect(fixture.session.deliveries.count == 1)
    }

    @Test func beforeWelcomeAndWithoutAConnectionOrdersAreDropped() throws {
        var fixture = try SessionFixture(capacity: 1)
        #expect(try fixture.job(1).isEmpty)
        fixture.session.connected()
        #expect(try fixture.job(1).isEmpty)
        _ = fixture.session.ready(now: fixture.time.now)
        #expect(try fixture.job(1).isEmpty)
        #expect(fixture.session.deliveries.isEmpty)
    }

    @Test func theBillIsThatOfAllAttempts() throws {
        for (second, billed): (AttemptFailure, ErrorCode.Billed) in [
            (AttemptFailure(.auth, httpStatus: 401, message: "key"), .no),
            (AttemptFailure(.connection, sameModelAdvice: false, message: "refused", wasSent: false), .no),
            (AttemptFailure(.connection, sameModelAdvice: false, message: "reset"), .maybe),
        ] {
            var fixture = try SessionFixture.open()
            try fixture.job(
                1,
                #"{"model":"mock/a","fallback_models":["mock/b"],"messages":[{"role":"user","content":"x"}]}"#
            )
            fixture.go(1)
            fixture.fail(1, AttemptFailure(.auth, httpStatus: 401, message: "key"))
            fixture.go(1, attempt: 2)
            let effects = fixture.fail(1, attempt: 2, second)
            // Beside the events of the attempt.
            let headers = effects.outgoing.compactMap { try? FailureHeader(parsing: Bytes($0.header)) }
            let header = try #require(headers.first)
            #expect(headers.count == 1 && header.failureClass == .auth)
            #expect(header.billed == billed, "\(second.message)")
        }
    }

    @Test func cancelClosesTheCallAndEndsInFailure() throws {
        var fixture = try SessionFixture.open()
        try fixture.job(1)
        fixture.go(1)
        let effects = fixture.tell(.cancel(SessionFixture.key(1), session: fixture.token))
        #expect(effects.aborts == [SessionFixture.key(1)])
        #expect(effects.said == [.failure(SessionFixture.key(1))])
        let header = try FailureHeader(parsing: Bytes(effects.outgoing.last?.header ?? []))
        #expect(header.failureClass == .cancelled)
        #expect(header.billed == .maybe)
        // The call's end and a second cancel change nothing.
        #expect(fixture.answer(1).isEmpty)
        #expect(fixture.tell(.cancel(SessionFixture.key(1), session: fixture.token)).isEmpty)
    }

    @Test func cancelBeforeTheAnswerToStartEndsWithoutACall() throws {
        var fixture = try SessionFixture.open()
        try fixture.job(1)
        #expect(
            fixture.tell(.cancel(SessionFixture.key(1), session: fixture.token)).said
                == [.failure(SessionFixture.key(1))]
        )
        #expect(fixture.go(1).isEmpty)
    }

    @Test func moreThanTheCapacityAndWhatCannotBeReadGoBack() throws {
        var fixture = try SessionFixture.open(capacity: 1)
        try fixture.job(1)
        #expect(try fixture.job(2).said == [.returned(SessionFixture.key(2), reason: .full)])
        let unreadable = fixture.apply { session, _, effects in
            session.receivedUnreadable(SessionFixture.key(3), BusError(.malformed, "no session"), into: &effects)
        }
        #expect(unreadable.said == [.returned(SessionFixture.key(3), reason: .full)])
        #expect(fixture.session.deliveries.count == 1)
    }

    @Test func aRequestWithoutTimeEndsWithoutACall() throws {
        var fixture = try SessionFixture.open()
        let effects = try fixture.job(1, remaining: .zero)
        #expect(effects.said == [.failure(SessionFixture.key(1))] && effects.calls.isEmpty)
    }

    @Test func theDeadlineEndsAnOpenCall() throws {
        var fixture = try SessionFixture.open()
        try fixture.job(1, remaining: .seconds(3))
        let wakes = fixture.go(1).compactMap { if case .wake(_, let at) = $0 { at } else { nil } }
        #expect(wakes.isEmpty, "the deadline was set with the question already")
        fixture.pass(.seconds(3))
        let effects = fixture.apply { $0.woken(SessionFixture.key(1), $1, into: &$2) }
        #expect(effects.aborts == [SessionFixture.key(1)])
        let header = try FailureHeader(parsing: Bytes(effects.outgoing.last?.header ?? []))
        #expect(header.failureClass == .deadline)
    }

    // MARK: Signs of life

    @Test func beatsComeAtTheBrokersInterval() throws {
        var fixture = try SessionFixture.open()
        #expect(fixture.session.nextTick == fixture.time.now.advanced(by: .seconds(1)))
        fixture.pass(.seconds(1))
        let effects = fixture.apply { $0.tick($1, into: &$2) }
        guard case .beat(held: 0)? = effects.first else {
            Issue.record("expected a beat, found \(effects)")
            return
        }
        #expect(fixture.session.nextTick == fixture.time.now.advanced(by: .seconds(1)))
    }

    @Test func aBrokerThatIsSilentForALeaseIsAskedForANewSession() throws {
        var fixture = try SessionFixture.open()
        fixture.pass(.seconds(10))
        fixture.tell(.beat(.run))
        fixture.pass(.seconds(14))
        fixture.apply { $0.tick($1, into: &$2) }
        #expect(fixture.session.isOpen)
        fixture.pass(.seconds(1))
        fixture.apply { $0.tick($1, into: &$2) }
        #expect(fixture.session.needsReady)
    }

    @Test func readyIsSaidAgainWhenNobodyAnswers() throws {
        var fixture = try SessionFixture(capacity: 1)
        fixture.session.connected()
        _ = fixture.session.ready(now: fixture.time.now)
        fixture.pass(WorkerSession.welcomeWaitMax)
        #expect(fixture.session.nextTick == fixture.time.now)
        fixture.apply { $0.tick($1, into: &$2) }
        #expect(fixture.session.needsReady)
    }

    @Test func aBrokerThatDoesNotKnowTheSessionGetsReadyOnce() throws {
        var fixture = try SessionFixture.open()
        fixture.tell(.beat(.rejoin))
        #expect(fixture.session.needsReady)
        #expect(try fixture.job(1).isEmpty)
        _ = fixture.session.ready(now: fixture.time.now)
        fixture.tell(.beat(.rejoin))
        #expect(!fixture.session.needsReady)
    }

    @Test func quietStopsCreditUntilRun() throws {
        var fixture = try SessionFixture(capacity: 1)
        fixture.join("first")
        fixture.tell(.beat(.quiet))
        #expect(fixture.session.takeCredit() == nil)
        fixture.tell(.beat(.run))
        #expect(fixture.session.takeCredit() != nil)
    }

    @Test func aRefusedTerminalIsNotKept() throws {
        var fixture = try SessionFixture.open()
        try fixture.job(1)
        fixture.go(1)
        fixture.answer(1)
        let key = SessionFixture.key(1).bytes
        fixture.tell(.error(id: key, BusError(.unexpected, "REPLY without a GO")))
        #expect(fixture.session.deliveries.isEmpty)
    }

    // MARK: New sessions

    @Test func readyListsWhatIsHeldWithItsState() throws {
        var fixture = try SessionFixture.open()
        for number: UInt64 in 1...3 { try fixture.job(number) }
        fixture.go(2)
        fixture.go(3)
        fixture.answer(3)
        fixture.apply { $0.disconnected($1, into: &$2) }
        fixture.session.connected()
        let message = fixture.session.ready(now: fixture.time.now)
        guard case .ready(let ready) = try WorkerMessage.decode(message.frameList()) else {
            Issue.record("expected READY")
            return
        }
        let held = ready.held.sorted { $0.key.job < $1.key.job }
        #expect(held.map(\.state) == [.waiting, .calling, .finished])
        #expect(held.map(\.key.attempt) == [0, 1, 1])
        // printf '%s' '{"model":"mock/a","messages":[{"role":"user","content":"whisper"}]}' | sha256sum
        #expect(
            Set(held.map(\.bodyHash)).map(\.description)
                == ["38e108a3306b27c05ab6bcef799e2ec231236c91b6220df82ee297bcdbce00f8"]
        )
    }

    @Test func whatIsKeptGoesOnAndWhatIsNotIsForgotten() throws {
        var fixture = try SessionFixture.open(capacity: 8)
        for number: UInt64 in 1...6 { try fixture.job(number) }
        for number: UInt64 in 2...6 { fixture.go(number) }
        fixture.answer(3, "kept")
        fixture.answer(4, "dropped")
        fixture.apply { $0.disconnected($1, into: &$2) }
        // Nothing can be said while nobody listens, but a call's end is not lost.
        #expect(fixture.answer(2, "late").outgoing.isEmpty)
        let effects = fixture.join("second", keep: [1, 2, 3, 6].map { SessionFixture.key($0) })
        #expect(
            effects.said == [
                .start(SessionFixture.key(1, attempt: 1)), .reply(SessionFixture.key(2)),
                .reply(SessionFixture.key(3)),
            ]
        )
        #expect(effects.outgoing.dropFirst().map { $0.body.last } == [Bytes("late"), Bytes("kept")])
        #expect(effects.aborts == [SessionFixture.key(5)])
        #expect(Set(fixture.session.deliveries.keys) == Set([1, 2, 3, 6].map { SessionFixture.key($0) }))
        #expect(fixture.answer(6).said == [.reply(SessionFixture.key(6))])
        #expect(fixture.answer(5).isEmpty)
    }

    @Test func aRetryThatFallsDueWithoutABrokerIsAskedForInTheNextSession() throws {
        var fixture = try SessionFixture.open()
        try fixture.job(1)
        fixture.go(1)
        fixture.fail(1, AttemptFailure(.serverError, message: "x"))
        fixture.apply { $0.disconnected($1, into: &$2) }
        fixture.pass(.seconds(1))
        #expect(fixture.apply { $0.woken(SessionFixture.key(1), $1, into: &$2) }.outgoing.isEmpty)
        #expect(
            fixture.join("second", keep: [SessionFixture.key(1, attempt: 1)]).said
                == [.start(SessionFixture.key(1, attempt: 2))]
        )
    }

    @Test func aReadyThatWasNotSentIsSaidAfterTheNextConnection() throws {
        var fixture = try SessionFixture(capacity: 1)
        fixture.session.connected()
        _ = fixture.session.ready(now: fixture.time.now)
        fixture.session.readyFailed()
        #expect(!fixture.session.needsReady && fixture.session.nextTick == nil)
        fixture.session.connected()
        #expect(fixture.session.needsReady)
    }
}
