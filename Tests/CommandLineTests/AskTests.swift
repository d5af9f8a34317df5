import BusProtocol
import CoreTypes
import JSON
import Testing
import UnderstudyClient
import ZeroMQ

@testable import understudy

struct AskTests {
    @Test func `a prompt becomes the only message of a request`() throws {
        let request = AskRequest(model: nil, fallbacks: [])
        let body = try request.body(prompt: Array("Say \"hi\"".utf8))
        #expect(body.description == #"{"messages":[{"role":"user","content":"Say \"hi\""}]}"#)
    }

    @Test func `models given are put into a file's request, and all else of it stays`() throws {
        let file = Array(#"{"model":"a/b","temperature":0.10,"messages":[]}"#.utf8)
        let body = try AskRequest(model: "c/d", fallbacks: ["e/f"]).body(file: file, name: "r.json")
        #expect(body.description == #"{"model":"c/d","temperature":0.10,"messages":[],"fallback_models":["e/f"]}"#)
        let asItIs = try AskRequest(model: nil, fallbacks: []).body(file: Array("no JSON".utf8), name: "r.json")
        #expect(asItIs.description == "no JSON")
    }

    @Test func `a file that is no JSON cannot be given a model`() {
        let failure = #expect(throws: CommandFailure.self) {
            try AskRequest(model: "c/d", fallbacks: []).body(file: Array("[]".utf8), name: "r.json")
        }
        #expect(failure?.status == .usage)
        #expect(failure?.message.contains("r.json") == true)
    }

    @Test func `the text of a completion is shown, and one without text as JSON`() {
        #expect(AskAnswer.text(Bytes(#"{"choices":[{"message":{"content":"Hello"}}]}"#)) == "Hello")
        let call = #"{"content":null,"tool_calls":[]}"#
        #expect(AskAnswer.text(Bytes(#"{"choices":[{"message":\#(call)}]}"#)) == call)
        #expect(AskAnswer.text(Bytes("no completion")) == "no completion")
    }

    @Test func `a provider's words reach the terminal without their control characters`() {
        let error = FailureHeader(
            .notFound,
            message: "no\u{1B}]0;title\u{07} such\u{9B}31m model\n",
            model: "a/b\u{1B}[2J"
        )
        #expect(AskAnswer.text(error) == "\(error.code): no?]0;title? such?31m model? (a/b?[2J)")
    }

    @Test func `meta is summed up in a line`() {
        let meta = #"{"resolved_model":"a/b","total_attempts":3,"retries":1,"fallbacks":1,"duration_ms":12}"#
        #expect(AskAnswer.summary(Bytes(meta)) == "a/b, 3 attempts, 1 fallback, 12 ms")
        #expect(AskAnswer.summary(nil) == nil)
    }

    @Test(arguments: [
        (ClientError.Code.noBroker, CommandStatus.unreachable), (.noPermission, .unreachable),
        (.noAnswer, .unreachable), (.rejected, .failed), (.gone, .failed), (.badPath, .usage), (.system, .trouble),
    ])
    func `an error of the client has its exit status`(code: ClientError.Code, status: CommandStatus) {
        #expect(CommandFailure(ClientError(code, "why")).status == status)
    }

    @Test(.timeLimit(.minutes(10))) func `without a broker ask ends with 3 and says where it looked`() async throws {
        let directory = try TemporaryDirectory()
        let program = try Program(["ask", "--directory", directory.path, "Hello"])
        let (lines, ending) = await program.end()
        #expect(ending == .status(3))
        #expect(lines.joined().contains("\(directory.path)/agents.sock does not exist: start a broker"))
    }

    @Test(
        .timeLimit(.minutes(10)),
        arguments: [["ask"], ["ask", "--deadline", "10", "Hi"], ["ask", "--id", "a b", "Hi"]]
    )
    func `wrong arguments end with 2`(arguments: [String]) async throws {
        let (_, ending) = await (try Program(arguments)).end()
        #expect(ending == .status(2))
    }

    @Test func theIDIsToldWhereTheBrokerMayHaveTheRequest() async throws {
        let id = try #require(RequestID("r1"))
        for code in [ClientError.Code.noBroker, .noAnswer, .system] {
            let told = AskCommand.naming(id, in: ClientError(code, "the broker has ended"))
            #expect(told.message.hasPrefix("the broker has ended. The request may have run"))
            #expect(told.message.contains("--id r1,"))
            #expect(told.code == code)
        }
        // Nobody was there to take it.
        let (text, ending) = await (try Program(["ask", "--directory", "/nowhere", "Hi"])).end()
        #expect(ending == .status(CommandStatus.unreachable.rawValue), "\(text)")
        #expect(!text.joined().contains("billed"), "\(text)")
        for code in [ClientError.Code.rejected, .refused, .tooLarge] {
            #expect(AskCommand.naming(id, in: ClientError(code, "no")).message == "no")
        }
    }
}
