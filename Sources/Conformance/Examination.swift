import CoreTypes
public import EventLoop
import Glibc
import JSON
import MockProvider
import Synchronization
public import ZeroMQ

/// A conformance run against one peer: plays the cases of its role and tells what came of each.
///
/// ``run(_:)`` blocks its thread, for at most the sum of the cases' limits; ``stop()`` may be called on any thread.
/// Nothing is left behind: processes are ended with their group, directories removed, requests of the tester cancelled
/// and acknowledged.
public final class Examination: Sendable {
    /// What is examined.
    public enum Subject: Sendable {
        /// A broker that has no workers of its own.
        ///
        /// - `host`: where it is, or what starts it.
        /// - `workerProgram`: the words that start ``VictimWorker`` in a process of its own; its arguments follow.
        /// - `vectors`: text of a `protocol/vectors.json`, for more malformed messages.
        case broker(BrokerHost, workerProgram: [String], vectors: [UInt8]?)
        /// A worker, started by `command` for each case, with `{directory}`, `{mock}` and `{config}` filled in. An empty
        /// one waits for a worker in `directory`; nil makes a directory. `provider` stands before the model's `/`.
        case worker(command: [String], directory: EndpointDirectory?, provider: String)
        /// A program that asks, see ``AgentExam``'s contract in the command's help; `patience` is the longest it waits
        /// by itself.
        case agent(command: [String], isFull: Bool, patience: Duration)
    }

    /// Where a broker that is examined is.
    public enum BrokerHost: Sendable {
        /// It runs, in this directory, and is not stopped.
        case running(EndpointDirectory)
        /// It is started by `command`, with `{directory}` and `{config}` filled in, in `directory` or, when that is nil, a
        /// new one; it is stopped, killed and started again. `orphan` is its `orphan_ms`, which `{config}` says, too.
        case started(command: [String], directory: EndpointDirectory?, orphan: Duration)
    }

    private let subject: Subject
    private let timeout: Duration
    private let only: [String]
    private let flag = StopFlag()

    /// Prepares a run.
    ///
    /// - Parameters:
    ///   - timeout: The most a case may take.
    ///   - only: Numbers of the cases to play, in any letter case; empty plays all.
    /// - Throws: ``ConformanceError`` `unsuitable` for a number that the role does not have.
    public init(_ subject: Subject, timeout: Duration = .seconds(60), only: [String] = []) throws(ConformanceError) {
        self.subject = subject
        self.timeout = timeout
        self.only = only.map { $0.uppercased() }
        let known = Set(Self.outlines(of: subject.role).map(\.number))
        for number in self.only where !known.contains(number) {
            throw ConformanceError(
                .unsuitable,
                "there is no case \(number) of the role \(subject.role.rawValue); see --list"
            )
        }
    }

    /// The cases of a role in their order.
    public static func outlines(of role: PeerRole) -> [CaseOutline] {
        switch role {
        case .broker: BrokerCases.all.map(\.outline)
        case .worker: WorkerCases.all.map(\.outline)
        case .lockStepAgent: AgentCases.lockStep.map(\.outline)
        case .fullAgent: AgentCases.full.map(\.outline)
        }
    }

    /// Ends the run soon: the case that is played is given up.
    public func stop() { flag.set() }

    /// Plays the cases, one after another.
    ///
    /// - Parameters:
    ///   - loop: For the mock provider of a worker's run. Not the loop of the calling thread.
    ///   - report: Called after each case.
    /// - Throws: ``ConformanceError`` when the peer cannot be examined at all, or ``stop()`` was called.
    public func run(loop: EventLoop, _ report: (CaseResult) -> Void) throws {
        switch subject {
        case .broker(.running(let directory), let program, let vectors):
            try examine(try brokerExam(directory, nil, program, vectors), report)
        case .broker(.started(let command, let directory, let orphan), let program, let vectors):
            let place = try Place(directory)
            defer { place.remove() }
            try place.write("understudy.json", #"{"bus": {"orphan": "\#(orphan.wholeMilliseconds)ms"}}"#)
            let broker = ExaminedBroker(command: command, directory: place.directory, orphan: orphan)
            defer { broker.end() }
            try examine(try brokerExam(place.directory, broker, program, vectors), report)
        case .worker(let command, let directory, let provider):
            let place = try Place(directory)
            defer { place.remove() }
            let mock = try MockProvider(loop: loop, configuration: MockConfiguration())
            defer { mock.shutDown() }
            try place.write("understudy.json", Self.configuration(of: mock, provider))
            let exam = WorkerExam(
                context: try Context(),
                stop: flag,
                directory: place.directory,
                command: command,
                provider: mock,
                providerName: provider
            )
            try play(WorkerCases.all, exam, cleanUp: {}, report)
        case .agent(let command, let isFull, let patience):
            let place = try Place(nil)
            defer { place.remove() }
            let exam = AgentExam(
                context: try Context(),
                stop: flag,
                directory: place.directory,
                command: command,
                patience: patience
            )
            try play(isFull ? AgentCases.full : AgentCases.lockStep, exam, cleanUp: {}, report)
        }
    }

    private func brokerExam(
        _ directory: EndpointDirectory,
        _ broker: ExaminedBroker?,
        _ workerProgram: [String],
        _ vectors: [UInt8]?
    ) throws -> BrokerExam {
        BrokerExam(
            context: try Context(),
            stop: flag,
            directory: directory,
            broker: broker,
            workerProgram: workerProgram,
            vectors: try vectors.map { try Self.parsed($0) }
        )
    }

    private func examine(_ exam: BrokerExam, _ report: (CaseResult) -> Void) throws {
        do {
            try exam.begin(limit: .seconds(20))
        } catch CaseEnd.failed(let text) {
            exam.end()
            throw ConformanceError(.unreachable, "the broker does not start: \(text)")
        }
        try checkAlone(exam)
        exam.end()
        try play(BrokerCases.all, exam, cleanUp: { exam.cleanUp() }, report)
    }

    private func checkAlone(_ exam: BrokerExam) throws {
        do {
            try exam.checkIsAlone()
            exam.cleanUp()
        } catch {
            exam.cleanUp()
            exam.end()
            if case CaseEnd.stopped = error { throw ConformanceError(.stopped, "stopped") }
            throw error
        }
    }

    private func play<Stage: Exam>(
        _ cases: [ConformanceCase<Stage>],
        _ stage: Stage,
        cleanUp: () -> Void,
        _ report: (CaseResult) -> Void
    ) throws {
        for entry in cases where only.isEmpty || only.contains(entry.number) {
            let begin = ContinuousClock.now
            var verdict = CaseVerdict.passed
            var detail = ""
            do {
                try stage.begin(limit: timeout)
                try entry.play(stage)
            } catch CaseEnd.failed(let text) {
                (verdict, detail) = (.failed, text)
            } catch CaseEnd.skipped(let text) {
                (verdict, detail) = (.skipped, text)
            } catch CaseEnd.stopped {
                cleanUp()
                stage.end()
                throw ConformanceError(.stopped, "stopped at case \(entry.number)")
            } catch {
                stage.end()
                throw error
            }
            let exchange = verdict == .failed ? stage.record : []
            let duration = begin.duration(to: .now)
            cleanUp()
            stage.end()
            report(
                CaseResult(
                    outline: entry.outline,
                    verdict: verdict,
                    detail: detail,
                    exchange: exchange,
                    duration: duration
                )
            )
        }
    }

    private static func parsed(_ bytes: [UInt8]) throws -> JSONValue {
        do {
            return try JSONValue(parsing: bytes)
        } catch {
            throw ConformanceError(.unsuitable, "the vectors are no JSON: \(error)")
        }
    }

    /// A configuration for Understudy's own worker; others may read it or not.
    private static func configuration(of mock: MockProvider, _ provider: String) -> String {
        """
        {"providers": {"\(provider)": {"base_url": "\(mock.baseURL)", "key": "none"}},
         "routing": {"default_chat_model": "\(provider)/ok"},
         "policy": {"backoff_base": "5ms", "backoff_cap": "20ms"}}

        """
    }
}

extension Examination.Subject {
    /// As what the subject is examined.
    public var role: PeerRole {
        switch self {
        case .broker: .broker
        case .worker: .worker
        case .agent(_, let isFull, _): isFull ? .fullAgent : .lockStepAgent
        }
    }
}
