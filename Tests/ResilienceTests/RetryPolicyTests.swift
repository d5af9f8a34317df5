import BusProtocol
import CoreTypes
import Resilience
import Testing

@Suite struct RetryPolicyTests {
    @Test func theWaitsAreTheArticlesWithoutJitter() {
        let policy = RetryPolicy(jitter: 0)
        var random = SeededGenerator(seed: 1)
        let waits = (1...6).map { policy.backoff(after: $0, random: &random).wholeMilliseconds }
        #expect(waits == [500, 1000, 2000, 4000, 4000, 4000])
    }

    @Test func jitterTakesOffAtMostItsPart() {
        let policy = RetryPolicy()
        var random = SeededGenerator(seed: 7)
        var shortest = Duration.seconds(9)
        var longest = Duration.zero
        for _ in 0..<2000 {
            let wait = policy.backoff(after: 2, random: &random)
            shortest = min(shortest, wait)
            longest = max(longest, wait)
        }
        #expect(shortest >= .milliseconds(750))
        #expect(shortest < .milliseconds(760))
        #expect(longest <= .milliseconds(1000))
        #expect(longest > .milliseconds(990))
    }

    @Test func theDefaultsAreValid() throws {
        try RetryPolicy().validate()
    }

    static let wrong: [(key: String, policy: RetryPolicy)] = [
        ("attempts_per_model", RetryPolicy(attemptsPerModel: 0)),
        ("attempts_per_model", RetryPolicy(attemptsPerModel: 11)),
        ("backoff_base", RetryPolicy(backoffBase: .zero)),
        ("backoff_factor", RetryPolicy(backoffFactor: 0.5)),
        ("backoff_factor", RetryPolicy(backoffFactor: .nan)),
        ("backoff_cap", RetryPolicy(backoffCap: .milliseconds(1))),
        ("jitter", RetryPolicy(jitter: 1.5)),
        ("hint_cap", RetryPolicy(hintCap: .seconds(3601))),
        ("timers.connect", RetryPolicy(timers: CallTimers(connect: .zero))),
        ("timers.first_token", RetryPolicy(timers: CallTimers(firstToken: .seconds(-1)))),
        ("timers.silence", RetryPolicy(timers: CallTimers(silence: .zero))),
        ("timers.attempt", RetryPolicy(timers: CallTimers(attempt: .seconds(86_401)))),
        (
            "classes.cancelled",
            RetryPolicy(classes: ClassPolicy(overrides: [.cancelled: ClassRule(sameModel: true, nextModel: false)]))
        ),
        (
            "classes.local_timeout.same_model",
            RetryPolicy(classes: ClassPolicy(overrides: [.localTimeout: ClassRule(sameModel: true, nextModel: true)]))
        ),
        (
            "classes.auth.attempts",
            RetryPolicy(
                classes: ClassPolicy(overrides: [.auth: ClassRule(sameModel: true, nextModel: true, attemptsMax: 0)])
            )
        ),
    ]

    @Test(arguments: wrong.indices) func aValueOutOfRangeIsNamed(index: Int) {
        let (key, policy) = Self.wrong[index]
        let error = #expect(throws: ResilienceError.self) { try policy.validate() }
        #expect(error?.code == .invalidPolicy)
        #expect(error?.message.hasPrefix("\(key) is ") == true)
        #expect(error?.message.contains("expected") == true)
    }

    @Test func timersAreClampedToWhatIsLeft() {
        let timers = CallTimers().clamped(to: .seconds(30))
        #expect(timers == CallTimers(firstToken: .seconds(30), silence: .seconds(30), attempt: .seconds(30)))
    }

    @Test func aFailureKeepsNoMoreTextThanItsLimit() {
        let text = String(repeating: "é", count: 3000)
        let failure = AttemptFailure(.auth, message: text, providerError: [UInt8](repeating: 1, count: 9000))
        #expect(failure.message.utf8.count == 2048)
        #expect(failure.message.allSatisfy { $0 == "é" })
        #expect(failure.providerError?.count == 4096)
        #expect(AttemptFailure(.auth, message: "", providerError: nil).providerError == nil)
    }
}
