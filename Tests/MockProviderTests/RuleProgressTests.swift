import CoreTypes
import Testing

@testable import MockProvider

/// Phases by calls and by time, in virtual time.
@Suite struct RuleProgressTests {
    private static let ok = MockBehaviour.ok
    private static let down = MockBehaviour.status(503)

    /// The statuses of calls at these seconds; 200 too for a rule that is over.
    private func statuses(_ rule: MockRule, at seconds: [Double]) -> [String] {
        var playbook = Playbook(script: MockScript(rules: [rule]), countedIDsMax: 10)
        return seconds.map { second in
            let now = Moment(nanoseconds: 5_000_000_000 + Int64(second * 1e9))
            return playbook.decide(Playbook.Ask(model: "m", now: now)).outcome.countedAs
        }
    }

    @Test func callsEndAPhaseAndTheNextBeginsThen() {
        let rule = MockRule(
            model: "m",
            phases: [
                MockPhase(calls: 3, behaviour: Self.ok),
                MockPhase(duration: .seconds(30), behaviour: Self.down),
                MockPhase(
                    selector: .flapping(ok: 1, failing: 1, per: .model),
                    behaviour: Self.down,
                    otherwise: Self.ok
                ),
            ]
        )
        // The third call comes at 10 s: the bad time is from 10 to 40 s. The last phase counts its calls anew.
        let seconds: [Double] = [0, 1, 10, 10.1, 39.9, 40, 41, 42, 43]
        #expect(statuses(rule, at: seconds) == ["200", "200", "200", "503", "503", "200", "503", "200", "503"])
    }

    @Test func timeRunsFromTheFirstCallOn() {
        let rule = MockRule(
            model: "m",
            phases: [MockPhase(duration: .seconds(10), behaviour: Self.down), MockPhase(behaviour: Self.ok)]
        )
        #expect(statuses(rule, at: [1000, 1009.9, 1010, 5000]) == ["503", "503", "200", "200"])
    }

    @Test func timeOfSeveralPhasesPassesWithoutCalls() {
        let rule = MockRule(
            model: "m",
            phases: [
                MockPhase(duration: .seconds(1), behaviour: .status(500)),
                MockPhase(duration: .seconds(1), behaviour: .status(501)),
                MockPhase(duration: .seconds(1), behaviour: .status(502)),
                MockPhase(behaviour: .status(503)),
            ]
        )
        #expect(statuses(rule, at: [0, 2.5, 2.9, 3]) == ["500", "502", "502", "503"])
    }

    @Test func theEarlierOfCallsAndTimeEndsAPhase() {
        let rule = MockRule(
            model: "m",
            phases: [MockPhase(calls: 2, duration: .seconds(10), behaviour: Self.down)],
            isRepeating: false
        )
        #expect(statuses(rule, at: [0, 1, 2]) == ["503", "503", "200"])
        #expect(statuses(rule, at: [0, 10]) == ["503", "200"])
    }

    @Test func ruleThatIsOverLeavesItsCallsToTheNext() {
        let first = MockRule(model: "*", phases: [MockPhase(calls: 1, behaviour: .status(500))])
        let second = MockRule(model: "*", behaviour: .status(502))
        var playbook = Playbook(script: MockScript(rules: [first, second]), countedIDsMax: 10)
        let words = (0..<3).map { _ in playbook.decide(model: "m", id: nil).outcome.countedAs }
        #expect(words == ["500", "502", "502"])
    }

    @Test func phasesRepeatByCallsAndTime() {
        let rule = MockRule(
            model: "m",
            phases: [MockPhase(calls: 2, behaviour: Self.ok), MockPhase(duration: .seconds(5), behaviour: Self.down)],
            isRepeating: true
        )
        let seconds: [Double] = [0, 0, 1, 4.9, 5, 500, 501, 504, 505]
        #expect(statuses(rule, at: seconds) == ["200", "200", "503", "503", "200", "200", "503", "503", "200"])
    }

    @Test func longSleepOfATimedRoundKeepsItsRhythm() {
        let rule = MockRule(
            model: "m",
            phases: [
                MockPhase(duration: .milliseconds(1), behaviour: Self.ok),
                MockPhase(duration: .milliseconds(2), behaviour: Self.down),
            ],
            isRepeating: true
        )
        // A year of rounds of 3 ms would be walked through for minutes, one by one.
        let year = 31_536_000.0
        let seconds = [0, 0.001, 0.003, 0.005, year, year + 0.001, year + 0.0025, year + 0.003]
        #expect(statuses(rule, at: seconds) == ["200", "503", "200", "503", "200", "503", "503", "200"])
    }

    @Test func walkingThroughTimeIsTheSameAsJumping() {
        var generator = SeededGenerator(seed: 5)
        for _ in 0..<50 {
            let phases = (0..<Int.random(in: 1...4, using: &generator)).map { number in
                MockPhase(
                    duration: .milliseconds(Int.random(in: 1...50, using: &generator)),
                    behaviour: .status(500 + number)
                )
            }
            let rule = MockRule(model: "m", phases: phases, isRepeating: Bool.random(using: &generator))
            var walking = RuleProgress()
            _ = walking.takeCall(of: rule, now: .zero)
            for milliseconds in 1...2000 {
                let now = Moment(nanoseconds: Int64(milliseconds) * 1_000_000)
                walking.advance(rule, to: now)
                guard milliseconds % 97 == 0 else { continue }
                var jumping = RuleProgress()
                _ = jumping.takeCall(of: rule, now: .zero)
                jumping.advance(rule, to: now)
                #expect(jumping.phase == walking.phase)
                #expect(jumping.began == walking.began)
            }
        }
    }

    @Test func restOfAPhaseIsTold() {
        let rule = MockRule(model: "m", phases: [MockPhase(calls: 5, duration: .seconds(10), behaviour: Self.ok)])
        var progress = RuleProgress()
        #expect(progress.rest(of: rule, now: .zero).calls == 5)
        #expect(progress.rest(of: rule, now: .zero).time == .seconds(10))
        _ = progress.takeCall(of: rule, now: Moment(nanoseconds: 0))
        let rest = progress.rest(of: rule, now: Moment(nanoseconds: 4_000_000_000))
        #expect(rest.calls == 4)
        #expect(rest.time == .seconds(6))
    }

    @Test func resetBeginsAnew() {
        let rule = MockRule(model: "m", phases: [MockPhase(calls: 1, behaviour: Self.down)])
        var playbook = Playbook(script: MockScript(rules: [rule]), countedIDsMax: 10)
        #expect(playbook.decide(model: "m", id: nil).outcome == Self.down.outcome)
        #expect(playbook.decide(model: "m", id: nil).outcome == .answer)
        playbook.reset()
        #expect(playbook.decide(model: "m", id: nil).outcome == Self.down.outcome)
    }
}
