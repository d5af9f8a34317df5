import ArgumentParser
import BusProtocol
import Configuration
import CoreTypes
import EventLoop
import Glibc
import UnderstudyClient

/// `understudy ask`: one request, from the command line.
struct AskCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "ask",
        abstract: "Put one request on the bus and print the answer.",
        discussion: """
            Prints the text of the answer on standard output; at a terminal also, on standard error, which model \
            answered and what it took. Ends with 0 for an answer, 1 for a failure, 3 when no broker can be reached, 70 \
            when the answer could not be written: then the broker keeps it under the request's id. Ctrl-C cancels the \
            request.

            Examples:
              understudy ask "What is a message bus?"
              understudy ask --model openai/gpt-4o --fallback google/gemini-2.0-flash - < prompt.txt
              understudy ask --body request.json --json | jq .header.meta
            """
    )

    @OptionGroup var common: CommonOptions

    @Argument(help: ArgumentHelp("What to ask; - reads it from standard input.", valueName: "prompt"))
    var prompt: String?

    @Option(
        help: ArgumentHelp(
            "Send this file, an OpenAI Chat Completions request, in place of a prompt; - for standard input.",
            valueName: "file"
        ),
        completion: .file(extensions: ["json"]),
        transform: PathOption.read
    )
    var body: String?

    @Option(
        help: ArgumentHelp("Model to try first (default: as configured).", valueName: "provider/model"),
        completion: .configuredModels
    )
    var model: String?

    @Option(
        help: ArgumentHelp(
            "Model to fall back to, in this order; may be given more than once (default: as configured).",
            valueName: "provider/model"
        ),
        completion: .configuredModels
    )
    var fallback: [String] = []

    @Option(help: ArgumentHelp("Task that the request belongs to.", valueName: "name"))
    var task: String?

    @Option(help: ArgumentHelp("Time for everything, retries and fallbacks included.", valueName: "duration"))
    var deadline = "60s"

    @Option(
        help: ArgumentHelp(
            "Name of the request: the same id is the same request and not run twice (default: a random one).",
            valueName: "id"
        )
    )
    var id: String?

    @Flag(help: "Print one JSON object: id, outcome, header and body.")
    var json = false

    func validate() throws {
        guard (prompt == nil) != (body == nil) else {
            throw ValidationError(
                prompt == nil
                    ? "there is nothing to ask; give a prompt, - for standard input, or --body"
                    : "a prompt and --body cannot go together"
            )
        }
        if prompt?.isEmpty ?? false {
            throw ValidationError("the prompt is empty; give some text, or - for standard input")
        }
        if let model, model.isEmpty { throw ValidationError("--model is empty; expected provider/model") }
        if fallback.contains("") { throw ValidationError("--fallback is empty; expected provider/model") }
        if let id, RequestID(id)?.isReserved ?? true {
            throw ValidationError("--id is \"\(id)\"; expected \(RequestIDArgument.expectation)")
        }
        if let task, !(1...Limits.taskBytesMax).contains(task.utf8.count) {
            throw ValidationError("--task has \(task.utf8.count) bytes; expected 1 to \(Limits.taskBytesMax)")
        }
        guard let duration = DurationText.parse(deadline), Limits.deadline.contains(duration) else {
            throw ValidationError(
                "--deadline is \"\(deadline)\"; expected a duration from 1s to 24h, such as \"2.5s\" or \"10m\""
            )
        }
    }

    func run() throws {
        let settings = try common.settings()
        let directory = try common.endpointDirectory(settings)
        let request = try requestBody()
        var header = RequestHeader()
        header.deadline = DurationText.parse(deadline) ?? header.deadline
        header.task = task
        let id = id.flatMap { RequestID($0) } ?? .random()
        let answer = AskAnswer(asJSON: json)
        try AgentCall.run("ask", directory, stopped: "stopped; the request \(id) is cancelled") {
            [header] client async throws(ClientError) in
            let watch = Task { if answer.notes.isTerminal { await Self.tellOfProblems(client, answer.notes) } }
            defer { watch.cancel() }
            let outcome: Outcome
            do throws(ClientError) {
                outcome = try await client.submit(request, header: header, id: id, acknowledgement: .explicit)
            } catch {
                throw Self.naming(id, in: error)
            }
            return await answer.deliver(outcome, acknowledges: true, client)
        }
    }

    /// How long nothing is said of what keeps the answer away.
    private static let patience: Duration = .seconds(2)

    /// Tells a person what keeps requests waiting, when there is such a thing: nothing else says so before the deadline.
    private static func tellOfProblems(_ client: UnderstudyClient, _ notes: Console) async {
        try? await Task.sleep(for: patience)
        guard !Task.isCancelled,
            let health = try? await client.read(.health), let workers = try? await client.read(.workers),
            let reading = try? StatusReading(health: health, workers: workers, requests: nil)
        else { return }
        for problem in StatusText.problems(reading) { notes.line("waiting: \(problem)") }
    }

    /// `error` with the id of the request where the broker may have taken it, so that its answer can be asked for.
    static func naming(_ id: RequestID, in error: ClientError) -> ClientError {
        guard [.noBroker, .noAnswer, .badAnswer, .closed, .system].contains(error.code), !error.wasNeverSent else {
            return error
        }
        var error = error
        error.message += """
            . The request may have run, and been billed: ask the same again with --id \(id), which does not run it twice
            """
        return error
    }

    /// The body to send.
    private func requestBody() throws(CommandFailure) -> Bytes {
        let source = body ?? (prompt == "-" ? "-" : nil)
        var bytes = Array((prompt ?? "").utf8)
        if let source {
            let name = source == "-" ? "standard input" : source
            do {
                bytes =
                    source == "-"
                    ? try Self.standardInput()
                    : try SmallFile.read(
                        FilePath.absolute(source, in: FilePath.workingDirectory()),
                        bytesMax: Limits.bodyBytesMax
                    )
            } catch {
                throw CommandFailure(error)
            }
            guard !bytes.isEmpty else { throw CommandFailure(.usage, "\(name) is empty; expected a request") }
        }
        let request = AskRequest(model: model, fallbacks: fallback)
        return body == nil ? try request.body(prompt: bytes) : try request.body(file: bytes, name: body ?? "")
    }

    private static func standardInput() throws(CommandFailure) -> [UInt8] {
        var bytes: [UInt8] = []
        var piece = [UInt8](repeating: 0, count: 64 << 10)
        while true {
            let count = unsafe read(STDIN_FILENO, &piece, piece.count)
            if count < 0, errno == EINTR { continue }
            guard count >= 0 else { throw CommandFailure.system("cannot read standard input") }
            if count == 0 { return bytes }
            bytes += piece[..<count]
            guard bytes.count <= Limits.bodyBytesMax else {
                throw CommandFailure(
                    .usage,
                    "standard input has more than \(Limits.bodyBytesMax) bytes, the most a request may have"
                )
            }
        }
    }
}
