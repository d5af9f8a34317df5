import BusProtocol
import CoreTypes
import JSON
import UnderstudyClient

/// Shows how a request ended.
struct AskAnswer {
    /// True for one JSON object in place of text.
    var asJSON: Bool

    /// Prints `outcome`; gives what the command ends with, nil for well.
    func show(_ outcome: Outcome) -> CommandFailure? {
        if asJSON {
            Console.output.write(json(outcome))
            if case .failure = outcome { return CommandFailure(.failed) }
            return nil
        }
        switch outcome {
        case .reply(let reply):
            Console.output.line(Self.text(reply.body))
            note(Self.summary(reply.meta))
            return nil
        case .failure(let failure):
            let error = failure.error
            let place = [error.model, error.status.map { "HTTP \($0)" }].compactMap { $0 }.joined(separator: ", ")
            Console.error.problem("\(error.code): \(error.message)" + (place.isEmpty ? "" : " (\(place))"))
            note(Self.summary(error.meta))
            return CommandFailure(.failed)
        }
    }

    private func note(_ text: String?) {
        guard let text, Console.error.isTerminal else { return }
        Console.error.line(Console.error.styled(text, .dim))
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

    /// `anthropic/claude-opus-4-5, 2 attempts, 1 retry, 0 fallbacks, 1250 ms`; nil without `meta`.
    static func summary(_ meta: Bytes?) -> String? {
        guard let meta, let value = try? JSONValue(parsing: meta, limits: .header) else { return nil }
        func count(_ key: String, _ one: String, _ many: String) -> String? {
            value[key]?.intValue.map { "\($0) \($0 == 1 ? one : many)" }
        }
        let parts = [
            value["resolved_model"]?.stringValue, count("total_attempts", "attempt", "attempts"),
            count("retries", "retry", "retries"), count("fallbacks", "fallback", "fallbacks"),
            value["duration_ms"]?.intValue.map { "\($0) ms" },
        ]
        return parts.compactMap { $0 }.joined(separator: ", ")
    }
}
