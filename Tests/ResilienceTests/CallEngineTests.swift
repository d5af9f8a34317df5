import BusProtocol
import CoreTypes
import Resilience
import Testing

@Suite struct CallEngineTests {
    @Test func aGoodFirstAttemptCountsOne() throws {
        let run = try VirtualRun { _ in .success(after: .milliseconds(1234)) }
        let meta = try #require(run.meta)
        #expect(meta.resolvedModel?.description == "a/one")
        #expect([meta.attempts, meta.retries, meta.fallbacks, meta.totalAttempts, meta.deliveries] == [1, 0, 0, 1, 1])
        #expect(meta.duration == .milliseconds(1234))
        #expect(meta.waited == .zero)
        #expect(meta.trail.attempts.map(\.next) == [.end])
    }

    @Test func theArticlesDayRetriesThenFallsBack() throws {
        let run = try VirtualRun(policy: RetryPolicy(jitter: 0)) {
            switch $0.attempt {
            case 1: .failure(.overloaded, status: 529)
            case 2: .failure(.badGateway, status: 502)
            case 3: .failure(.rateLimited, status: 429)
            case 4: .failure(.serverError, status: 500)
            default: .success()
            }
        }
        #expect(run.modelsCalled == ["a/one", "a/one", "a/one", "b/two", "b/two"])
        #expect(run.waits == [.milliseconds(500), .seconds(1), .milliseconds(500)])
        let meta = try #require(run.meta)
        #expect(meta.resolvedModel?.description == "b/two")
        #expect([meta.attempts, meta.retries, meta.fallbacks, meta.totalAttempts] == [2, 1, 1, 5])
        #expect(meta.waited == .seconds(2))
        #expect(meta.duration == .milliseconds(2500))
        #expect(meta.trail.attempts.map(\.next) == [.retry, .retry, .fallback, .retry, .end])
        #expect(meta.trail.attempts.map(\.httpStatus) == [529, 502, 429, 500, 200])
        #expect(meta.trail.attempts[1].started == .milliseconds(600))
    }

    @Test func aCallOfTenMinutesIsNotRetriedAtTheSameModel() throws {
        let run = try VirtualRun { $0.model.provider == "a" ? .success(after: .seconds(700)) : .success() }
        #expect(run.modelsCalled == ["a/one", "b/two"])
        #expect(run.meta?.trail.attempts.first?.failureClass == .localTimeout)
        #expect(run.meta?.trail.attempts.first?.duration == .seconds(600))
    }

    @Test func aHintIsALowerBound() throws {
        let longer = try VirtualRun { $0.attempt == 1 ? .failure(.rateLimited, hint: .seconds(20)) : .success() }
        #expect(longer.waits.count == 1)
        #expect((.seconds(20) ... .seconds(25)).contains(longer.waits[0]))
        let shorter = try VirtualRun { $0.attempt == 1 ? .failure(.rateLimited, hint: .milliseconds(1)) : .success() }
        #expect(shorter.waits.count == 1)
        #expect(shorter.waits[0] >= .milliseconds(375))
    }

    /// Whom a provider refuses at one time it tells the same; they must not come back at one time.
    @Test func callersWithOneHintComeBackApart() {
        var random = SeededGenerator(seed: 3)
        let policy = RetryPolicy()
        func waits(hint: Duration, within limit: Duration = .seconds(600)) -> [Duration] {
            (0..<400).map { _ in policy.wait(after: 1, hint: hint, within: limit, random: &random) }.sorted()
        }
        let two = waits(hint: .seconds(2))
        #expect(two[0] >= .seconds(2))
        #expect(two[399] < .milliseconds(2500))
        // Evenly over half a second: a tenth of them in each twentieth part of a second, give or take.
        for tenth in 0..<10 {
            let begin = Duration.milliseconds(2000 + 50 * tenth)
            #expect((20...60).contains(two.count { $0 >= begin && $0 < begin + .milliseconds(50) }))
        }
        // A short one is spread over a part of what would have been waited without it.
        #expect(waits(hint: .milliseconds(400))[399] > .milliseconds(500))
        // The hint counts to the end of the time that is left, and of the cap; chance does not.
        #expect(waits(hint: .seconds(20), within: .milliseconds(20_001)).allSatisfy { $0 == .seconds(20) })
        #expect(waits(hint: .seconds(60)).allSatisfy { $0 == .seconds(60) })
    }

    @Test func aHintBeyondTheCapMovesOnAtOnce() throws {
        let run = try VirtualRun {
            .failure(.rateLimited, hint: $0.model.provider == "a" ? .seconds(61) : .seconds(60))
        }
        #expect(run.modelsCalled == ["a/one", "b/two", "b/two", "b/two"])
        #expect(run.waits == [.seconds(60), .seconds(60)])
        #expect(run.failure?.failureClass == .rateLimited)
        #expect(run.failure?.retryAfter == .seconds(61))
    }

    @Test func aWaitBeyondTheDeadlineIsNotBegun() throws {
        let moved = try VirtualRun(deadline: .seconds(10)) {
            $0.model.provider == "a" ? .failure(.rateLimited, hint: .seconds(30)) : .success()
        }
        #expect(moved.modelsCalled == ["a/one", "b/two"])
        #expect(moved.waits.isEmpty)
        let ended = try VirtualRun(models: ["a/one"], deadline: .seconds(10)) { _ in
            .failure(.rateLimited, hint: .seconds(30))
        }
        #expect(ended.failure?.failureClass == .deadline)
        #expect(ended.failure?.message.contains("rate_limited") == true)
        #expect(ended.now < Moment.zero.advanced(by: .seconds(10)))
    }

    @Test func theDeadlineCutsTheTimersOfAnAttempt() throws {
        let run = try VirtualRun(deadline: .seconds(30)) { _ in .success(after: .seconds(60)) }
        #expect(run.called.count == 1)
        #expect(run.called[0].timers == CallTimers().clamped(to: .seconds(30)))
        #expect(run.failure?.failureClass == .deadline)
        #expect(run.meta?.trail.attempts.map(\.failureClass) == [.deadline])
        let message = run.failure?.message ?? ""
        #expect(message.hasPrefix("a/one had not answered after 30000 ms when the deadline came"))
        #expect(message.contains("no time was left for b/two (one attempt may take 600000 ms: timers.attempt)"))
        #expect(run.now == Moment.zero.advanced(by: .seconds(30)))
    }

    @Test func attemptNumbersGoOnFromTheFirstGiven() throws {
        let run = try VirtualRun(firstAttempt: 4) { _ in .failure(.badGateway) }
        #expect(run.called.map(\.attempt) == [4, 5, 6, 7, 8, 9])
        #expect(run.asked.map(\.attempt) == run.called.map(\.attempt))
        #expect(run.meta?.totalAttempts == 9)
        #expect(run.meta?.attempts == 3)
    }

    @Test func aModelThatCannotBeCalledIsSkippedAndTold() throws {
        let facts = ["a/one": ModelFacts(skip: .noKey)]
        let run = try VirtualRun(facts: facts) { _ in .success() }
        #expect(run.modelsCalled == ["b/two"])
        #expect(run.meta?.fallbacks == 1)
        let first = run.engine.trail.entries.first
        #expect(first == .skipped(model: ModelName(provider: "a", model: "one"), reason: .noKey))
        let none = try VirtualRun(models: ["a/one"], facts: facts) { _ in .success() }
        #expect(none.called.isEmpty)
        #expect(none.failure?.failureClass == .noKey)
        #expect(none.failure?.message == "no model could be called (a/one: no_key)")
        #expect(none.meta?.attempts == 0)
        #expect(none.meta?.fallbacks == 0)
    }

    @Test func theFirstCalledModelsErrorIsShownWhenThePrimaryWasSkipped() throws {
        let run = try VirtualRun(
            models: ["a/one", "b/two", "c/three"],
            facts: ["a/one": ModelFacts(skip: .noKey)]
        ) { .failure($0.model.provider == "b" ? .auth : .billing) }
        #expect(run.failure?.failureClass == .auth)
        #expect(run.failure?.model?.description == "b/two")
    }

    @Test func attemptsOfAModelMayBeOverridden() throws {
        let run = try VirtualRun(facts: ["a/one": ModelFacts(attemptsMax: 1)]) { _ in .failure(.overloaded) }
        #expect(run.modelsCalled == ["a/one", "b/two", "b/two", "b/two"])
    }

    @Test func queueAndLostDeliveriesCountInMeta() throws {
        let chain = try ModelChain([ModelChain.Link(ModelName(provider: "a", model: "one"))])
        var engine = CallEngine(
            chain: chain,
            policy: RetryPolicy(),
            deadline: Moment(nanoseconds: 9_000_000_000),
            firstAttempt: 3,
            delivery: 2,
            queued: .seconds(7),
            lostDeliveries: [LostDelivery(delivery: 1, attempt: 2, held: .seconds(5))]
        )
        var random = SeededGenerator(seed: 1)
        _ = engine.handle(.start, now: .zero, random: &random)
        _ = engine.handle(.go(attempt: 3), now: .zero, random: &random)
        let step = engine.handle(.attemptSucceeded(ReplySummary()), now: Moment(nanoseconds: 1000), random: &random)
        guard case .finish(.success(_, let meta)) = step else {
            Issue.record("\(step)")
            return
        }
        #expect(meta.waited == .seconds(7))
        #expect(meta.duration == .seconds(7) + .nanoseconds(1000))
        #expect(meta.deliveries == 2)
        #expect(meta.totalAttempts == 3)
        #expect(meta.trail.entries.count == 2)
    }
}
