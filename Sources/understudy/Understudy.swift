import ArgumentParser
import CoreTypes
import EventLoop
import Glibc

/// The command `understudy`: one binary that plays every role of the bus.
struct Understudy: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "understudy",
        abstract: "A message bus for LLM calls that retries, and brings on the next model when one fails.",
        discussion: """
            Agents put requests on a ZeroMQ socket; a broker hands them to worker processes; a worker calls the model, \
            retries what is worth retrying, and falls back to the next model of the chain.

            The sockets lie in --directory, else $UNDERSTUDY_DIR, else what the configuration names, else \
            $XDG_RUNTIME_DIR/understudy, else /tmp/understudy-<uid>. The configuration is --config, else \
            $UNDERSTUDY_CONFIG, else ./config/understudy.json, else built in.

            Exit status:
            \(ExitStatus.help)
            """,
        version: ProductVersion.text,
        groupedSubcommands: [
            CommandGroup(
                name: "Run",
                subcommands: [
                    UpCommand.self, BrokerCommand.self, WorkerCommand.self, CollectCommand.self, MockCommand.self,
                ]
            ),
            CommandGroup(
                name: "Use",
                subcommands: [AskCommand.self, GetCommand.self, CancelCommand.self, DemoCommand.self]
            ),
            CommandGroup(
                name: "Look",
                subcommands: [StatusCommand.self, TailCommand.self, ReportCommand.self, CheckCommand.self]
            ),
            CommandGroup(
                name: "Prove",
                subcommands: [
                    SimulateCommand.self, ConformCommand.self, TortureCommand.self, TortureAgentCommand.self,
                    BenchCommand.self,
                ]
            ),
        ]
    )

    /// Runs the command line `arguments` (without the program's name) and says how it ended.
    ///
    /// Help and versions go to standard output, errors to standard error.
    static func run(arguments: [String]) -> ExitStatus {
        do {
            try checkText()
            var command = try parseAsRoot(arguments)
            try command.run()
            return outputStatus()
        } catch let failure as CommandFailure {
            if !failure.message.isEmpty { Console.error.problem(failure.message) }
            return failure.status
        } catch {
            return finish(parsing: error)
        }
    }

    /// Refuses arguments that would be altered on their way: Swift puts U+FFFD for what is not UTF-8.
    private static func checkText() throws(CommandFailure) {
        for index in 0..<Int(CommandLine.argc) {
            guard let argument = unsafe CommandLine.unsafeArgv[index], unsafe String(validatingCString: argument) == nil
            else { continue }
            throw CommandFailure(.usage, "argument \(index) is not UTF-8; other bytes can be read from standard input")
        }
    }

    /// The status of a command that did what it was asked: its results must have come out.
    ///
    /// A reader that left early has what he wanted (`| head`); a disk that is full has lost something.
    private static func outputStatus() -> ExitStatus {
        guard let number = Console.output.failure, number != EPIPE else { return .ok }
        Console.error.problem("cannot write to standard output: \(SystemError(call: "write", errno: number).reason)")
        return .trouble
    }

    /// Prints what the argument parser has to say: help that was asked for, or what is wrong with the arguments.
    private static func finish(parsing error: any Error) -> ExitStatus {
        let text = fullMessage(for: error)
        guard exitCode(for: error) != .success else {
            if !text.isEmpty { Console.output.line(text) }
            return outputStatus()
        }
        let isUsage = exitCode(for: error) == .validationFailure
        guard isUsage else {
            Console.error.problem("\(error)")
            return ExitStatus(of: error)
        }
        Console.error.line(text)
        return .usage
    }
}
