import BusProtocol
import Configuration
import CoreTypes
import EventLoop
import Glibc
import JSON
import MockProvider
import Resilience
import Testing
import ZeroMQ

@testable import Worker

/// A real worker between a broker played by the test and a real mock provider.
@Suite(.timeLimit(.minutes(10)))
struct WorkerTests {
    private func body(_ model: String, fallbacks: String = "") -> String {
        #"{"model":"mock/\#(model)","fallback_models":[\#(fallbacks)],"messages":[{"role":"user","content":"Hi"}]}"#
    }

    private func json(_ bytes: Bytes?) throws -> JSONValue { try JSONValue(parsing: bytes ?? .empty) }

    @Test func aFallbackThatAStrangerMayHaveMadeEndsTheWorker() async throws {
        var template = Array("/tmp/worker-test-XXXXXX".utf8CString)
        guard let made = unsafe mkdtemp(&template) else { preconditionFailure("mkdtemp failed: \(errno)") }
        let fallback = try EndpointDirectory.resolve({ _ in nil }, temporary: unsafe String(cString: made))
        defer {
            unsafe rmdir(fallback.path)
            unsafe rmdir(made)
        }
        let loop = try EventLoop(name: "worker")
        defer { loop.shutDown() }
        let settings = try SessionFixture.settings(base: "http://127.0.0.1:1", policy: Stage.policy())
        let keys = KeyRing(of: settings, environment: [:])
        let options = WorkerOptions(name: "w1", directory: fallback, settings: settings, keys: keys)
        let (reports, notes) = AsyncStream.makeStream(of: Worker.Report.self)
        let waiting = Worker(options, context: try Context(), on: loop) { notes.yield($0) }
        let later = Task { try await waiting.run() }
        // It tells that it waits for a broker.
        _ = await reports.first { _ in true }
        #expect(unsafe mkdir(fallback.path, 0o755) == 0)
        let error = await #expect(throws: WorkerError.self) { try await later.value }
        #expect(error?.code == .directory)
        let refused = Worker(options, context: try Context(), on: loop)
        let atOnce = await #expect(throws: WorkerError.self) { try await refused.run() }
        #expect(atOnce?.message.contains("0755") == true)
    }

    @Test func aRequestIsAnsweredWithTheProvidersBody() async throws {
        try await Stage.run(capacity: 1) { stage in
            _ = try await stage.broker.hear { $0 == .credit(grantedTotal: 1) }
            try await stage.broker.job(1, body("ok"))
            let start = try await stage.broker.hear { $0 == .start(SessionFixture.key(1, attempt: 1)) }
            #expect(start.header.description == #"{"provider":"mock","model":"ok","key":"none"}"#)
            let reply = try await stage.broker.terminal(1)
            #expect(reply.message == .reply(SessionFixture.key(1)))
            let answer = try json(reply.body.last)
            #expect(answer["object"]?.stringValue == "chat.completion")
            let meta = try json(reply.header)["meta"]
            #expect(meta?["attempts"]?.intValue == 1 && meta?["ttft_ms"]?.intValue != nil)
            #expect(stage.provider.calls(ofRequest: "uid-0/r1") == ["ok": 1])
            _ = try await stage.broker.hear { $0 == .event(.attempt) }
            // The ACK makes room for one more.
            _ = try await stage.broker.hear { $0 == .credit(grantedTotal: 2) }
        }
    }

    @Test func aRequestIsRetriedAndEveryAttemptHasItsGo() async throws {
        try await Stage.run { stage in
            try await stage.broker.job(1, body("fail-first-2"))
            let reply = try await stage.broker.terminal(1)
            #expect(reply.message == .reply(SessionFixture.key(1)))
            let meta = try json(reply.header)["meta"]
            #expect(meta?["attempts"]?.intValue == 3 && meta?["retries"]?.intValue == 2)
            #expect(stage.provider.calls(ofRequest: "uid-0/r1") == ["fail-first-2": 3])
            for attempt: UInt32 in 1...3 {
                _ = try await stage.broker.hear { $0 == .start(SessionFixture.key(1, attempt: attempt)) }
            }
        }
    }

    @Test(arguments: ["reset-before", "reset-after-head", "truncated", "malformed", "status-503", "html-502"])
    func afterTheLastAttemptTheNextModelAnswers(fault: String) async throws {
        try await Stage.run { stage in
            try await stage.broker.job(1, body(fault, fallbacks: #""mock/ok""#))
            let reply = try await stage.broker.terminal(1)
            #expect(reply.message == .reply(SessionFixture.key(1)))
            let meta = try json(reply.header)["meta"]
            #expect(meta?["resolved_model"]?.stringValue == "mock/ok" && meta?["fallbacks"]?.intValue == 1)
            #expect(stage.provider.calls(ofRequest: "uid-0/r1") == [fault: 3, "ok": 1])
        }
    }

    @Test func aSilentModelIsLeftByOurTimer() async throws {
        try await Stage.run(policy: Stage.policy(attempt: .milliseconds(200))) { stage in
            try await stage.broker.job(1, body("silent"))
            let failure = try await stage.broker.terminal(1)
            #expect(try FailureHeader(parsing: failure.header).failureClass == .localTimeout)
            #expect(stage.provider.calls(ofRequest: "uid-0/r1") == ["silent": 1])
        }
    }

    @Test func aPortThatNobodyListensOnIsAConnectionFailure() async throws {
        // A reserved port of the loopback interface: nobody listens there.
        try await Stage.run(base: "http://127.0.0.1:1/v1") { stage in
            try await stage.broker.job(1, body("ok"))
            let failure = try FailureHeader(parsing: try await stage.broker.terminal(1).header)
            #expect(failure.failureClass == .connection && failure.status == nil)
            #expect(try json(failure.meta)["attempts"]?.intValue == 3)
        }
    }

    @Test func cancelClosesTheCall() async throws {
        try await Stage.run { stage in
            try await stage.broker.job(1, body("silent"))
            _ = try await stage.broker.hear { $0 == .start(SessionFixture.key(1, attempt: 1)) }
            while stage.provider.calls(ofRequest: "uid-0/r1").isEmpty { await Task.yield() }
            try await stage.broker.send(.cancel(SessionFixture.key(1), session: stage.broker.session))
            let failure = try await stage.broker.terminal(1)
            #expect(try FailureHeader(parsing: failure.header).failureClass == .cancelled)
            while stage.provider.counts().aborted == 0 { await Task.yield() }
        }
    }

    @Test func aBodyWithoutMessagesIsNeverSent() async throws {
        try await Stage.run { stage in
            try await stage.broker.job(1, "{}")
            let failure = try await stage.broker.terminal(1)
            #expect(try FailureHeader(parsing: failure.header).failureClass == .invalidRequest)
            #expect(stage.provider.counts().total == 0)
            let rest = await stage.broker.rest
            #expect(!rest.contains(.start(SessionFixture.key(1, attempt: 1))))
        }
    }

    @Test func withoutAGoNothingIsCalled() async throws {
        try await Stage.run { stage in
            await stage.broker.change { $0.answerToStart = { .noGo($0, session: $1, reason: .superseded, wait: nil) } }
            try await stage.broker.job(1, body("ok"))
            _ = try await stage.broker.hear { $0 == .returned(SessionFixture.key(1), reason: .noGo) }
            #expect(stage.provider.counts().total == 0)
        }
    }

    @Test func aResultIsSentAgainToABrokerThatComesBack() async throws {
        try await Stage.run(capacity: 1) { stage in
            await stage.broker.change { $0.acknowledges = false }
            try await stage.broker.job(1, body("ok"))
            let first = try await stage.broker.terminal(1)
            _ = try await stage.broker.hear { $0 == .credit(grantedTotal: 1) }
            await stage.broker.hangUp()
            try await stage.broker.open()
            let ready = try await stage.broker.hear { if case .ready = $0 { true } else { false } }
            guard case .ready(let said) = ready.message else { return }
            #expect(said.held.map(\.state) == [.finished] && said.held.map(\.key.attempt) == [1])
            let again = try await stage.broker.terminal(1)
            #expect(again.body == first.body && again.header == first.header)
            #expect(stage.provider.counts().total == 1)
            try await stage.broker.send(.acknowledge(SessionFixture.key(1)))
            _ = try await stage.broker.hear { $0 == .credit(grantedTotal: 1) }
        }
    }

    @Test func aCallGoesOnWhileTheBrokerIsAway() async throws {
        try await Stage.run { stage in
            // Long enough that the call is still under way when the broker leaves, however slowly this test runs.
            try await stage.broker.job(1, body("ok+20000"))
            _ = try await stage.broker.hear { $0 == .start(SessionFixture.key(1, attempt: 1)) }
            while stage.provider.calls(ofRequest: "uid-0/r1").isEmpty { await Task.yield() }
            await stage.broker.hangUp()
            try await stage.broker.open()
            #expect(try await stage.broker.terminal(1).message == .reply(SessionFixture.key(1)))
            #expect(stage.provider.counts().total == 1)
        }
    }

    @Test func aBrokerThatForgotTheSessionGetsReadyOnTheSameConnection() async throws {
        try await Stage.run { stage in
            _ = try await stage.broker.hear { if case .ready = $0 { true } else { false } }
            try await stage.broker.send(.beat(.rejoin))
            _ = try await stage.broker.hear { if case .ready = $0 { true } else { false } }
            try await stage.broker.job(1, body("ok"))
            #expect(try await stage.broker.terminal(1).message == .reply(SessionFixture.key(1)))
        }
    }

    @Test func beatsTellWhatIsHeldAndTheMemory() async throws {
        var habits = FakeBroker.Habits()
        habits.beatInterval = .milliseconds(20)
        try await Stage.run(habits) { stage in
            let beat = try await stage.broker.hear { if case .beat = $0 { true } else { false } }
            guard case .beat(let said) = beat.message else { return }
            #expect(said.held == 0 && said.residentKiB > 1000)
        }
    }

    @Test func drainFinishesWhatRunsAndSaysBye() async throws {
        try await Stage.run { stage in
            // Long enough that the call is still under way when the drain begins, however slowly this test runs.
            try await stage.broker.job(1, body("ok+20000"))
            _ = try await stage.broker.hear { $0 == .start(SessionFixture.key(1, attempt: 1)) }
            stage.worker.drain()
            // What is sent after this comes after the drain began.
            #expect(await stage.worker.isDraining)
            try await stage.broker.job(2, body("ok"))
            _ = try await stage.broker.hear { $0 == .returned(SessionFixture.key(2), reason: .draining) }
            #expect(try await stage.broker.terminal(1).message == .reply(SessionFixture.key(1)))
            _ = try await stage.broker.hear { $0 == .bye }
            try await stage.ended()
        }
    }

    @Test func stopClosesOpenCallsAtOnce() async throws {
        try await Stage.run { stage in
            try await stage.broker.job(1, body("silent"))
            while stage.provider.calls(ofRequest: "uid-0/r1").isEmpty { await Task.yield() }
            stage.worker.drain()
            stage.worker.stop()
            try await stage.ended()
            _ = try await stage.broker.hear { $0 == .bye }
            while stage.provider.counts().aborted == 0 { await Task.yield() }
        }
    }

    @Test func manyCallsRunAtOnceWithinTheCapacity() async throws {
        try await Stage.run(capacity: 200) { stage in
            for number: UInt64 in 1...200 { try await stage.broker.job(number, body("ok+100")) }
            for number: UInt64 in 1...200 {
                #expect(try await stage.broker.terminal(number).message == .reply(SessionFixture.key(number)))
            }
            #expect(stage.provider.counts().total == 200)
        }
    }

    @Test func withoutABrokerTheOperatorIsToldOnceWhatToDo() async throws {
        try await Stage.run(opensBroker: false) { stage in
            let note = await stage.reports.first { if case .note = $0 { true } else { false } }
            #expect(note.map { "\($0)".contains("start a broker") } == true)
            try await stage.broker.open()
            _ = try await stage.broker.hear { $0 == .credit(grantedTotal: 8) }
            let after = await stage.reports.first { _ in true }
            #expect(after == .joined)
        }
    }
}

extension Worker {
    /// Whether it takes no new work any more.
    fileprivate var isDraining: Bool { session.isDraining }
}
