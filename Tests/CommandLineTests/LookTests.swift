import Glibc
import Testing

@testable import understudy

/// `status` and `tail` without a bus, and the completions of the program itself.
@Suite(.timeLimit(.minutes(10))) struct LookTests {
    @Test func withoutABrokerStatusEndsWithStatus3AndSaysWhatToDo() async throws {
        let directory = try TemporaryDirectory()
        let (lines, ending) = await (try Program(["status", "--directory", directory.path])).end()
        #expect(ending == .status(3))
        #expect(lines.count == 1)
        #expect(lines.first?.contains("start a broker") == true, "\(lines)")
    }

    @Test(arguments: [["status", "--watch", "0"], ["status", "--watch", "x"], ["tail", "nothing"]])
    func wrongArgumentsEndWithStatus2(arguments: [String]) async throws {
        #expect(await (try Program(arguments)).end().ending == .status(2))
    }

    @Test func tailWaitsForABrokerAndSaysSo() async throws {
        let directory = try TemporaryDirectory()
        let script = """
            exec 4< <("$0" tail --directory "$1" 2>&1)
            pid=$!
            read -r line <&4
            kill -TERM $pid
            wait $pid
            echo "$? $line"
            """
        let shell = try Program(executable: "/bin/bash", ["bash", "-c", script, Program.path, directory.path])
        let (lines, _) = await shell.end()
        #expect(
            lines.first?.hasPrefix("0 tail: waiting for a broker: \(directory.path)/telemetry.sock") == true,
            "\(lines)"
        )
    }

    @Test(arguments: ["bash", "zsh", "fish"])
    func everyShellGetsItsCompletions(shell: String) async throws {
        let (lines, ending) = await (try Program(["--generate-completion-script", shell])).end()
        #expect(ending == .status(0))
        for word in ["status", "tail", "--watch", "request.ended"] {
            #expect(lines.contains { $0.contains(word) }, "\(shell) does not complete \(word)")
        }
    }

    @Test func bashReadsTheScriptAndModelsComeFromTheConfiguration() async throws {
        let directory = try TemporaryDirectory()
        let routing = #"{"default_chat_model": "openai/gpt-x", "fallback_models": ["google/gemini-y"]}"#
        let file = try directory.write("routing.json", routing)
        let script = """
            eval "$("$0" --generate-completion-script bash)"
            COMP_WORDS=(understudy ask --model ''); COMP_CWORD=3; COMP_LINE="understudy ask --model "; COMP_POINT=23
            ln -s "$0" "$1/understudy"; PATH="$1:$PATH"
            _understudy understudy '' --model
            printf '%s\\n' "${COMPREPLY[@]}"
            """
        let shell = try Program(
            executable: "/bin/bash",
            ["bash", "-c", script, Program.path, directory.path],
            environment: ["UNDERSTUDY_CONFIG": file]
        )
        let (lines, ending) = await shell.end()
        #expect(ending == .status(0), "\(lines)")
        #expect(lines.contains("openai/gpt-x") && lines.contains("google/gemini-y"), "\(lines)")
    }
}
