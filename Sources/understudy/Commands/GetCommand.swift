import ArgumentParser
import BusProtocol
import UnderstudyClient

/// `understudy get`: the answer to a request that somebody has sent.
struct GetCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "get",
        abstract: "Fetch the answer to a request by its id, or wait for it.",
        discussion: """
            For a request of this user, whoever sent it: an agent that died, another program, another language. Prints \
            what "ask" would, and ends as it does. The broker keeps the answer until its time is over, or until it was \
            printed with --ack. Ctrl-C ends the wait and leaves the request alone. "understudy status --requests" has \
            the ids.

            Examples:
              understudy get 1f0c4ab2
              understudy get --ack --json 1f0c4ab2 | jq .body
            """
    )

    @OptionGroup var common: CommonOptions

    @Argument(help: ArgumentHelp("Name of the request.", valueName: "id"), transform: RequestIDArgument.parse)
    var id: RequestID

    @Flag(help: "Let the broker forget the answer once it is printed.")
    var ack = false

    @Flag(help: "Print one JSON object: id, outcome, header and body.")
    var json = false

    func run() throws {
        let directory = try common.endpointDirectory(try common.settings())
        let answer = AskAnswer(asJSON: json)
        try AgentCall.run("get", directory, stopped: "stopped; the request \(id) goes on") {
            [id, ack] client async throws(ClientError) in
            let outcome = try await client.attach(to: id, acknowledgement: .explicit)
            return await answer.deliver(outcome, acknowledges: ack, client)
        }
    }
}
