import BusProtocol
import Resilience
import Testing

@testable import Worker

struct ProviderTroublesTests {
    private func attempt(_ model: String, _ failureClass: FailureClass?, provider: String = "openai") -> TrailEntry {
        let name = ModelName(provider: provider, model: model)
        return .attempt(AttemptRecord(attempt: 1, model: name, failureClass: failureClass, httpStatus: 401))
    }

    private func note(_ troubles: inout ProviderTroubles, _ entry: TrailEntry) -> String? {
        troubles.note(for: entry) { "key of \($0.uppercased())_KEY" }
    }

    @Test func eachProviderAndClassIsToldOnceUntilTheProviderAnswers() throws {
        var troubles = ProviderTroubles()
        let told = note(&troubles, attempt("a", .auth))
        let first = try #require(told)
        for part in ["openai/a", "auth", "HTTP 401", "OPENAI_KEY"] { #expect(first.contains(part), "\(first)") }
        let later = [
            attempt("b", .auth), attempt("a", .billing), attempt("a", .auth, provider: "xai"),
            attempt("a", nil, provider: "xai"), attempt("a", .auth), attempt("a", .auth, provider: "xai"),
        ]
        let toldLater = later.map { note(&troubles, $0) != nil }
        #expect(toldLater == [false, true, true, false, false, true])
    }

    @Test(arguments: FailureClass.allCases)
    func onlyWhatTheOperatorCanMendIsTold(failureClass: FailureClass) {
        var troubles = ProviderTroubles()
        let isTold = note(&troubles, attempt("a", failureClass)) != nil
        #expect(isTold == [.auth, .permission, .billing].contains(failureClass))
    }

    @Test func aMissingKeyIsToldOnce() throws {
        var troubles = ProviderTroubles()
        let model = ModelName(provider: "xai", model: "g")
        let told = note(&troubles, .skipped(model: model, reason: .noKey))
        let text = try #require(told)
        #expect(text.contains("xai/g") && text.contains("no_key") && text.contains("XAI_KEY"))
        let again = note(&troubles, .skipped(model: model, reason: .noKey))
        let other = note(&troubles, .skipped(model: model, reason: .contextWindow))
        #expect(again == nil && other == nil)
    }

    /// A working fallback hides the trouble from the agent, so the worker tells the operator.
    @Test func aRefusedKeyIsToldThoughTheFallbackAnswers() throws {
        var fixture = try SessionFixture.open()
        let body =
            #"{"model":"paid/a","fallback_models":["poor/c","mock/b"],"messages":[{"role":"user","content":"x"}]}"#
        try fixture.job(1, body)
        fixture.go(1)
        let failure = AttemptFailure(.auth, httpStatus: 401, message: "no sk-very-secret")
        let notes = fixture.fail(1, failure).notes
        #expect(notes.count == 2)
        #expect(notes.first?.contains("PAID_KEY") == true && notes.last?.contains("NOBODY_SETS_THIS_KEY") == true)
        #expect(notes.allSatisfy { !$0.contains("secret") })
        try fixture.job(2, body)
        fixture.go(2)
        let notesAgain = fixture.fail(2, failure).notes
        #expect(notesAgain.isEmpty)
    }
}

extension [WorkerEffect] {
    /// The lines for the operator.
    fileprivate var notes: [String] {
        compactMap { if case .note(let text) = $0 { text } else { nil } }
    }
}
