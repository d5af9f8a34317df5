import BusProtocol
import CoreTypes
import Resilience
import Testing

@Suite struct ClassPolicyTests {
    /// What happens when every call fails with the class: attempts at the primary; whether the chain goes on after the
    /// primary, and after a fallback.
    static let table: [FailureClass: (attempts: Int, afterPrimary: Bool, afterFallback: Bool)] = [
        .rateLimited: (3, true, true),
        .overloaded: (3, true, true),
        .serverError: (3, true, true),
        .badGateway: (3, true, true),
        .timeout: (3, true, true),
        .connection: (3, true, true),
        .malformedResponse: (3, true, true),
        .localTimeout: (1, true, true),
        .quotaExhausted: (1, true, true),
        .billing: (1, true, true),
        .auth: (1, true, true),
        .permission: (1, true, true),
        .notFound: (1, true, true),
        .noKey: (1, true, true),
        .contextLength: (1, true, true),
        .invalidRequest: (1, false, true),
        .contentPolicy: (1, false, false),
        .cancelled: (1, false, false),
        .deadline: (1, false, false),
        .workerLost: (1, false, false),
        .poison: (1, false, false),
        .unknownModel: (1, false, false),
        .shuttingDown: (1, false, false),
    ]

    @Test(arguments: FailureClass.allCases)
    func theDefaultsHoldAtThePrimary(failureClass: FailureClass) throws {
        let expected = try #require(Self.table[failureClass])
        let run = try VirtualRun { $0.model.provider == "a" ? .failure(failureClass) : .success() }
        #expect(run.called.count { $0.model.provider == "a" } == expected.attempts)
        #expect(run.waits.count == expected.attempts - 1)
        #expect(run.called.contains { $0.model.provider == "b" } == expected.afterPrimary)
        if expected.afterPrimary {
            #expect(run.meta?.resolvedModel?.description == "b/two")
            #expect(run.meta?.fallbacks == 1)
        } else {
            #expect(run.failure?.failureClass == failureClass)
        }
    }

    @Test(arguments: FailureClass.allCases)
    func theDefaultsHoldAtAFallback(failureClass: FailureClass) throws {
        let expected = try #require(Self.table[failureClass])
        let run = try VirtualRun(models: ["a/one", "b/two", "c/three"]) {
            switch $0.model.provider {
            case "a": .failure(.auth, status: 401)
            case "b": .failure(failureClass)
            default: .success()
            }
        }
        #expect(run.called.count { $0.model.provider == "b" } == expected.attempts)
        #expect(run.called.contains { $0.model.provider == "c" } == expected.afterFallback)
        if !expected.afterFallback { #expect(run.failure?.failureClass == .auth) }
    }

    @Test(arguments: FailureClass.allCases)
    func theLastModelsFailureEndsTheRequestWithThePrimarysClass(failureClass: FailureClass) throws {
        let expected = try #require(Self.table[failureClass])
        let run = try VirtualRun {
            $0.model.provider == "a" ? .failure(.permission, status: 403) : .failure(failureClass, status: 599)
        }
        #expect(run.failure?.failureClass == .permission)
        #expect(run.failure?.httpStatus == 403)
        #expect(run.failure?.model?.description == "a/one")
        #expect(run.meta?.resolvedModel == nil)
        #expect(run.meta?.attempts == expected.attempts)
        #expect(run.meta?.retries == expected.attempts - 1)
        #expect(run.meta?.totalAttempts == expected.attempts + 1)
    }

    @Test(arguments: FailureClass.allCases)
    func adviceAgainstTheSameModelIsFollowedAndAdviceForItOnlyWhereTheTableAllows(failureClass: FailureClass) throws {
        let expected = try #require(Self.table[failureClass])
        let against = try VirtualRun(models: ["a/one"]) { _ in .failure(failureClass, advice: false) }
        #expect(against.called.count == 1)
        let inFavour = try VirtualRun(models: ["a/one"]) { _ in .failure(failureClass, advice: true) }
        #expect(inFavour.called.count == expected.attempts)
    }

    @Test func overridesChangeTheTable() throws {
        var classes = ClassPolicy()
        classes[.auth] = ClassRule(sameModel: .advised, nextModel: .never)
        classes[.serverError].attemptsMax = 2
        classes[.contentPolicy].nextModel = .always
        let policy = RetryPolicy(classes: classes)
        try policy.validate()
        let auth = try VirtualRun(policy: policy) { .failure(.auth, advice: $0.modelAttempt == 1 ? true : nil) }
        #expect(auth.modelsCalled == ["a/one", "a/one"])
        let server = try VirtualRun(policy: policy) { _ in .failure(.serverError) }
        #expect(server.modelsCalled == ["a/one", "a/one", "b/two", "b/two"])
        let content = try VirtualRun(policy: policy) { _ in .failure(.contentPolicy) }
        #expect(content.modelsCalled == ["a/one", "b/two"])
    }

    @Test func aTooLongRequestGoesOnlyToModelsNotKnownToBeAsSmall() throws {
        let run = try VirtualRun(
            models: ["a/one", "b/two", "b/same", "c/unknown"],
            facts: [
                "a/one": ModelFacts(contextWindow: 128_000), "b/two": ModelFacts(contextWindow: 32_000),
                "b/same": ModelFacts(contextWindow: 128_000),
            ]
        ) { $0.model.model == "one" ? .failure(.contextLength, status: 400) : .success() }
        #expect(run.modelsCalled == ["a/one", "c/unknown"])
        #expect(run.meta?.fallbacks == 3)
        let skipped = run.engine.trail.entries.compactMap { entry -> String? in
            if case .skipped(let model, .contextWindow) = entry { model.description } else { nil }
        }
        #expect(skipped == ["b/two", "b/same"])
    }
}
