import BusProtocol
import CoreTypes
import HTTPTransport
import JSON
import Resilience
import Testing

@testable import Worker

struct TerminalTests {
    private func json(_ bytes: Bytes?) throws -> JSONValue { try JSONValue(parsing: bytes ?? .empty) }

    @Test func aReplyHasMetaRecordAndTheBodyByteForByte() throws {
        var fixture = try SessionFixture.open()
        try fixture.job(1)
        fixture.go(1)
        fixture.pass(.milliseconds(40))
        let body = "{ \"choices\" : [ ] ,\n\"x\":1.50}"
        let message = try #require(fixture.answer(1, body).outgoing.last)
        #expect(message.verb == .reply && message.id == SessionFixture.key(1).bytes)
        #expect(message.body.count == 2 && message.body[1] == Bytes(body))
        let meta = try json(Bytes(message.header))["meta"]
        #expect(meta?["resolved_model"]?.stringValue == "mock/a" && meta?["attempts"]?.intValue == 1)
        let record = try json(message.body.first)
        #expect(record["gen_ai.operation.name"]?.stringValue == "chat")
        #expect(record["gen_ai.provider.name"]?.stringValue == "mock")
        #expect(record["gen_ai.request.model"]?.stringValue == "a")
        #expect(record["gen_ai.response.model"]?.stringValue == "a-2")
        #expect(record["gen_ai.usage.input_tokens"]?.intValue == 3)
        #expect(record["gen_ai.usage.output_tokens"]?.intValue == 2)
        #expect(record["gen_ai.response.finish_reasons"]?[0]?.stringValue == "stop")
        #expect(record["model"]?.stringValue == "mock/a" && record["resolved_model"]?.stringValue == "mock/a")
        #expect(record["duration_ms"]?.intValue == 45, "5 ms in the queue and 40 ms here")
        #expect(record["trail"]?.arrayValue?.count == 1 && record["error.type"] == nil)
    }

    @Test func aFailureShowsThePrimarysErrorAndItsRecordTheClass() throws {
        var fixture = try SessionFixture.open()
        try fixture.job(1)
        fixture.go(1)
        let failure = AttemptFailure(
            .auth,
            httpStatus: 401,
            message: "bad key",
            providerError: Array(#"{"error":{"message":"bad key"}}"#.utf8)
        )
        let message = try #require(fixture.fail(1, failure).outgoing.last)
        #expect(message.verb == .failure && message.body.count == 1)
        let header = try FailureHeader(parsing: Bytes(message.header))
        #expect(header.failureClass == .auth && header.status == 401 && header.model == "mock/a")
        #expect(header.providerError == Bytes(#"{"error":{"message":"bad key"}}"#))
        let record = try json(message.body.first)
        #expect(record["error.type"]?.stringValue == "auth" && record["resolved_model"]?.isNull == true)
    }

    @Test(arguments: [
        (#"{}"#, FailureClass.invalidRequest), ("no json", .invalidRequest),
        (#"{"messages":[{"role":"user","content":"x"}],"model":"nowhere/x"}"#, .unknownModel),
        (#"{"messages":[{"role":"user","content":"x"}],"model":"poor/x"}"#, .noKey),
        (#"{"messages":[{"role":"user","content":"x"}],"fallback_models":"a"}"#, .invalidRequest),
    ])
    func aBodyThatNobodyCanAnswerEndsWithoutAnAttempt(body: String, expected: FailureClass) throws {
        var fixture = try SessionFixture.open()
        let effects = try fixture.job(1, body)
        #expect(effects.said == [.failure(SessionFixture.key(1))] && effects.calls.isEmpty)
        let header = try FailureHeader(parsing: Bytes(effects.outgoing.first?.header ?? []))
        #expect(header.failureClass == expected)
        let meta = try json(header.meta)
        #expect(meta["attempts"]?.intValue == 0 && meta["total_attempts"]?.intValue == 0)
        #expect(meta["waited_ms"]?.intValue == 5)
        #expect(fixture.session.deliveries[SessionFixture.key(1)]?.state == .finished)
    }

    @Test func everyAttemptIsPublishedWithoutPromptAnswerOrKey() throws {
        var fixture = try SessionFixture.open()
        try fixture.job(
            1,
            #"{"model":"paid/a","fallback_models":["mock/b"],"messages":[{"role":"user","content":"whisper"}]}"#
        )
        fixture.go(1)
        let failure = AttemptFailure(.permission, httpStatus: 403, message: "you said whisper")
        let first = fixture.fail(1, failure)
        #expect(first.sent == [.event(.attempt), .start(SessionFixture.key(1, attempt: 2))])
        fixture.go(1, attempt: 2)
        let second = fixture.answer(1, attempt: 2, #"{"choices":["a secret answer"]}"#)
        #expect(second.sent == [.event(.attempt), .reply(SessionFixture.key(1))])
        let events = try [first, second].map { try json(Bytes($0.outgoing[0].header)) }
        #expect(events.map { $0["event"]?.stringValue } == ["attempt.ended", "attempt.ended"])
        #expect(events.map { $0["next"]?.stringValue } == ["fallback", "end"])
        #expect(events.map { $0["attempt"]?.intValue } == [1, 2])
        #expect(events.map { $0["model"]?.stringValue } == ["paid/a", "mock/b"])
        #expect(events[0]["http.response.status_code"]?.intValue == 403)
        #expect(events[0]["error.type"]?.stringValue == "permission" && events[1]["error.type"] == nil)
        #expect(events[0]["tenant"]?.stringValue == "uid-1000" && events[0]["id"]?.stringValue == "r1")
        #expect(events[0]["worker"]?.stringValue == "w1" && events[0]["task"]?.stringValue == "t")
        #expect(events[0]["time_ms"]?.intValue == 1_700_000_000_000)
        let record = second.outgoing[1].body[0]
        for text in [events[0].serialized(), events[1].serialized(), record.array] {
            let text = String(decoding: text, as: UTF8.self)
            #expect(!text.contains("whisper") && !text.contains("secret"))
        }
    }

    @Test func aCallCarriesIdAttemptKeyAndTheBodyWithoutWhatIsOurs() throws {
        let rules = try SessionFixture.rules(base: "https://api.example.com/v1")
        let request = try ChatRequestFixture.request(
            #"{"model":"paid/x","stream":true,"fallback_models":[],"messages":[{"role":"user","content":"hi"}],"#
                + #""unknown":{"z":1,"a":2}}"#
        )
        let plan = AttemptPlan(
            attempt: 3,
            model: ModelName(provider: "paid", model: "x"),
            modelAttempt: 1,
            timers: CallTimers(connect: .seconds(2), attempt: .seconds(9))
        )
        let call = rules.httpRequest(plan, owner: "uid-0/abc", request)
        #expect(call.url == "https://api.example.com/v1/chat/completions")
        let headers = Dictionary(uniqueKeysWithValues: call.headers)
        #expect(headers["x-understudy-request-id"] == "uid-0/abc" && headers["x-understudy-attempt"] == "3")
        #expect(headers["Authorization"] == "Bearer sk-very-secret")
        #expect(call.connectTimeout == .seconds(2) && call.totalTimeout == .seconds(9))
        #expect(call.firstByteTimeout == nil && call.silenceTimeout == nil, "those are for streams")
        #expect(
            call.body.description
                == #"{"model":"x","messages":[{"role":"user","content":"hi"}],"unknown":{"z":1,"a":2}}"#
        )
    }

    @Test(arguments: [
        (TransportError.Code.connect, FailureClass.connection), (.connectTimeout, .connection),
        (.nameLookup, .connection), (.tls, .connection), (.certificate, .connection), (.sendFailed, .connection),
        (.closedBeforeHead, .connection), (.closedMidBody, .connection), (.internal, .connection),
        (.badURL, .connection), (.firstByteTimeout, .localTimeout), (.silenceTimeout, .localTimeout),
        (.totalTimeout, .localTimeout), (.malformedResponse, .malformedResponse), (.bodyTooLarge, .malformedResponse),
        (.headTooLarge, .malformedResponse),
    ])
    func transportErrorsHaveAClass(code: TransportError.Code, expected: FailureClass) {
        guard case .failed(let failure) = TransportVerdict(TransportError(code: code, message: "why")) else {
            Issue.record("expected a failure for \(code)")
            return
        }
        #expect(failure.failureClass == expected && failure.message == "why")
        let useless: [TransportError.Code] = [.certificate, .badURL, .bodyTooLarge, .headTooLarge]
        #expect((failure.sameModelAdvice == false) == useless.contains(code))
    }

    @Test(arguments: [
        TransportError.Code.connect, .connectTimeout, .certificate, .tls, .closedBeforeHead, .totalTimeout,
    ])
    func whatWasSentMayHaveCostSomething(code: TransportError.Code) {
        for wasSent in [false, true] {
            var error = TransportError(code: code, message: "why")
            error.phases.requestSent = wasSent
            guard case .failed(let failure) = TransportVerdict(error) else {
                Issue.record("expected a failure for \(code)")
                continue
            }
            #expect(failure.wasSent == wasSent)
        }
    }

    @Test func ourOwnQueueAndOurOwnCancelBlameNobody() {
        #expect(TransportVerdict(TransportError(code: .queueFull, message: "")) == .notBegun)
        #expect(TransportVerdict(TransportError(code: .outOfDescriptors, message: "")) == .notBegun)
        #expect(TransportVerdict(TransportError(code: .cancelled, message: "")) == .closed)
    }
}
