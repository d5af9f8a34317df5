import ArgumentParser
import Configuration
import MockProvider

/// `understudy mock`: a provider that fails on command.
struct MockCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "mock",
        abstract: "Run a provider that fails on command: no key, no network, no cost.",
        discussion: """
            A real HTTP server with the interface of OpenAI's Chat Completions under any prefix. What happens to a call \
            is said by a script (see --script-help), and where it says nothing by the model's name.

            \(MockBehaviour.nameHelp)

            It counts calls per request id (header x-understudy-request-id): GET /_mock/counts, POST /_mock/reset.

            Examples:
              understudy mock --port 8080
              curl -s http://127.0.0.1:8080/v1/chat/completions -d '{"model": "status-429-after-2", "messages": \
            [{"role": "user", "content": "Hi"}]}'
            """
    )

    @OptionGroup var file: ConfigurationOption
    @OptionGroup var child: ChildOptions

    @Option(
        help: ArgumentHelp("Numeric address to listen on, or localhost (default: 127.0.0.1).", valueName: "address")
    )
    var host: String?

    @Option(help: ArgumentHelp("TCP port; 0 for any free one (default: 0).", valueName: "port"))
    var port: UInt16?

    @Option(
        help: ArgumentHelp("Script file: which calls fail, and how.", valueName: "file"),
        completion: .file(extensions: ["json"])
    )
    var script: String?

    @Flag(help: "Describe script files and end.")
    var scriptHelp = false

    func run() throws {
        if scriptHelp {
            // Not part of --help, which would wrap its tables.
            Console.output.line(MockScript.help)
            return
        }
        var mock = try file.settings().mock
        if let host { mock.host = host }
        if let port { mock.port = port }
        if let script { mock.script = FilePath.absolute(script, in: FilePath.workingDirectory()) }
        let configuration = try Self.configuration(of: mock)

        try ServiceHost.run("mock", child: child.ties) { loop, control in
            let provider = try MockProvider(loop: loop, configuration: configuration)
            control.ready("port=\(provider.port)")
            if !control.isChild {
                Console.output.line("ready: the mock provider answers at \(provider.baseURL)")
            }
            return { urgency in
                guard urgency != .quiet else { return }
                // Its clients wait for nothing that is worth keeping: both ways to end are the same.
                provider.shutDown()
                control.end()
            }
        }
    }

    /// The provider's own configuration, its script read.
    static func configuration(of mock: MockSettings) throws(CommandFailure) -> MockConfiguration {
        var configuration = MockConfiguration(host: mock.host, port: mock.port)
        guard let path = mock.script else { return configuration }
        do {
            let bytes = try SmallFile.read(path, bytesMax: 8 << 20)
            configuration.script = try MockScript(parsing: bytes, source: path)
        } catch {
            throw CommandFailure(error)
        }
        return configuration
    }
}
