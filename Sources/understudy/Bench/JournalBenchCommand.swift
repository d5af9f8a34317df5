import ArgumentParser
import Configuration

/// `understudy bench journal`.
struct JournalBenchCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "journal",
        abstract: "Measure what it costs that accepted requests are kept on disk.",
        discussion: """
            In turns, on the disk of a directory: an append of 4 KiB with its fdatasync, which bounds everything else; 64 \
            agents of which each waits for its ACCEPTED before its next REQUEST, beside 0.5 x 64 / fdatasync; complete \
            requests (REQUEST, ACCEPTED, JOB, START, GO, an EVENT, REPLY, ACKs) on disk, in memory beside the journal, \
            and in memory of a broker without one; the time from REQUEST to JOB of both durabilities, at 500 \
            requests a second; and a broker that is killed with 10,000 open requests: the time from the start of the next one to the \
            first JOB, and until all are answered.

            Examples:
              understudy bench journal --directory /var/tmp
              understudy bench journal --repetitions 7 --json
            """
    )

    @OptionGroup var options: BenchOptions

    @Option(
        help: ArgumentHelp(
            "Where the journal lies while it is measured.",
            discussion: "Default: TMPDIR, else the current directory.",
            valueName: "directory"
        ),
        completion: .directory,
        transform: PathOption.readAbsolute
    )
    var directory: String?

    func run() throws {
        let here = FilePath.workingDirectory()
        let parent = FilePath.absolute(directory ?? ProcessEnvironment.current()["TMPDIR"] ?? here, in: here)
        let bench = JournalBench(repetitions: options.count, isQuick: options.quick, parent: parent)
        try options.run { try await bench.run($0, $1) }
    }
}
