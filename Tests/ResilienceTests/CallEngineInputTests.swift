import BusProtocol
import CoreTypes
import Resilience
import Testing

/// Inputs of the broker, the clock and the agent in every state.
@Suite struct CallEngineInputTests {
    var random = SeededGenerator(seed: 3)

    func at(_ seconds: Int) -> Moment { Moment.zero.advanced(by: .seconds(seconds)) }

    @Test mutating func everyAttemptAsksFirst() throws {
        var engine = try VirtualRun.engine()
        guard case .requestGo(let first) = engine.handle(.start, now: .zero, random: &random) else {
            Issue.record("no GO was asked for")
            return
        }
        #expect(engine.handle(.go(attempt: 2), now: .zero, random: &random) == .ignore)
        #expect(engine.handle(.go(attempt: first.attempt), now: .zero, random: &random) == .startCall(first))
        #expect(engine.handle(.go(attempt: first.attempt), now: .zero, random: &random) == .ignore)
        let failed = engine.handle(
            .attemptFailed(AttemptFailure(.overloaded, message: "")),
            now: .zero,
            random: &random
        )
        guard case .wait(let until) = failed else {
            Issue.record("\(failed)")
            return
        }
        #expect(engine.nextTimer == until)
        #expect(engine.handle(.timerFired, now: .zero, random: &random) == .wait(until: until))
        guard case .requestGo(let second) = engine.handle(.timerFired, now: until, random: &random) else {
            Issue.record("no second GO was asked for")
            return
        }
        #expect(second.attempt == 2)
        #expect(second.modelAttempt == 2)
    }

    @Test(arguments: [NoGoReason.superseded, .cancelled, .expired, .ended])
    func aRefusalForGoodIsDroppedSilently(reason: NoGoReason) throws {
        var random = SeededGenerator(seed: 3)
        var engine = try VirtualRun.engine()
        _ = engine.handle(.start, now: .zero, random: &random)
        let step = engine.handle(.nogo(attempt: 1, reason: reason, wait: nil), now: .zero, random: &random)
        #expect(step == .finish(.abandoned(reason)))
        #expect(engine.isEnded)
        #expect(engine.nextTimer == nil)
    }

    @Test mutating func aPutOffAttemptAsksAgainUnderItsNumber() throws {
        var engine = try VirtualRun.engine()
        _ = engine.handle(.start, now: .zero, random: &random)
        let held = engine.handle(.nogo(attempt: 1, reason: .wait, wait: .seconds(5)), now: .zero, random: &random)
        #expect(held == .wait(until: at(5)))
        #expect(engine.handle(.go(attempt: 1), now: at(1), random: &random) == .ignore)
        guard case .requestGo(let plan) = engine.handle(.timerFired, now: at(5), random: &random) else {
            Issue.record("not asked again")
            return
        }
        #expect(plan.attempt == 1)
        #expect(engine.trail.waited == .seconds(5))
        #expect(engine.trail.entries.isEmpty)
    }

    @Test mutating func aPutOffWithoutWaitIsNoBusyLoop() throws {
        var engine = try VirtualRun.engine()
        _ = engine.handle(.start, now: .zero, random: &random)
        let held = engine.handle(.nogo(attempt: 1, reason: .wait, wait: .zero), now: .zero, random: &random)
        #expect(held == .wait(until: Moment.zero.advanced(by: CallEngine.holdMin)))
    }

    @Test mutating func aPutOffBeyondTheCapMovesOn() throws {
        var engine = try VirtualRun.engine()
        _ = engine.handle(.start, now: .zero, random: &random)
        let step = engine.handle(.nogo(attempt: 1, reason: .wait, wait: .seconds(61)), now: .zero, random: &random)
        guard case .requestGo(let plan) = step else {
            Issue.record("\(step)")
            return
        }
        #expect(plan.model.description == "b/two")
        #expect(plan.attempt == 1)
        let end = engine.handle(.nogo(attempt: 1, reason: .wait, wait: .seconds(61)), now: .zero, random: &random)
        guard case .finish(.failure(let failure)) = end else {
            Issue.record("\(end)")
            return
        }
        #expect(failure.failureClass == .rateLimited)
        #expect(failure.meta.totalAttempts == 0)
    }

    @Test mutating func cancelClosesTheCall() throws {
        var engine = try VirtualRun.engine()
        _ = engine.handle(.start, now: .zero, random: &random)
        _ = engine.handle(.go(attempt: 1), now: .zero, random: &random)
        let step = engine.handle(.cancel, now: at(2), random: &random)
        guard case .abortCall(.failure(let failure)) = step else {
            Issue.record("\(step)")
            return
        }
        #expect(failure.failureClass == .cancelled)
        #expect(failure.meta.trail.attempts.map(\.failureClass) == [.cancelled])
        #expect(failure.meta.trail.attempts.map(\.duration) == [.seconds(2)])
        #expect(engine.handle(.attemptSucceeded(ReplySummary()), now: at(3), random: &random) == .ignore)
        #expect(engine.handle(.cancel, now: at(3), random: &random) == .ignore)
    }

    @Test mutating func cancelWithoutAnOpenCallJustEnds() throws {
        for inputs: [CallInput] in [
            [],
            [.start],
            [.start, .nogo(attempt: 1, reason: .wait, wait: .seconds(9))],
            [.start, .go(attempt: 1), .attemptFailed(AttemptFailure(.overloaded, message: ""))],
        ] {
            var engine = try VirtualRun.engine()
            for input in inputs { _ = engine.handle(input, now: .zero, random: &random) }
            let step = engine.handle(.cancel, now: .zero, random: &random)
            guard case .finish(.failure(let failure)) = step else {
                Issue.record("\(step) after \(inputs)")
                continue
            }
            #expect(failure.failureClass == .cancelled)
            #expect(engine.isEnded)
        }
    }

    @Test mutating func theDeadlineEndsAnOpenCall() throws {
        var engine = try VirtualRun.engine(deadline: .seconds(30))
        _ = engine.handle(.start, now: .zero, random: &random)
        #expect(engine.nextTimer == at(30))
        _ = engine.handle(.go(attempt: 1), now: at(1), random: &random)
        #expect(engine.nextTimer == at(30))
        #expect(engine.handle(.timerFired, now: at(29), random: &random) == .ignore)
        let step = engine.handle(.timerFired, now: at(30), random: &random)
        guard case .abortCall(.failure(let failure)) = step else {
            Issue.record("\(step)")
            return
        }
        #expect(failure.failureClass == .deadline)
        #expect(failure.meta.trail.attempts.map(\.failureClass) == [.deadline])
    }

    @Test mutating func aGoThatComesAfterTheDeadlineStartsNoCall() throws {
        var engine = try VirtualRun.engine(deadline: .seconds(30))
        _ = engine.handle(.start, now: .zero, random: &random)
        let step = engine.handle(.go(attempt: 1), now: at(30), random: &random)
        guard case .finish(.failure(let failure)) = step else {
            Issue.record("\(step)")
            return
        }
        #expect(failure.failureClass == .deadline)
        #expect(failure.meta.totalAttempts == 0)
    }

    @Test mutating func aRequestThatArrivesTooLateAsksNothing() throws {
        var engine = try VirtualRun.engine(deadline: .zero)
        guard case .finish(.failure(let failure)) = engine.handle(.start, now: .zero, random: &random) else {
            Issue.record("a late request went on")
            return
        }
        #expect(failure.failureClass == .deadline)
    }
}
