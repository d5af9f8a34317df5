import BusProtocol
import CoreTypes
import JSON
import Resilience
import Testing

@Suite struct CallMetaTests {
    @Test func metaIsWrittenAsTheProtocolSays() throws {
        var trail = VirtualTrail()
        trail.engine(
            lost: [LostDelivery(delivery: 1, attempt: 1, held: .milliseconds(4200))],
            firstAttempt: 2,
            delivery: 2
        )
        let reply = ReplySummary(
            usage: TokenUsage(promptTokens: 12, completionTokens: 34, cachedTokens: 5),
            timeToFirstToken: .milliseconds(80)
        )
        let meta = try trail.play([.failure(.overloaded, status: 529)], then: reply)
        let text = String(decoding: meta.json, as: UTF8.self)
        let expected = """
            {"resolved_model":"a/one","attempts":2,"retries":1,"fallbacks":0,"total_attempts":3,"deliveries":2,\
            "waited_ms":500,"duration_ms":700,"ttft_ms":80,\
            "usage":{"prompt_tokens":12,"completion_tokens":34,"cached_tokens":5},\
            "trail":[{"lost_delivery":1,"attempt":1,"held_ms":4200},\
            {"attempt":2,"model":"a/one","provider":"a","class":"overloaded","status":529,"next":"retry",\
            "wait_ms":500,"started_ms":0,"duration_ms":100},\
            {"attempt":3,"model":"a/one","provider":"a","status":200,"next":"end",\
            "wait_ms":0,"started_ms":600,"duration_ms":100}]}
            """
        #expect(text == expected)
    }

    /// The failure that is shown is the primary's; the bill is that of all attempts.
    @Test(
        arguments: [
            ([.failure(.auth, status: 401), .failure(.rateLimited, hint: .seconds(900))], false),
            ([.failure(.connection, advice: false, wasSent: false), .failure(.auth)], false),
            ([.failure(.connection, advice: false), .failure(.auth)], true),
            ([.failure(.auth), .failure(.localTimeout, advice: false)], true),
            ([.failure(.auth), .failure(.badGateway, advice: false)], true),
            ([.failure(.auth), .failure(.overloaded, status: 529, advice: false)], false),
            ([.failure(.auth), .failure(.overloaded, status: 503, advice: false)], false),
            ([.failure(.auth), .failure(.overloaded, status: 502, advice: false)], true),
            ([.failure(.rateLimited, status: 200, hint: .seconds(900)), .failure(.auth)], true),
            ([.failure(.auth), .success()], true),
        ] as [([ScriptedCall], Bool)]
    )
    func anyAttemptThatMayHaveCostSomethingCounts(script: [ScriptedCall], mayBeBilled: Bool) throws {
        let run = try VirtualRun { script[Int($0.attempt) - 1] }
        #expect(run.called.count == 2)
        #expect(try #require(run.meta).trail.mayBeBilled == mayBeBilled)
    }

    @Test func ofLostAttemptsNothingIsKnown() throws {
        let run = try VirtualRun(firstAttempt: 2) { _ in .failure(.auth, status: 401) }
        #expect(try #require(run.meta).trail.mayBeBilled)
        let none = try VirtualRun(facts: ["a/one": ModelFacts(skip: .noKey), "b/two": ModelFacts(skip: .noKey)]) { _ in
            .success()
        }
        #expect(try #require(none.meta).trail.mayBeBilled == false)
    }

    @Test func aFailureHasNoResolvedModelAndNoProvidersText() throws {
        let run = try VirtualRun(facts: ["b/two": ModelFacts(skip: .noKey)]) { _ in .failure(.auth, status: 401) }
        let meta = try #require(run.meta)
        let value = try JSONValue(parsing: meta.json)
        #expect(value["resolved_model"]?.isNull == true)
        #expect(value["usage"] == nil)
        #expect(value["trail"]?[0]?["class"]?.stringValue == "auth")
        #expect(value["trail"]?[1]?["skipped"]?.stringValue == "no_key")
        #expect(!value.description.contains("said the provider"))
    }

    @Test func theLongestTrailFitsAHeader() throws {
        let long = String(repeating: "\"", count: 240)
        let models = (0..<16).map { "a/\(long)\($0)" }
        let run = try VirtualRun(
            models: models,
            policy: RetryPolicy(attemptsPerModel: 10),
            deadline: .seconds(86_400)
        ) { _ in .failure(.overloaded) }
        let meta = try #require(run.meta)
        #expect(meta.totalAttempts == 160)
        #expect(meta.json.count < Limits.headerBytesMax - 8192)
        let trail = try #require(try JSONValue(parsing: meta.json)["trail"]?.arrayValue)
        #expect(trail.count == CallMeta.trailEntriesWrittenMax + 1)
        #expect(trail[24]["omitted"]?.intValue == 160 - 48)
        #expect(trail.last?["attempt"]?.intValue == 160)
    }
}

/// Plays calls of 100 ms each at one model, without jitter.
private struct VirtualTrail {
    var engine: CallEngine?
    var random = SeededGenerator(seed: 1)

    mutating func engine(lost: [LostDelivery], firstAttempt: UInt32, delivery: UInt32) {
        guard let chain = try? ModelChain([ModelChain.Link(ModelName(provider: "a", model: "one"))]) else { return }
        engine = CallEngine(
            chain: chain,
            policy: RetryPolicy(jitter: 0),
            deadline: Moment(nanoseconds: 60_000_000_000),
            firstAttempt: firstAttempt,
            delivery: delivery,
            lostDeliveries: lost
        )
    }

    mutating func play(_ failures: [ScriptedCall], then reply: ReplySummary) throws -> CallMeta {
        var now = Moment.zero
        var engine = try #require(self.engine)
        var step = engine.handle(.start, now: now, random: &random)
        var left = failures[...]
        for _ in 0..<100 {
            switch step {
            case .requestGo(let plan): step = engine.handle(.go(attempt: plan.attempt), now: now, random: &random)
            case .startCall:
                now = now.advanced(by: .milliseconds(100))
                if case .failure(let failure) = left.popFirst()?.result {
                    step = engine.handle(.attemptFailed(failure), now: now, random: &random)
                } else {
                    step = engine.handle(.attemptSucceeded(reply), now: now, random: &random)
                }
            case .wait(let until):
                now = until
                step = engine.handle(.timerFired, now: now, random: &random)
            case .finish(.success(_, let meta)): return meta
            default: break
            }
        }
        throw ResilienceError(code: .unknownModel, message: "no end")
    }
}
