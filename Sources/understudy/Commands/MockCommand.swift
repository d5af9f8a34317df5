import ArgumentParser
import Configuration
import MockProvider

/// `understudy mock`: a provider that fails on command.
struct MockCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "mock",
        abstract: "Run a provider that fails on command: no key, no network, no cost.",
        discussion: """
            A real HTTP server with the interface of OpenAI's Chat Completions under any \
            prefix. What happens to a call is said by a script (--script), where that says \
            nothing by recorded exchanges (--replay), else by the model's name.

            \(MockBehaviour.nameHelp)

            \(MockScript.summary)

            It counts calls per request id (header x-understudy-request-id): GET /_mock/counts, \
            POST /_mock/reset. A page for people is at /.

            Examples:
              understudy mock --port 8080
              curl -s http://127.0.0.1:8080/v1/chat/completions -d '{"model":
                "status-429-after-2", "messages": [{"role": "user", "content": "Hi"}]}'
            """
    )

    @OptionGroup var file: ConfigurationOption
    @OptionGroup var log: LogOptions
    @OptionGroup var child: ChildOptions

    @Option(
        help: ArgumentHelp("Numeric address to listen on, or localhost (default: 127.0.0.1).", valueName: "address")
    )
    var host: String?

    @Option(help: ArgumentHelp("TCP port; 0 for any free one (default: 0).", valueName: "port"))
    var port: UInt16?

    @Option(
        help: ArgumentHelp("Script file: which calls fail, and how.", valueName: "file"),
        completion: .file(extensions: ["json"]),
        transform: PathOption.readAbsolute
    )
    var script: String?

    @Option(
        help: ArgumentHelp("Recorded exchanges to answer with: a file, or a directory of files.", valueName: "path"),
        completion: .file(),
        transform: PathOption.readAbsolute
    )
    var replay: String?

    @Option(
        help: ArgumentHelp(
            "Closes connections that send nothing for so long; 0s for never (default: 2m).",
            valueName: "duration"
        )
    )
    var idleTimeout: String?

    @Flag(help: "Describe script files and recordings and end.")
    var scriptHelp = false

    func run() throws {
        if scriptHelp {
            // Not part of --help, which would wrap its tables.
            Console.output.line(MockScript.help + "\n\n" + MockRecording.help)
            return
        }
        var mock = try file.settings().mock
        if let host { mock.host = host }
        if let port { mock.port = port }
        if let script { mock.script = script }
        if let replay { mock.replay = replay }
        if let idleTimeout {
            guard let duration = DurationText.parse(idleTimeout), MockSettings.idleTimeoutRange.contains(duration)
            else {
                throw ValidationError(
                    "--idle-timeout is \"\(idleTimeout)\"; expected \(DurationText.expectation), from 0s to 24h"
                )
            }
            mock.idleTimeout = duration
        }
        let configuration = try Self.configuration(of: mock)

        try ServiceHost.run("mock", child: child.ties, staysUp: true, log: log) { loop, control in
            let provider = try MockProvider(loop: loop, configuration: configuration)
            control.ready("port=\(provider.port)")
            if !control.isChild {
                let page = provider.baseURL.dropLast("v1".count)
                control.say("ready: the mock provider answers at \(provider.baseURL), its page is \(page)")
            }
            return { urgency in
                guard urgency != .quiet else { return }
                // Its clients wait for nothing that is worth keeping: both ways to end are the same.
                provider.shutDown()
                control.end()
            }
        }
    }

    /// The provider's own configuration, its script and recording read.
    static func configuration(of mock: MockSettings) throws(CommandFailure) -> MockConfiguration {
        var configuration = MockConfiguration(host: mock.host, port: mock.port)
        configuration.idleTimeout = mock.idleTimeout > .zero ? mock.idleTimeout : nil
        do {
            if let path = mock.script {
                let bytes = try SmallFile.read(path, bytesMax: 8 << 20)
                configuration.script = try MockScript(parsing: bytes, source: path)
            }
            if let path = mock.replay { configuration.recording = try MockRecording(path: path) }
        } catch {
            throw CommandFailure(error)
        }
        return configuration
    }
}
