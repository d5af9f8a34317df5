import BusProtocol
import CoreTypes
import JSON

/// The day that the demo plays: 169 tasks, 180 requests, and what goes wrong with them.
///
/// The article counts 169 tasks with 13 failures, 12 of them by models and one an agent's own error, and about 180
/// calls. Which calls fail, and how, is made up here: half of the 12 troubles pass after a call or two, half last.
struct DemoDay: Sendable {
    /// One task of an agent.
    struct Task: Sendable, Hashable {
        /// The task's id.
        let id: RequestID
        /// Its requests, made one after another.
        let requests: [RequestID]
        /// What the agent looks for in the reply; an agent that looks for what is not there fails by its own fault.
        let wanted: String
    }

    /// Something that goes wrong with the first request of a task.
    private struct Trouble {
        let task: Int
        let model: String
        let behaviour: String
        /// How many calls it happens to; nil for all.
        let calls: Int?

        init(_ task: Int, _ model: String, _ behaviour: String, calls: Int? = nil) {
            self.task = task
            self.model = model
            self.behaviour = behaviour
            self.calls = calls
        }
    }

    /// The article's chain, `config/routing.json`, without providers.
    private static let primary = "claude-opus-4-5"
    private static let firstFallback = "gpt-4o"

    private static let troubles = [
        // A second or third call is answered.
        Trouble(17, primary, "status-503", calls: 1), Trouble(31, primary, "status-429-after-1", calls: 1),
        Trouble(44, primary, "reset-before", calls: 1), Trouble(58, primary, "html-502", calls: 2),
        Trouble(73, primary, "status-503", calls: 2), Trouble(89, primary, "status-429", calls: 2),
        // Only another model helps.
        Trouble(97, primary, "status-500"), Trouble(108, primary, "status-529"), Trouble(121, primary, "status-401"),
        Trouble(133, primary, "status-404"), Trouble(146, primary, "status-503"), Trouble(160, primary, "status-500"),
        // And once not the first other model.
        Trouble(160, firstFallback, "status-429"),
    ]

    private static let taskCount = 169
    /// Every 15th task makes two requests: 180 in all.
    private static let longTaskStep = 15
    /// The agent of this task expects a member that no completion has.
    private static let brokenTask = 152

    /// How long the mock provider takes for an answer.
    private static let latencyMilliseconds = (min: 80, max: 400)

    /// The tasks in their order.
    let tasks: [Task] = (1...taskCount).map { number in
        Task(
            id: Self.id(number),
            requests: (1...(number.isMultiple(of: longTaskStep) ? 2 : 1)).map { Self.id(number, request: $0) },
            wanted: number == brokenTask ? "_email_context_until" : "content"
        )
    }

    /// The body of a request; it names no model, so that the configured chain is tried.
    func body(of request: RequestID) -> Bytes {
        let value: JSONValue = ["messages": [["role": "user", "content": JSONValue("Do \(request).")]]]
        return Bytes(value.serialized())
    }

    /// The script of the mock provider.
    var script: JSONValue {
        var rules = Self.troubles.map { trouble -> JSONValue in
            var rule: JSONObject = [
                "model": JSONValue(trouble.model), "ids": [JSONValue(Self.id(trouble.task, request: 1).text)],
                "behaviour": JSONValue(trouble.behaviour),
            ]
            if let calls = trouble.calls { rule["times"] = JSONValue(calls) }
            return .object(rule)
        }
        let (low, high) = Self.latencyMilliseconds
        rules.append([
            "model": "*",
            "behaviour": ["play": "ok", "latency_ms": ["min": JSONValue(low), "max": JSONValue(high)]],
        ])
        return ["rules": .array(rules)]
    }

    private static func id(_ task: Int, request: Int? = nil) -> RequestID {
        let digits = String(task)
        let name = "task-" + String(repeating: "0", count: 3 - digits.count) + digits
        guard let id = RequestID(request.map { "\(name).\($0)" } ?? name) else {
            preconditionFailure("\(name) is no id")
        }
        return id
    }
}
