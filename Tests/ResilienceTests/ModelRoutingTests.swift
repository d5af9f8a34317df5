import Resilience
import Testing

@Suite struct ModelRoutingTests {
    let routing = ModelRouting(
        defaultChatModel: "anthropic/claude-opus-4-5",
        fallbackModels: ["openai/gpt-4o", " ", "google/gemini-2.0-flash", "openai/gpt-4o "],
        providers: ["anthropic", "openai", "google", "openrouter"]
    )

    @Test func aNameSplitsAtItsFirstSlash() {
        let name = ModelName("openrouter/anthropic/claude-sonnet-4", providers: ["openrouter"], defaultProvider: nil)
        #expect(name == ModelName(provider: "openrouter", model: "anthropic/claude-sonnet-4"))
        #expect(name?.description == "openrouter/anthropic/claude-sonnet-4")
    }

    @Test func googleAndGeminiAreTheSameProvider() {
        let name = ModelName(provider: "google", model: "gemini-2.0-flash")
        #expect(routing.name("gemini/gemini-2.0-flash") == name)
        #expect(routing.name("google/gemini-2.0-flash") == name)
        let other = ModelRouting(defaultChatModel: nil, providers: ["gemini"])
        #expect(other.name("google/x") == ModelName(provider: "gemini", model: "x"))
    }

    @Test func aNameWithoutKnownProviderGoesWholeToTheDefaultProvider() {
        var routing = routing
        #expect(routing.name("meta-llama/Llama-3.3-70B") == nil)
        routing.defaultProvider = "openrouter"
        let name = ModelName(provider: "openrouter", model: "meta-llama/Llama-3.3-70B")
        #expect(routing.name("meta-llama/Llama-3.3-70B") == name)
        #expect(routing.name("gpt-4o") == ModelName(provider: "openrouter", model: "gpt-4o"))
    }

    @Test(arguments: ["", "  ", "openai/", "openai/a\nb", "openai/" + String(repeating: "x", count: 250)])
    func aTextThatIsNoNameIsRefused(text: String) {
        #expect(routing.name(text) == nil)
    }

    @Test func theArticlesFileGivesItsChainWithoutBlanksAndRepeats() throws {
        let chain = try routing.chain(requested: nil)
        let names = ["anthropic/claude-opus-4-5", "openai/gpt-4o", "google/gemini-2.0-flash"]
        #expect(chain.links.map(\.name.description) == names)
    }

    @Test func theRequestsModelIsThePrimaryUnlessOverridden() throws {
        var routing = routing
        #expect(try routing.chain(requested: " openai/gpt-4o ").primary.description == "openai/gpt-4o")
        #expect(try routing.chain(requested: "openai/gpt-4o").links.count == 2)
        routing.overrideModel = true
        #expect(try routing.chain(requested: "openai/gpt-4o").primary.description == "anthropic/claude-opus-4-5")
        routing.defaultChatModel = " "
        #expect(try routing.chain(requested: "openai/gpt-4o").primary.description == "openai/gpt-4o")
    }

    @Test func theRequestsFallbacksReplaceTheConfiguredOnes() throws {
        #expect(try routing.chain(requested: nil, fallbacks: []).links.count == 1)
        let chain = try routing.chain(requested: nil, fallbacks: ["gemini/x", "google/x", "anthropic/claude-opus-4-5"])
        #expect(chain.links.map(\.name.description) == ["anthropic/claude-opus-4-5", "google/x"])
    }

    @Test func anUnknownPrimaryIsRefusedWithTheKnownProviders() {
        let error = #expect(throws: ResilienceError.self) { try routing.chain(requested: "nowhere/x") }
        #expect(error?.code == .unknownModel)
        #expect(error?.message.contains("\"nowhere/x\"") == true)
        #expect(error?.message.contains("anthropic, google, openai, openrouter") == true)
    }

    @Test func aNameThatCannotBeShownIsRefusedForThat() {
        let control = #expect(throws: ResilienceError.self) { try routing.chain(requested: "openai/a\u{1}b\u{7F}") }
        #expect(control?.code == .unknownModel)
        #expect(control?.message == #"the model's name holds a control character: "openai/a\u{01}b\u{7F}""#)
        let long = "openai/" + String(repeating: "x", count: 250)
        let error = #expect(throws: ResilienceError.self) { try routing.chain(requested: long) }
        #expect(error?.code == .unknownModel)
        #expect(error?.message == "the model's name is too long: it has 257 bytes; expected at most 256")
    }

    @Test func noModelAtAllIsRefused() {
        let routing = ModelRouting(defaultChatModel: nil, providers: ["openai"])
        let error = #expect(throws: ResilienceError.self) { try routing.chain(requested: " ") }
        #expect(error?.code == .unknownModel)
        #expect(error?.message.contains("default_chat_model") == true)
    }

    @Test func anUnknownFallbackIsALinkToSkip() throws {
        let chain = try routing.chain(requested: "openai/gpt-4o", fallbacks: ["nowhere/x", "google/y"])
        #expect(chain.links.map(\.facts.skip) == [nil, .unknownModel, nil])
        #expect(chain.links[1].name.description == "nowhere/x")
    }

    @Test func aChainOfMoreThanSixteenModelsIsRefused() throws {
        let sixteen = (1..<16).map { "openai/m\($0)" }
        #expect(try routing.chain(requested: "openai/m0", fallbacks: sixteen).links.count == 16)
        let error = #expect(throws: ResilienceError.self) {
            try routing.chain(requested: "openai/m0", fallbacks: sixteen + ["openai/m16", "openai/m17"])
        }
        #expect(error?.code == .chainTooLong)
    }
}
