import BusProtocol
import CoreTypes
import EventLoop
import Glibc
import JSON
import UnderstudyClient

/// Shows how a request ended.
struct AskAnswer {
    /// True for one JSON object in place of text.
    var asJSON: Bool

    /// Where the answer goes.
    var output = Console.output
    /// Where the rest goes.
    var notes = Console.error

    /// Prints `outcome`; false when it could not be written, see ``Console/failure`` of the console it belongs to.
    func show(_ outcome: Outcome) -> Bool {
        if asJSON { return output.reaches(json(outcome)) }
        switch outcome {
        case .reply(let reply):
            // A model's words must not steer a terminal; a pipe gets them as they are.
            let text = output.isTerminal ? HumanText.cleanLines(Self.text(reply.body)) : Self.text(reply.body)
            guard output.reaches(Array((text + "\n").utf8)) else { return false }
            note(Self.summary(reply.meta))
            return true
        case .failure(let failure):
            let text = notes.problemText(Self.text(failure.error))
            guard notes.reaches(Array((text + "\n").utf8)) else { return false }
            note(Self.summary(failure.error.meta))
            return true
        }
    }

    /// Prints `outcome`, and lets the broker forget it only then, if at all; gives what the command ends with, nil for well.
    func deliver(_ outcome: Outcome, acknowledges: Bool, _ client: UnderstudyClient) async -> CommandFailure? {
        guard show(outcome) else {
            let number = output.failure ?? notes.failure ?? EIO
            return CommandFailure(
                .trouble,
                """
                the answer could not be written: \(SystemError(call: "write", errno: number).reason). It waits at the \
                broker: understudy get \(outcome.id)
                """
            )
        }
        // Of a broker that is gone by now nothing more is wanted: it forgets the answer in time.
        if acknowledges { try? await client.acknowledge(outcome.id) }
        if case .failure = outcome { return CommandFailure(.failed) }
        return nil
    }

    private func note(_ text: String?) {
        guard let text, notes.isTerminal else { return }
        notes.line(notes.styled(HumanText.clean(text), .dim))
    }

    /// Code, message and place of a failure; a provider chose the words.
    static func text(_ error: FailureHeader) -> String {
        let place = [error.model, error.status.map { "HTTP \($0)" }].compactMap { $0 }.joined(separator: ", ")
        return HumanText.clean("\(error.code): \(error.message)" + (place.isEmpty ? "" : " (\(place))"))
    }

    private func json(_ outcome: Outcome) -> [UInt8] {
        var writer = JSONWriter(reserving: 1024)
        writer.beginObject()
        writer.member("id", outcome.id.text)
        switch outcome {
        case .reply(let reply):
            writer.member("outcome", "reply")
            writer.member("header", raw: reply.header.array)
            writer.member("body", raw: reply.body.array)
        case .failure(let failure):
            writer.member("outcome", "failure")
            writer.member("header", raw: failure.header.array)
        }
        writer.endObject()
        return writer.finished() + [UInt8(ascii: "\n")]
    }

    /// The text of a chat completion; one without text, such as a call of a tool, as JSON.
    static func text(_ body: Bytes) -> String {
        guard let completion = try? JSONValue(parsing: body, limits: .body),
            let message = completion["choices"]?[0]?["message"]
        else { return body.description }
        return message["content"]?.stringValue ?? message.description
    }

    /// `anthropic/claude-opus-4-5, 2 attempts, 0 fallbacks, 1250 ms`; nil without `meta`. Attempts are those of all models.
    static func summary(_ meta: Bytes?) -> String? {
        guard let meta, let value = try? JSONValue(parsing: meta, limits: .header) else { return nil }
        func count(_ key: String, _ one: String, _ many: String) -> String? {
            value[key]?.intValue.map { "\($0) \($0 == 1 ? one : many)" }
        }
        let parts = [
            value["resolved_model"]?.stringValue, count("total_attempts", "attempt", "attempts"),
            count("fallbacks", "fallback", "fallbacks"), value["duration_ms"]?.intValue.map { "\($0) ms" },
        ]
        return parts.compactMap { $0 }.joined(separator: ", ")
    }
}
