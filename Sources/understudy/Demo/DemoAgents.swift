import BusProtocol
import CoreTypes
import JSON
import UnderstudyClient

/// The agents of the demo: they work through the day's tasks over one connection, so many at a time.
struct DemoAgents: Sendable {
    /// How far they are.
    struct Progress: Sendable, Hashable {
        /// Tasks that ended.
        var ended = 0
        /// Those of them that failed.
        var failed = 0
    }

    /// Tasks at a time.
    static let concurrency = 16
    /// Time for one request; far more than the day's worst takes.
    static let deadline: Duration = .seconds(60)

    /// The bus.
    let client: UnderstudyClient
    /// The tasks.
    let day: DemoDay

    /// Does all tasks.
    ///
    /// - Parameter onProgress: Called after each task.
    /// - Throws: `ClientError` when the bus itself does not answer.
    func work(onProgress: (Progress) -> Void) async throws {
        var progress = Progress()
        try await withThrowingTaskGroup(of: TaskReport.Outcome.self) { group in
            var tasks = day.tasks.makeIterator()
            func startNext() {
                guard let task = tasks.next() else { return }
                group.addTask { try await perform(task) }
            }
            for _ in 0..<Self.concurrency { startNext() }
            while let outcome = try await group.next() {
                progress.ended += 1
                if outcome != .completed { progress.failed += 1 }
                onProgress(progress)
                startNext()
            }
        }
    }

    /// Does one task and reports how it ended.
    private func perform(_ task: DemoDay.Task) async throws -> TaskReport.Outcome {
        let outcome = try await run(task)
        try await client.reportTask(TaskReport(task: task.id, outcome: outcome))
        return outcome
    }

    private func run(_ task: DemoDay.Task) async throws -> TaskReport.Outcome {
        for request in task.requests {
            let header = RequestHeader(deadline: Self.deadline, task: task.id.text)
            let outcome = try await client.submit(day.body(of: request), header: header, id: request)
            guard case .reply(let reply) = outcome else { return .failedInLLM }
            // The agent's own code, which in one task is wrong.
            let completion = try? JSONValue(parsing: reply.body, limits: .body)
            guard completion?["choices"]?[0]?["message"]?[task.wanted] != nil else { return .failedInApplication }
        }
        return .completed
    }
}
