import ArgumentParser
import Conformance
import CoreTypes
import EventLoop
import Glibc
import JSON

/// What every `conform` command takes, and how it runs and tells.
struct ConformOptions: ParsableArguments {
    @Flag(help: "Print the cases of the role and end.")
    var list = false

    @Option(help: ArgumentHelp("Play this case; may be given more than once (default: all).", valueName: "case"))
    var only: [String] = []

    @Option(help: ArgumentHelp("Most seconds that a case may take.", valueName: "seconds"))
    var timeout = 90

    @Flag(help: "Print one JSON object.")
    var json = false

    func validate() throws {
        guard (1...3600).contains(timeout) else {
            throw ValidationError("--timeout is \(timeout); expected 1...3600")
        }
    }

    /// Prints the cases of a role.
    func printList(of role: PeerRole) {
        let outlines = Examination.outlines(of: role)
        if json {
            return Console.output.line("\(JSONValue.array(outlines.map(Self.json)))")
        }
        let rows = outlines.map { [$0.number, $0.isRequired ? "must" : "should", $0.rule] }
        for line in Console.table(rows) { Console.output.line(line) }
    }

    /// Examines `subject`, prints what comes of it, and fails when a rule is broken.
    func run(_ subject: Examination.Subject) throws(CommandFailure) {
        let examination: Examination
        do {
            examination = try Examination(subject, timeout: .seconds(timeout), only: only)
        } catch {
            throw CommandFailure(error)
        }
        let printer = ConformPrinter(asJSON: json, role: subject.role)
        try ServiceHost.run("conform", child: .none) { loop, control in
            // The cases block their thread, and signals and the mock provider need the loop meanwhile.
            let stage = try EventLoop(name: "conform cases")
            stage.execute {
                do {
                    try examination.run(loop: loop) { printer.add($0) }
                    control.end(printer.finish() ? nil : CommandFailure(.failed))
                } catch {
                    control.end(CommandFailure(error))
                }
                stage.shutDown()
            }
            return { urgency in
                if urgency != .quiet { examination.stop() }
            }
        }
    }

    static func json(_ outline: CaseOutline) -> JSONValue {
        [
            "case": JSONValue(outline.number), "required": JSONValue(outline.isRequired),
            "rule": JSONValue(outline.rule),
        ]
    }
}

/// Prints results as they come. Used by one thread at a time.
private final class ConformPrinter: @unchecked Sendable {
    // Why `@unchecked` holds: after it was made only the thread of the cases touches it.
    private let asJSON: Bool
    private let role: PeerRole
    private var results: [CaseResult] = []

    init(asJSON: Bool, role: PeerRole) {
        self.asJSON = asJSON
        self.role = role
    }

    func add(_ result: CaseResult) {
        results.append(result)
        guard !asJSON else { return }
        let isBroken = result.verdict == .failed
        let style: Console.Style =
            switch result.verdict {
            case .passed: .green
            case .failed: result.outline.isRequired ? .red : .yellow
            case .skipped: .dim
            }
        let number = result.outline.number + String(repeating: " ", count: max(0, 4 - result.outline.number.count))
        let word = Self.word(result)
        let verdict = word + String(repeating: " ", count: max(0, 8 - word.count))
        let note = result.verdict == .skipped ? " (\(result.detail))" : ""
        Console.output.line("\(number) \(Console.output.styled(verdict, style)) \(result.outline.rule)\(note)")
        guard isBroken else { return }
        Console.output.line("     \(result.detail)")
        Console.output.line("     what was said:")
        for line in result.exchange { Console.output.line("     \(Console.output.styled(line, .dim))") }
    }

    /// Prints the end; true when no required rule is broken.
    func finish() -> Bool {
        let broken = results.filter { $0.verdict == .failed && $0.outline.isRequired }
        let advised = results.count { Self.word($0) == Self.advised }
        let counts = ["passed", "failed", "skipped"].map { word in (word, results.count { Self.word($0) == word }) }
        if asJSON {
            var object = JSONObject()
            object["role"] = JSONValue(role.rawValue)
            object["conforms"] = JSONValue(broken.isEmpty)
            for (word, count) in counts { object[word] = JSONValue(count) }
            object[Self.advised] = JSONValue(advised)
            object["cases"] = .array(results.map(Self.json))
            Console.output.line("\(JSONValue.object(object))")
        } else {
            var text = counts.map { "\($0.1) \($0.0)" }.joined(separator: ", ")
            if advised > 0 { text += ", \(advised) not as advised" }
            let names = broken.map(\.outline.number).joined(separator: ", ")
            Console.output.line("\(text)\(broken.isEmpty ? "" : "; broken: \(names)")")
        }
        return broken.isEmpty
    }

    /// For a rule that is advised and was not kept.
    private static let advised = "advised"

    private static func word(_ result: CaseResult) -> String {
        result.verdict == .failed && !result.outline.isRequired ? advised : result.verdict.rawValue
    }

    private static func json(_ result: CaseResult) -> JSONValue {
        var object = ConformOptions.json(result.outline).objectValue ?? JSONObject()
        object["verdict"] = JSONValue(result.verdict.rawValue)
        object["duration_ms"] = JSONValue(result.duration.wholeMilliseconds)
        if !result.detail.isEmpty { object["detail"] = JSONValue(result.detail) }
        if !result.exchange.isEmpty { object["exchange"] = .array(result.exchange.map { JSONValue($0) }) }
        return .object(object)
    }
}
