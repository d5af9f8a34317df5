import Configuration
import CoreTypes
import JSON
import Testing

@Suite struct LoaderTests {
    private func loader(_ directory: TemporaryDirectory, _ environment: [String: String] = [:]) -> SettingsLoader {
        SettingsLoader(environment: environment, workingDirectory: directory.path)
    }

    @Test func withoutAnyFileTheDefaultsHold() throws {
        let directory = try TemporaryDirectory()
        let read = try loader(directory).load()
        #expect(read == Settings())
        #expect(read.file == nil)
    }

    @Test func theOptionComesBeforeTheVariableBeforeTheDefaultPath() throws {
        let directory = try TemporaryDirectory()
        try directory.write("a.json", #"{"bus": {"workers": 3}}"#)
        try directory.write("b.json", #"{"bus": {"workers": 4}}"#)
        try directory.makeDirectory("config")
        let path = try directory.write("config/understudy.json", #"{"bus": {"workers": 5}}"#)
        let variable = ["UNDERSTUDY_CONFIG": "b.json"]
        #expect(try loader(directory, variable).load(path: "a.json").bus.workers == 3)
        #expect(try loader(directory, variable).load().bus.workers == 4)
        #expect(try loader(directory, ["UNDERSTUDY_CONFIG": ""]).load().bus.workers == 5)
        #expect(try loader(directory).load().file == path)
    }

    @Test func aNamedFileMustExist() throws {
        let directory = try TemporaryDirectory()
        let option = #expect(throws: SettingsError.self) { try loader(directory).load(path: "no.json") }
        #expect(option?.code == .absent)
        #expect(option?.message == "there is no file \(directory.path)/no.json (named by --config)")
        let variable = #expect(throws: SettingsError.self) {
            try loader(directory, ["UNDERSTUDY_CONFIG": "no.json"]).load()
        }
        #expect(variable?.message.hasSuffix("(named by $UNDERSTUDY_CONFIG)") == true)
    }

    @Test func anAbsentRoutingFileIsNoReasonForDefaults() throws {
        let directory = try TemporaryDirectory()
        try directory.makeDirectory("config")
        try directory.write("config/understudy.json", #"{"routing": "routing.json"}"#)
        let error = #expect(throws: SettingsError.self) { try loader(directory).load() }
        #expect(error?.path == "$.routing")
        #expect(error?.message.contains("\(directory.path)/config/routing.json") == true)
    }

    @Test func errorsInTheRoutingFileNameIt() throws {
        let directory = try TemporaryDirectory()
        try directory.write("understudy.json", #"{"routing": "routing.json"}"#)
        let routing = try directory.write("routing.json", #"{"default_chat_model": "nobody/x"}"#)
        let error = #expect(throws: SettingsError.self) { try loader(directory).load(path: "understudy.json") }
        #expect(error?.file == routing)
        #expect(error?.path == "$.default_chat_model")
    }

    @Test func whatIsNoRegularOrTooLargeAFileIsRefused() throws {
        let directory = try TemporaryDirectory()
        let folder = #expect(throws: SettingsError.self) { try loader(directory).load(path: ".") }
        #expect(folder?.code == .unreadable)
        try directory.write("large.json", String(repeating: " ", count: SettingsLoader.bytesMax + 1))
        let large = #expect(throws: SettingsError.self) { try loader(directory).load(path: "large.json") }
        #expect(large?.code == .unreadable)
        #expect(large?.message.contains("more than \(SettingsLoader.bytesMax) bytes") == true)
    }

    @Test func theShippedFilesAreTheDefaultsWithWindows() throws {
        let shipped = SettingsLoader(environment: [:], workingDirectory: shippedDirectory)
        var read = try shipped.load(path: "understudy.json")
        #expect(read.models.count == 3)
        let defaults = Settings()
        read.file = nil
        read.models = [:]
        for (name, provider) in read.providers { #expect(defaults.providers[name] == provider) }
        read.providers = defaults.providers
        #expect(read == defaults)

        let routing = try shipped.load(path: "routing.json")
        #expect(routing.defaultChatModel == "anthropic/claude-opus-4-5")
        #expect(routing.fallbackModels == ["openai/gpt-4o", "google/gemini-2.0-flash"])
    }

    @Test func theEnvironmentOfThisProcessIsRead() {
        #expect(ProcessEnvironment.current()["PATH"]?.isEmpty == false)
    }
}
