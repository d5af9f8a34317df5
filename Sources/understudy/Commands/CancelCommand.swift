import ArgumentParser
import BusProtocol
import UnderstudyClient

/// `understudy cancel`: ends a request that somebody has sent.
struct CancelCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "cancel",
        abstract: "Cancel a request by its id.",
        discussion: """
            For a request of this user, whoever sent it. A call that runs is closed; it may be billed. Says what the \
            request ended in, and ends with 0 when that is "cancelled"; one that was over before keeps its answer, and \
            the command ends with 1. "understudy status --requests" has the ids.

            Example:
              understudy cancel 1f0c4ab2
            """
    )

    @OptionGroup var common: CommonOptions

    @Argument(help: ArgumentHelp("Name of the request.", valueName: "id"), transform: RequestIDArgument.parse)
    var id: RequestID

    func run() throws {
        let directory = try common.endpointDirectory(try common.settings())
        try AgentCall.run("cancel", directory, stopped: "stopped") { [id] client async throws(ClientError) in
            switch try await client.cancel(id) {
            case .failure(let failure) where failure.error.failureClass == .cancelled:
                Console.output.line("the request \(id) is cancelled")
                return nil
            case .failure(let failure):
                return CommandFailure(.failed, "the request \(id) was over: \(AskAnswer.text(failure.error))")
            case .reply:
                return CommandFailure(.failed, "the request \(id) was over: understudy get \(id) prints its answer")
            }
        }
    }
}

/// The id of a request on the command line.
enum RequestIDArgument {
    static let expectation =
        "1 to \(Limits.requestIDBytesMax) letters, digits and . _ : -, not beginning with sys."

    /// The id in `text`.
    ///
    /// - Throws: `ValidationError` that says what was expected.
    static func parse(_ text: String) throws -> RequestID {
        guard let id = RequestID(text), !id.isReserved else {
            throw ValidationError("the id is \"\(text)\"; expected \(expectation)")
        }
        return id
    }
}
